"""The tensor: what it is, its gradients, and how it is assigned to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.cell import Cell
from ..core.errors import DtypeError, GradientError, InPlaceError, ShapeError
from ..core.mapping import Mapping
from ..core.replaced import replace
from ..core.spec import Spec, default_dtype, spec_of
from ..core.value import Value, wear
from ..transforms.backward import add_hook, backward, numbers_of, retain_grad
from ..transforms.graph import peel
from ..transforms.node import Leaf, Node, Part
from ..transforms.provenance import watching
from ..transforms.reverse import TAPE, detached, note_exit, tape
from .at import At
from .operators import Operators

__all__ = ["Tensor"]

Index = Any
Axis = int | Sequence[int] | None


def _augmented(mapping: Mapping, wrong: str) -> Any:
    """Return the operator x ∘= v: it changes a leaf in place where that is right, and makes a new value elsewhere."""

    def operator(self: Tensor, other: Any) -> Any:
        if self._owner is TAPE and self._payload.__class__ is Cell:
            return self._update(wrong, lambda x: mapping(x, other))
        return mapping(self, other)

    return operator


class Tensor(Operators):
    """An array on the tape: it knows how it was computed, and can be asked for gradients.

    Made by `pullback.tensor`, `pullback.asarray` and by every mapping. Its numbers never change under
    the graph: only a leaf (a parameter, a buffer) can be assigned a new value.

    >>> import pullback as pb
    >>> x = pb.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad.tolist()
    [2.0, 4.0]
    """

    __slots__ = ()

    # ------------------------------------------------------------------------------- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        # Written out, as `dtype`: what asks for the shape is asked all the time.
        payload = self._payload
        if payload.__class__ is Cell:
            return payload.read().shape
        return payload.shape if self._owner is TAPE else self._owner.spec(self).shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the elements."""
        payload = self._payload
        if payload.__class__ is Cell:
            return payload.read().dtype
        return payload.dtype if self._owner is TAPE else self._owner.spec(self).dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(_typed(self).shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return _spec(self).size

    @property
    def device(self) -> str:
        """Where the numbers are: always "cpu" so far."""
        return "cpu"

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are computed for this tensor. Can be set on a leaf."""
        return self._owner is TAPE and self._link is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.requires_grad_(wanted)

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by the user rather than computed from tensors with gradients."""
        return not isinstance(self._link, Node | Part)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has added up so far; None before the first (never shown as 0)."""
        cell = _grad_cell(self)
        if cell is None:
            return None
        g = cell.read()
        return g if g is None or (isinstance(g, Tensor) and g._owner is TAPE) else Tensor(TAPE, g)

    @grad.setter
    def grad(self, new: Any) -> None:
        cell = _grad_cell(self)
        if cell is None:
            if new is None:
                return
            raise GradientError("grad: this tensor gets no gradient (requires_grad is False)")
        cell.write(None if new is None else _fitting("grad", new, _spec(self)))

    @property
    def data(self) -> Tensor:
        """The values, cut off from the graph. Assigning replaces the values of a leaf."""
        return self.detach()

    @data.setter
    def data(self, new: Any) -> None:
        self.assign_(new)

    def __repr__(self) -> str:
        try:
            numbers = np.array2string(numbers_of(self), separator=", ", prefix="tensor(")
        except Exception:  # a traced or batched value has no numbers to show
            inner: Value = self
            while isinstance(inner._payload, Value):
                inner = inner._payload
            numbers = f"<{inner._owner.described}: {_spec(self)}>"
        parts = [numbers]
        if self.dtype != default_dtype() and self.dtype.kind not in "bi":
            parts.append(f"dtype={self.dtype.name}")
        if isinstance(self._link, Node) and self._owner is TAPE:
            parts.append(f"made by {self._link.mapping.name}")
        elif self.requires_grad:
            parts.append("requires_grad=True")
        return f"{type(self).__name__.lower()}({', '.join(parts)})"

    def _repr_html_(self) -> str:
        from ..glass.notebook import tensor_html

        return tensor_html(self)

    # ------------------------------------------------------------------------------- to numbers

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return the values as a NumPy array that cannot be written to (copy it to change it)."""
        if watching.count:
            note_exit(self, "numpy()")
        view = numbers_of(self).view()
        view.flags.writeable = False
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if self._owner is not TAPE:
            raise GradientError(
                f"this value belongs to {self._owner.described}; as a NumPy array it would lose its derivative.\n"
                f"  wrong:  np.asarray(x)\n  right:  a function of pullback, or x.numpy() for the numbers alone"
            )
        a = self.numpy()
        if dtype is not None and np.dtype(dtype) != a.dtype:
            if copy is False:
                raise ValueError("a tensor of another dtype cannot be given out without a copy")
            return a.astype(dtype)
        return a.copy() if copy else a

    def item(self) -> Any:
        """Return the one element as a Python number. Raises ShapeError when there is more than one."""
        if watching.count:
            note_exit(self, "item()")
        a = numbers_of(self)
        if a.size != 1:
            raise ShapeError(f"item: only a tensor with one element is one number, this one has shape {a.shape}")
        return a.item()

    def tolist(self) -> Any:
        """Return the values as nested Python lists."""
        if watching.count:
            note_exit(self, "tolist()")
        return numbers_of(self).tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"only an integer tensor can be an index, this one has dtype {self.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(
                f"the truth of a tensor of shape {self.shape} is ambiguous; use pb.any(x) or pb.all(x)"
            )
        return bool(self.item())

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a tensor without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.size == 1 and spec else str(self)

    # ------------------------------------------------------------------------------- gradients

    def backward(
        self, gradient: Any = None, *, retain_graph: bool | None = None, create_graph: bool = False
    ) -> None:
        """Pull a gradient back through everything this tensor was computed from, adding it to the leaves' `.grad`.

        `gradient` is the gradient of the final quantity with respect to this tensor; for a scalar it is 1.
        `retain_graph` keeps the saved values for another pass, `create_graph` makes the gradients
        differentiable themselves.

        Raises GradientError for a non-scalar without `gradient` or a tensor without history,
        FreedGraphError for a second pass over a released graph.
        """
        backward(self, gradient, retain_graph, create_graph)

    def detach(self) -> Tensor:
        """Return the same values, cut off from the graph."""
        if self._owner is TAPE:
            payload = self._payload
            y = payload.read() if payload.__class__ is Cell else payload
            if watching.count:
                y = detached(self, y, "detach()")
            if not isinstance(y, Value):
                return Tensor(TAPE, y)
        return m.stop_gradient(self)  # in a graph that is recorded, too: a run of it may be differentiated

    def clone(self) -> Tensor:
        """Return a tensor of the same values that gradients flow through."""
        return m.positive(self)

    def requires_grad_(self, wanted: bool = True) -> Tensor:
        """Switch the computation of gradients on or off for a leaf, and return it.

        Raises DtypeError for an integer or boolean tensor.
        """
        if self._owner is not TAPE:
            raise GradientError(f"requires_grad_: this value belongs to {self._owner.described}")
        if not self.is_leaf:
            if wanted:
                return self
            raise GradientError("requires_grad_: only a leaf can stop requiring gradients; use x.detach()")
        if wanted and self.dtype.kind != "f":
            raise DtypeError(
                f"requires_grad: only real floating tensors have gradients, this one has dtype {self.dtype}.\n"
                f"  wrong:  pb.tensor([1, 2, 3], requires_grad=True)\n"
                f"  right:  pb.tensor([1.0, 2.0, 3.0], requires_grad=True)"
            )
        cell = self._cell()
        if wanted and self._link is None:
            cell.leaf, cell.resting = cell.resting or Leaf(Cell(None, name="grad"), cell), None
        elif not wanted and self._link is not None:
            cell.leaf, cell.resting = None, self._link
        self._link = cell.leaf
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of this intermediate tensor in its `.grad`."""
        if not self.requires_grad:
            raise GradientError("retain_grad: this tensor gets no gradient (requires_grad is False)")
        retain_grad(self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Callable[[], None]:
        """Call `hook(gradient)` when the gradient of this tensor is computed; a result replaces it.

        Returns a function that removes the hook.
        """
        return add_hook(self, hook)

    # ------------------------------------------------------------------------------- assignment

    def assign_(self, new: Any) -> Tensor:
        """Replace the values of a leaf, keeping shape and dtype, and return it."""
        if self._owner is not TAPE or not self.is_leaf:
            raise _refused("an intermediate tensor", "x.data = new", "x = new")
        new = _fitting("data", new, _spec(self))
        self._cell().write(new)
        return self

    def _cell(self) -> Cell:
        """The cell of a leaf; a tensor that was constant so far gets one, so that recordings see it change."""
        cell = self._payload
        if cell.__class__ is not Cell:
            if isinstance(cell, Value):
                raise InPlaceError(
                    "an argument of a traced function is changed in place, which the caller would not see.\n"
                    "  wrong:  step = pb.compile(lambda w, x: w.assign_(w + x))\n"
                    "  right:  return the new value, or use a tensor from outside: it is found to be state"
                )
            replace(cell)
            cell = self._payload = Cell(cell)
        return cell

    def zero_(self) -> Tensor:
        """Set the values of a leaf to zero, and return it."""
        return self._update("zero_()", lambda old: m.multiply(old, 0))

    def _update(self, wrong: str, change: Callable[[Tensor], Any]) -> Tensor:
        if self._owner is not TAPE or self._payload.__class__ is not Cell:
            raise _refused("a tensor", f"x{wrong}", "x = x.at[i].set(v), or x = x * 0")
        if self._link is not None and tape().recording:
            raise InPlaceError(
                f"a leaf that requires gradients is changed in place while the graph is recorded, which would "
                f"falsify its gradient.\n  wrong:  w{wrong}\n  right:  with pb.no_grad(): w{wrong}"
            )
        return self.assign_(change(self.detach()))

    __iadd__ = _augmented(m.add, " += v")
    __isub__ = _augmented(m.subtract, " -= v")
    __imul__ = _augmented(m.multiply, " *= v")
    __itruediv__ = _augmented(m.divide, " /= v")

    def __setitem__(self, index: Index, new: Any) -> None:
        self._update("[i] = v", lambda x: x.at[index].set(new))

    @property
    def at(self) -> At:
        """Functional assignment: `x.at[i].set(v)` is a copy of `x` with other values at `i`; also `.add(v)`."""
        return At(self)

    # ------------------------------------------------------------------------------- protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from ..interop.numpy_protocol import ufunc_call

        return ufunc_call(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from ..interop.numpy_protocol import function_call

        return function_call(function, args, kwargs)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        import pullback

        return pullback

    def __dlpack__(self, **kwargs: Any) -> Any:
        return numbers_of(self).__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return numbers_of(self).__dlpack_device__()

    def __reduce__(self) -> Any:
        raise TypeError("a tensor is not pickled; save weights with pullback.save, arrays with numpy.save(x.numpy())")

    def __copy__(self) -> Tensor:
        return self._duplicate()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        memo[id(self)] = copied = self._duplicate()
        return copied

    def _duplicate(self) -> Tensor:
        if not self.is_leaf or self._owner is not TAPE:
            raise GradientError("only a leaf can be copied with the copy module; use x.clone() or x.detach()")
        copied = type(self)(TAPE, np.array(numbers_of(self))[()])
        if self._payload.__class__ is Cell:
            copied.requires_grad_(self.requires_grad)
        return copied


wear(Tensor)


def _typed(x: Value) -> Any:
    """Return something that has the shape and the dtype of a tensor: its array, or its spec inside a transform."""
    payload = x._payload
    if payload.__class__ is Cell:
        return payload.read()
    return payload if x._owner is TAPE else x._owner.spec(x)


def _spec(x: Value) -> Spec:
    typed = _typed(x)
    return Spec(typed.shape, typed.dtype)


def _grad_cell(x: Value) -> Cell | None:
    link = x._link
    if link is None and x._payload.__class__ is Cell:
        link = x._payload.resting
    return link.grad if x._owner is TAPE and isinstance(link, Leaf | Node | Part) else None


def _fitting(name: str, new: Any, spec: Spec) -> Any:
    """Return the array of `new` after checking that it has the shape; numbers are spread, dtypes cast."""
    if isinstance(new, Value):
        if new._owner is not TAPE:
            raise GradientError(f"{name}: the new value belongs to {new._owner.described}")
        new = peel(new)
    if isinstance(new, int | float) and not isinstance(new, np.generic):
        return np.full(spec.shape, new, spec.dtype)[()]
    have = spec_of(new)
    if have.shape != spec.shape:
        raise ShapeError(f"{name}: expected the shape {spec.shape} of the tensor, got {have.shape}")
    if isinstance(new, Value):  # what is recorded is cast on the tape
        return new if have.dtype == spec.dtype else peel(m._cast(new, dtype=spec.dtype))
    return np.array(new, dtype=spec.dtype)[()] if not isinstance(new, np.ndarray) or have.dtype != spec.dtype else new


def _refused(what: str, wrong: str, right: str) -> InPlaceError:
    return InPlaceError(
        f"{what} is a value and cannot be changed in place: other results may depend on it.\n"
        f"  wrong:  {wrong}\n  right:  {right}"
    )

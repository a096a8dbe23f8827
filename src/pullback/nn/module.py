"""Module: a plain object whose attributes are parameters, buffers and other modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np

from .. import mappings as m
from ..core.cell import Cell
from ..core.errors import DtypeError
from ..core.interpret import interpreting
from ..core.scope import change_scope, present_scope, restore_scope
from ..core.value import Value
from ..tensor import Tensor
from ..tensor.device import is_device
from ..transforms.backward import numbers_of
from ..transforms.reverse import TAPE, tape
from .choice import Where, fits
from .parameter import Buffer, Parameter
from .passage import Passage
from .place import note_layer
from .state import Loaded, check_state

__all__ = ["Module"]

Hook = Callable[..., Any]


class Module:
    """Base of every layer and network: define `__init__` (which makes the attributes) and `forward`.

    Parameters, buffers and modules are found in the attributes, also inside lists, tuples and dicts, in
    the order in which they were assigned. The path of attributes is the name. What is reached by several
    paths is one thing, listed once under the first.

    >>> import pullback as pb
    >>> class Net(pb.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = pb.nn.Linear(4, 3)
    ...         self.out = pb.nn.Linear(3, 2)
    ...     def forward(self, x):
    ...         return self.out(pb.tanh(self.hidden(x)))
    >>> net = Net()
    >>> [name for name, p in net.named_parameters()]
    ['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']
    >>> net(pb.zeros((5, 4))).shape
    (5, 2)
    """

    def __init__(self) -> None:
        own = vars(self)
        own["_mode"] = Cell(True, name="training")
        own["_before"] = []
        own["_after"] = []
        own["_back"] = []

    # ------------------------------------------------------------------------------------- calling

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output. Every module defines its own."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, ...): what it computes")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for before in self._before:
            changed = before(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        passage = Passage(self, self._back) if self._back else None
        if passage is not None:
            args = passage.enter(args)
        token = change_scope((*present_scope(), self))
        try:
            y = self.forward(*args, **kwargs)
        except Exception as error:
            note_layer(error, self)
            raise
        finally:
            restore_scope(token)
        for after in self._after:
            changed = after(self, args, y)
            if changed is not None:
                y = changed
        return y if passage is None else passage.exit(y)

    @property
    def has_hooks(self) -> bool:
        """Whether something is called whenever this module is."""
        return bool(self._before or self._after or self._back)

    def register_forward_hook(self, hook: Hook) -> Callable[[], None]:
        """Call `hook(module, args, output)` after every `forward`; a result replaces the output.

        Returns a function that removes the hook.
        """
        return _attach(self._after, hook)

    def register_forward_pre_hook(self, hook: Hook) -> Callable[[], None]:
        """Call `hook(module, args)` before every `forward`; a result replaces the positional arguments.

        Returns a function that removes the hook.
        """
        return _attach(self._before, hook)

    def register_full_backward_hook(self, hook: Hook) -> Callable[[], None]:
        """Call `hook(module, grad_input, grad_output)` on every way back through this module, in `backward()`.

        Both are tuples of gradients, one per positional argument and one per result, None where there is none;
        a result replaces `grad_input`. Returns a function that removes the hook.

        >>> import pullback as pb
        >>> layer = pb.nn.Linear(2, 3)
        >>> remove = layer.register_full_backward_hook(lambda m, gin, gout: print(gin[0].shape, gout[0].tolist()))
        >>> layer(pb.tensor([1.0, 2.0], requires_grad=True)).sum().backward()
        (2,) [1.0, 1.0, 1.0]
        """
        return _attach(self._back, hook)

    # ------------------------------------------------------------------------------- what is inside

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Go through this module and all modules inside it, each once, with its path."""
        seen: set[int] = set()  # asked for membership only; the order is that of the attributes
        waiting: list[tuple[str, Module]] = [(prefix, self)]
        while waiting:
            path, module = waiting.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            inner = [(f"{path}.{name}" if path else name, x) for name, x in members(module) if isinstance(x, Module)]
            waiting.extend(reversed(inner))

    def modules(self) -> Iterator[Module]:
        """Go through this module and all modules inside it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Go through the modules directly inside this one, each once, with their names."""
        seen: set[int] = set()
        for name, x in members(self):
            if isinstance(x, Module) and id(x) not in seen:
                seen.add(id(x))
                yield name, x

    def children(self) -> Iterator[Module]:
        """Go through the modules directly inside this one, each once."""
        return (child for _, child in self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, where: Where | None = None
    ) -> Iterator[tuple[str, Parameter]]:
        """Go through the parameters, each once, with their paths; `recurse=False` looks at this module only.

        `where` chooses: a pattern of paths ("*.bias"), a class of modules (nn.LayerNorm), or a function of path
        and parameter.
        """
        meant = fits(where)
        owned = self._owned(Parameter, prefix, recurse)
        return ((path, x) for path, x, owner in owned if meant(path, x, owner))

    def parameters(self, recurse: bool = True, where: Where | None = None) -> Iterator[Parameter]:
        """Go through the parameters, each once; `where` chooses as in `named_parameters`.

        >>> import pullback as pb
        >>> net = pb.nn.Sequential(pb.nn.Linear(4, 3), pb.nn.Linear(3, 2))
        >>> [p.shape for p in net.parameters(where="*.bias")]
        [(3,), (2,)]
        """
        return (parameter for _, parameter in self.named_parameters(recurse=recurse, where=where))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Buffer]]:
        """Go through the buffers, each once, with their paths."""
        return self._named(Buffer, prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Buffer]:
        """Go through the buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _named(self, kind: type[Any], prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        return ((path, x) for path, x, _ in self._owned(kind, prefix, recurse))

    def _owned(self, kind: type[Any], prefix: str, recurse: bool) -> Iterator[tuple[str, Any, Module]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, x in members(module):
                if isinstance(x, kind) and id(x) not in seen:
                    seen.add(id(x))
                    yield (f"{path}.{name}" if path else name), x, module

    # --------------------------------------------------------------------------------------- state

    def register_buffer(self, name: str, data: Any, persistent: bool = True) -> None:
        """Keep `data` as state under this name; `persistent=False` leaves it out of `state_dict`."""
        setattr(self, name, None if data is None else Buffer(data, persistent))

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Keep a parameter, or None, under this name."""
        setattr(self, name, parameter)

    def add_module(self, name: str, module: Module | None) -> None:
        """Put a module inside, or None, under a name that may be written in no program, such as "0".

        Raises TypeError for what is no module and for a name that is no text; KeyError for a name that is empty, that
        has a dot in it, or that is taken by something else than a module.

        >>> import pullback as pb
        >>> net = pb.nn.Module()
        >>> net.add_module("first", pb.nn.Linear(4, 2))
        >>> [name for name, _ in net.named_parameters()]
        ['first.weight', 'first.bias']
        """
        kind = type(self).__name__
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{kind}.add_module: expected a module or None, got {type(module).__name__}")
        if not isinstance(name, str):
            raise TypeError(f"{kind}.add_module: expected the name as text, got {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"{kind}.add_module: expected a name that is not empty and has no dot in it, got {name!r}")
        present = vars(self).get(name)
        if hasattr(self, name) and not (isinstance(present, Module) or (present is None and name in vars(self))):
            raise KeyError(f"{kind}.add_module: {name!r} is the name of something else")
        setattr(self, name, module)

    register_module = add_module

    def state_dict(self) -> dict[str, Tensor]:
        """Return copies of all parameters and persistent buffers by path."""
        return {path: Tensor(TAPE, np.array(numbers_of(x))[()]) for path, x in self._state()}

    def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> Loaded:
        """Take over the values in `state_dict`, a dict of arrays or tensors by path.

        With `strict=False`, names may be missing or left over; both are returned as
        `(missing_keys, unexpected_keys)`. Raises KeyError (names), ShapeError or DtypeError; then nothing
        has changed.
        """
        own = dict(self._state())
        new, loaded = check_state(type(self).__name__, own, state_dict, strict)
        for path, array in new.items():
            own[path].assign_(array)
        return loaded

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        seen: set[int] = set()
        for path, module in self.named_modules():
            inside = members(module)
            for kind in (Parameter, Buffer):
                for name, x in inside:
                    if isinstance(x, kind) and id(x) not in seen and getattr(x, "persistent", True):
                        seen.add(id(x))
                        yield (f"{path}.{name}" if path else name), x

    # -------------------------------------------------------------------------------------- changing

    @property
    def training(self) -> bool:
        """Whether the module is in training mode (dropout drops, normalisation uses the batch)."""
        return self._mode.read()

    def train(self, mode: bool = True) -> Self:
        """Put this module and all inside it into training mode, and return it."""
        for module in self.modules():
            module._mode.write(bool(mode))
        return self

    def eval(self) -> Self:
        """Put this module and all inside it into evaluation mode, and return it."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: `.grad` becomes None."""
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self, wanted: bool = True, where: Where | None = None) -> Self:
        """Switch gradients of all parameters on or off, or of those that `where` chooses; return the module.

        Without gradients parameters are frozen: an optimiser leaves them as they are. Raises ValueError when
        `where` chooses none.

        >>> import pullback as pb
        >>> net = pb.nn.Sequential(pb.nn.Linear(4, 3), pb.nn.Linear(3, 2)).requires_grad_(False, where="0.*")
        >>> [name for name, p in net.named_parameters() if p.requires_grad]
        ['1.weight', '1.bias']
        """
        chosen = list(self.parameters(where=where))
        if where is not None and not chosen:
            paths = ", ".join(path for path, _ in self.named_parameters())
            raise ValueError(f"{type(self).__name__}.requires_grad_: {where!r} chooses no parameter of {paths}")
        for parameter in chosen:
            parameter.requires_grad_(wanted)
        return self

    def to(self, target: Any) -> Self:
        """Convert all floating parameters and buffers to a dtype, or move them to a device; return the module.

        Make the optimiser afterwards, so that its slots have the same dtype. Raises DtypeError for a dtype
        that is not floating, ValueError for a device other than "cpu".
        """
        if is_device(target):
            return self
        dtype = np.dtype(target)
        if dtype.kind != "f":
            raise DtypeError(f"{type(self).__name__}.to: expected a real floating dtype or a device, got {dtype}")
        with interpreting(tape().below):
            for _, x in [*self.named_parameters(), *self.named_buffers()]:
                if x.dtype.kind == "f" and x.dtype != dtype:
                    gradient = x.grad
                    x._payload.write(m.astype(x._payload.read(), dtype))
                    if gradient is not None:
                        x.grad = gradient
        return self

    def float(self) -> Self:
        """Convert to float32, and return the module."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert to float64, and return the module."""
        return self.to(np.float64)

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call `function` with every module inside, the inner ones first, then with this one; return it.

        >>> import pullback as pb
        >>> def start(module):
        ...     if isinstance(module, pb.nn.Linear):
        ...         pb.nn.init.zeros_(module.bias)
        >>> pb.nn.Linear(2, 2).apply(start).bias.tolist()
        [0.0, 0.0]
        """
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    # ------------------------------------------------------------------------------------ attributes

    def __setattr__(self, name: str, value: Any) -> None:
        own = vars(self)
        if isinstance(value, Parameter | Buffer | Module) and "_mode" not in own:
            raise _uninitialised(type(self).__name__)
        if name in _computed(own):
            raise TypeError(
                f"{type(self).__name__}.{name} is computed by a parametrisation and cannot be assigned.\n"
                f"  right:  module.parametrizations.{name}.original.data = new, or nn.remove_parametrizations first"
            )
        present = own.get(name)
        if present is not None and value is not None:
            if isinstance(present, Buffer) and not isinstance(value, Buffer):
                present.assign_(m.stop_gradient(value) if isinstance(value, Value) else value)
                return
            if isinstance(present, Parameter) and not isinstance(value, Parameter):
                raise TypeError(
                    f"{type(self).__name__}.{name} is a parameter; a plain value in its place would be trained no "
                    f"more.\n  wrong:  module.{name} = new\n"
                    f"  right:  module.{name}.data = new, or module.{name} = nn.Parameter(new)"
                )
        if isinstance(value, Parameter | Buffer) and not value._payload.name:
            value._payload.name = name
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name in _INTERNAL:
            raise _uninitialised(type(self).__name__)
        computed = _computed(vars(self))
        if name in computed:
            return computed[name]()
        if hasattr(type(self), name):  # a property raised AttributeError: show that error, not another
            return object.__getattribute__(self, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def extra_repr(self) -> str:
        """Return what `repr` shows in the parentheses of this module."""
        return ""

    def __repr__(self) -> str:
        lines = [line for line in self.extra_repr().split("\n") if line]
        inner = [(name, x) for name, x in members(self) if isinstance(x, Module)]
        if not inner:
            return f"{type(self).__name__}({', '.join(lines)})"
        for name, x in inner:
            lines.append(f"({name}): " + repr(x).replace("\n", "\n  "))
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"

    def _repr_html_(self) -> str:
        from ..glass.notebook import module_html

        return module_html(self)


_INTERNAL = ("_mode", "_before", "_after", "_back")


def members(module: Module) -> list[tuple[str, Any]]:
    """Return the parameters, buffers and modules directly inside `module` with their names, in order."""
    found: list[tuple[str, Any]] = []
    opened: set[int] = set()
    waiting: list[tuple[str, Any]] = [(k, v) for k, v in reversed(vars(module).items()) if k not in _INTERNAL]
    while waiting:
        name, x = waiting.pop()
        if isinstance(x, Parameter | Buffer | Module):
            found.append((name, x))
        elif isinstance(x, list | tuple | dict) and id(x) not in opened:
            opened.add(id(x))
            inner = list(x.items() if isinstance(x, dict) else enumerate(x))
            waiting.extend((f"{name}.{key}", value) for key, value in reversed(inner))
    return found


def _computed(own: dict[str, Any]) -> Any:
    """The parametrisations of a module by the name of the weight that they compute; empty where there are none."""
    held = own.get("parametrizations")
    return held if isinstance(held, Module) else {}


def _attach(hooks: list[Hook], hook: Hook) -> Callable[[], None]:
    hooks.append(hook)

    def remove() -> None:
        if hook in hooks:
            hooks.remove(hook)

    return remove


def _uninitialised(name: str) -> AttributeError:
    return AttributeError(
        f"{name}.__init__ must call super().__init__() before it makes its attributes.\n"
        f"  wrong:  def __init__(self): self.layer = nn.Linear(4, 2)\n"
        f"  right:  def __init__(self): super().__init__(); self.layer = nn.Linear(4, 2)"
    )

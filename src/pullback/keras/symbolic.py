"""Symbolic tensors: what a layer gives when it is called on the shape of data rather than on data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..core import tree
from ..core.spec import Spec, spec_of
from ..transforms.tally import tally

if TYPE_CHECKING:
    from .layers.layer import Layer

__all__ = ["KerasTensor", "Node", "is_symbolic", "operate", "record"]

Shape = tuple[int | None, ...]

UNKNOWN = 8, 11
"""Lengths that are put in the place of an unknown one: an axis whose length follows them is unknown too."""


def operate(name: str, *args: Any, **kwargs: Any) -> Any:
    """Put an operation of `layers.operation` behind symbolic tensors."""
    from .layers.operation import Operation

    return Operation(name)(*args, **kwargs)


def _operator(name: str, swapped: bool = False) -> Any:
    def method(self: KerasTensor, other: Any) -> Any:
        return operate(name, other, self) if swapped else operate(name, self, other)

    return method


class KerasTensor:
    """The place of an array in a functional model: its shape, in which None is an unknown length, and its dtype.

    Layers, and the operators of arithmetic and indexing, take it and give another one.

    >>> from pullback import keras
    >>> x = keras.Input(shape=(4,))
    >>> y = keras.layers.Dense(3)(x)
    >>> x.shape, y.shape, (y[:, :2] + 1).shape
    ((None, 4), (None, 3), (None, 2))
    """

    __add__, __radd__ = _operator("add"), _operator("add", True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", True)
    __truediv__, __rtruediv__ = _operator("divide"), _operator("divide", True)
    __pow__, __rpow__ = _operator("power"), _operator("power", True)
    __matmul__, __rmatmul__ = _operator("matmul"), _operator("matmul", True)
    __getitem__ = _operator("get_item")

    def __init__(self, shape: Shape, dtype: Any, node: Node, index: int) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.node, self.index = node, index

    @property
    def ndim(self) -> int:
        """The number of axes, with that of the batch."""
        return len(self.shape)

    @property
    def name(self) -> str:
        """The name of the layer that gives it."""
        return self.node.layer.name

    def __repr__(self) -> str:
        shape = ", ".join(map(str, self.shape)) + ("," if self.ndim == 1 else "")
        return f"<KerasTensor ({shape}) {self.dtype.name}, from {self.name}>"

    def __neg__(self) -> Any:
        return operate("negative", self)

    def __abs__(self) -> Any:
        return operate("abs", self)

    def _refuse(self, what: str) -> NoReturn:
        raise TypeError(
            f"{self!r} has a shape and no numbers, so {what}.\n"
            "  wrong:  y = np.sin(x)\n  right:  y = keras.ops.sin(x), or layers.Lambda(np.sin)(x)"
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and ufunc.__name__ in ("add", "subtract", "multiply", "divide", "power", "matmul"):
            return operate(ufunc.__name__, *inputs)  # array + symbolic
        self._refuse(f"np.{ufunc.__name__} cannot compute it")

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse("it cannot become an array")

    def __bool__(self) -> NoReturn:
        self._refuse("nothing can depend on what it is")

    def __iter__(self) -> NoReturn:
        self._refuse("it cannot be gone through")

    def __len__(self) -> NoReturn:
        self._refuse("it has no length")


class Node:
    """One call of a layer on symbolic tensors: what it was called with, and what came out."""

    def __init__(self, layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.layer, self.args, self.kwargs = layer, args, kwargs
        self.outputs: Any = None

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic tensors among the arguments, in order."""
        return [x for x in tree.leaves((self.args, self.kwargs)) if isinstance(x, KerasTensor)]

    def run(self, value_of: Callable[[KerasTensor], Any]) -> Any:
        """Call the layer on values in the place of the symbolic tensors."""

        def filled(x: Any) -> Any:
            return value_of(x) if isinstance(x, KerasTensor) else x

        return self.layer(*tree.map(filled, self.args), **tree.map(filled, self.kwargs))


def is_symbolic(*arguments: Any) -> bool:
    """Whether there is a symbolic tensor among the arguments, or in containers of them."""
    return any(isinstance(x, KerasTensor) for x in tree.leaves(arguments))


def record(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Note a call of a built layer, and return what stands for its results."""
    node = Node(layer, args, kwargs)
    shapes = layer.compute_output_shape(tree.map(_shape_of, args[0]))
    if shapes is NotImplemented:
        specs = inferred(layer, args, kwargs)
    else:
        dtype = next((x.dtype for x in node.inputs if x.dtype.kind == "f"), layer.dtype)
        specs = _as_specs(shapes, dtype)
    leaves, structure = tree.flatten(specs)
    made = [KerasTensor(spec.shape, spec.dtype, node, index) for index, spec in enumerate(leaves)]
    node.outputs = tree.unflatten(structure, made)
    layer.nodes.append(node)
    return node.outputs


def inferred(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The specs of a layer's results, found by running it on shapes alone."""
    leaves, structure = tree.flatten((args, kwargs))
    found = []
    for length in UNKNOWN:
        stand_ins = [_with_length(x, length) if isinstance(x, KerasTensor) else x for x in leaves]

        def call(*filled: Any) -> Any:
            positional, named = tree.unflatten(structure, filled)
            return layer(*positional, **named)

        try:
            result, _ = tally(call, stand_ins, {})
        except Exception as error:
            shapes = ", ".join(str(x.shape) for x in leaves if isinstance(x, KerasTensor))
            error.add_note(f"{layer.name} was called on shapes {shapes}, with {length} in the place of None")
            raise
        found.append(tree.map(spec_of, result))
    return tree.map(_agreed, *found)


def _with_length(x: KerasTensor, length: int) -> Spec:
    return Spec(tuple(length if n is None else n for n in x.shape), x.dtype)


def _agreed(first: Spec, second: Spec) -> Spec:
    shape = tuple(n if n == other else None for n, other in zip(first.shape, second.shape, strict=True))
    return Spec(shape, first.dtype)  # type: ignore[arg-type]  # None stands for what is not known


def _shape_of(x: Any) -> Any:
    return x.shape if isinstance(x, KerasTensor) else tuple(np.shape(x))


def _as_specs(shapes: Any, dtype: Any) -> Any:
    """Specs for a shape, or for a list, tuple or dictionary of shapes."""
    if isinstance(shapes, dict):
        return {name: _as_specs(shape, dtype) for name, shape in shapes.items()}
    if all(n is None or isinstance(n, int | np.integer) for n in shapes):
        return Spec(tuple(shapes), dtype)
    return type(shapes)(_as_specs(shape, dtype) for shape in shapes)

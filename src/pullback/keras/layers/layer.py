"""Layer: a module whose parameters are made when the shape of its input is known."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.cell import storing
from ...core.interpret import interpreting
from ...core.spec import default_dtype, shape_of
from ...core.value import Value
from ...nn import Buffer, Module, Parameter
from ...transforms.reverse import TAPE
from ..initializers import start
from ..recipe import Recorded
from ..symbolic import KerasTensor, Node, is_symbolic, record

__all__ = ["Layer", "Shape"]

Shape = tuple[int | None, ...]

_names: Counter[str] = Counter()


class Layer(Recorded, Module):
    """What you subclass: `build` makes the parameters with `add_weight`, `call` computes.

    ``build(self, input_shape)`` gets the shape with the axis of the batch as None, or as many shapes as there are
    inputs. ``call(self, inputs)`` may also ask for ``training``. A layer begins in evaluation mode, as in Keras;
    `fit` trains it, and so does ``layer(x, training=True)``. Called on a symbolic tensor it gives another one; the
    shape is found by running `call` on shapes alone, or is what ``compute_output_shape(self, input_shape)`` says.

    ``name``: in the summary and for dictionaries of losses; by default the kind and a number. ``trainable``: whether
    its parameters are trained. ``input_shape``: the shape of one sample, for the first layer of a `Sequential`.

    >>> import pullback as pb
    >>> from pullback import keras
    >>> class Scale(keras.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.factors = self.add_weight(shape=(input_shape[-1],), initializer="ones")
    ...     def call(self, inputs):
    ...         return inputs * self.factors
    >>> Scale()(pb.ones((2, 3))).shape
    (2, 3)
    """

    takes_integers = False
    """Whether data that are integers are handed to it as they are."""

    nodes: list[Node]

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
        input_shape: Sequence[int | None] | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()
        if unknown:
            raise TypeError(f"{type(self).__name__}: there is no argument {next(iter(unknown))!r}")
        self._mode.write(False)
        self.name = fresh_name(type(self).__name__) if name is None else name
        self.dtype = default_dtype() if dtype is None else np.dtype(dtype)
        self.sample_shape = None if input_shape is None else tuple(input_shape)
        self.built = False
        self.nodes = []
        self._trainable = bool(trainable)

    # ------------------------------------------------------------------------- what a subclass defines

    def build(self, input_shape: Any) -> None:
        """Make the parameters for inputs of this shape."""

    def call(self, inputs: Any) -> Any:
        """Compute the output. Every layer defines its own."""
        raise NotImplementedError(f"{type(self).__name__} must define call(self, inputs): what it computes")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the result, where it is to be said and not found; NotImplemented finds it."""
        return NotImplemented

    def add_weight(
        self,
        shape: Sequence[int] = (),
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> Any:
        """Make a parameter, or with ``trainable=False`` a buffer, to be assigned to an attribute.

        ``initializer``: a name or a function of the shape; by default Glorot's uniform one for matrices, else zeros.
        """
        kind = ("glorot_uniform" if len(shape) > 1 else "zeros") if initializer is None else initializer
        parameter = start(kind, tuple(int(n) for n in shape), dtype)
        return parameter if trainable else Buffer(parameter)

    # -------------------------------------------------------------------------------------- calling

    def __call__(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        if not args:
            raise TypeError(f"{self.name}: expected an input, as in layer(x)")
        if not self.built:
            self._build_for(args[0])
        plain = len(args) == 1 and not kwargs and isinstance(args[0], Value)  # the common case, without a search
        if not plain and is_symbolic(args, kwargs):
            return record(self, args, kwargs if training is None else kwargs | {"training": training})
        if training is None or bool(training) == self.training:
            return super().__call__(*args, **kwargs)
        self.train(training)
        try:
            return super().__call__(*args, **kwargs)
        finally:
            self.train(not training)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return `call(…)`; it hears whether this is training if it asks."""
        if _asks_for_training(type(self)):
            kwargs["training"] = self.training
        return self.call(*args, **kwargs)

    def _build_for(self, inputs: Any) -> None:
        self.build_for_shape(
            tree.map(lambda x: x.shape if isinstance(x, KerasTensor) else (None, *shape_of(x)[1:]), inputs)
        )

    def build_for_shape(self, input_shape: Any) -> None:
        """Call `build`, unless that was done, in a place of its own: what is recorded now does not record it."""
        if self.built:
            return
        with interpreting(TAPE), storing(None):
            self.build(input_shape)
        self.built = True
        if not self._trainable:
            self.trainable = False

    # ------------------------------------------------------------------------------- what is inside

    @property
    def trainable(self) -> bool:
        """Whether the parameters of this layer, and of all layers inside, are trained; may be set."""
        return self._trainable

    @trainable.setter
    def trainable(self, wanted: bool) -> None:
        for module in self.modules():
            if isinstance(module, Layer):
                module._trainable = bool(wanted)
        self.requires_grad_(bool(wanted))

    @property
    def weights(self) -> list[Any]:
        """All parameters and buffers, in the order of `get_weights`."""
        return [x for _, x in self._state()]

    @property
    def trainable_weights(self) -> list[Parameter]:
        """The parameters that are trained."""
        return [p for p in self.parameters() if p.requires_grad]

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The parameters that are not trained, and the buffers."""
        return [x for x in self.weights if not getattr(x, "requires_grad", False)]

    trainable_variables, non_trainable_variables, variables = trainable_weights, non_trainable_weights, weights

    def count_params(self) -> int:
        """The number of elements of all weights."""
        return sum(x.size for x in self.weights)

    def get_weights(self) -> list[Any]:
        """Copies of all parameters and moving statistics, layer by layer."""
        return [np.array(value) for value in self.state_dict().values()]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take over what `get_weights` returned. Raises ValueError and ShapeError for what does not fit."""
        names = list(self.state_dict())
        if len(names) != len(weights):
            raise ValueError(f"set_weights: {self.name}: expected {len(names)} arrays, got {len(weights)}")
        self.load_state_dict(dict(zip(names, weights, strict=True)))

    @property
    def input(self) -> Any:
        """What the layer was called on in its only functional model. Raises AttributeError elsewhere."""
        args = self._only_node("input").args
        return args[0] if len(args) == 1 else list(args)

    @property
    def output(self) -> Any:
        """The symbolic result of the layer in its only functional model. Raises AttributeError elsewhere."""
        return self._only_node("output").outputs

    def _only_node(self, what: str) -> Node:
        if len(self.nodes) != 1:
            times = "was not called" if not self.nodes else f"was called {len(self.nodes)} times"
            raise AttributeError(f"{self.name}.{what}: expected a layer with one symbolic call; it {times}")
        return self.nodes[0]


def clear_names() -> None:
    """Begin to count the names of layers anew."""
    _names.clear()


def fresh_name(kind: str) -> str:
    """`dense`, `dense_1`, …: the kind in small letters, and how many of it there were."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", kind).lower()
    _names[name] += 1
    return name if _names[name] == 1 else f"{name}_{_names[name] - 1}"


_asking: dict[type, bool] = {}


def _asks_for_training(kind: Any) -> bool:
    if kind not in _asking:
        _asking[kind] = "training" in inspect.signature(kind.call).parameters
    return _asking[kind]

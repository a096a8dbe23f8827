"""Averages of weights: the mean over a stretch of training (SWA), or one that forgets (EMA)."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.cell import Cell
from ..core.errors import DtypeError, ShapeError
from ..core.interpret import interpreting
from ..core.value import Value
from ..nn.module import Module
from ..nn.parameter import Buffer, Parameter
from ..tensor import Tensor
from ..transforms.backward import numbers_of
from ..transforms.reverse import TAPE, no_grad, tape

__all__ = ["EMA", "AveragedModel", "get_ema_avg_fn", "get_swa_avg_fn", "update_bn"]

Average = Callable[[Any, Any, Any], Any]


def get_swa_avg_fn() -> Average:
    """Return the function (mean, new, n) ↦ mean + (new − mean)/(n + 1): all models count alike."""
    return lambda averaged, current, num_averaged: averaged + (current - averaged) / (num_averaged + 1)


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Return the function (mean, new, n) ↦ decay · mean + (1 − decay) · new: about 1/(1 − decay) models count.

    Raises ValueError for a decay outside [0, 1].
    """
    decay = _decay("get_ema_avg_fn", decay)
    return lambda averaged, current, num_averaged: averaged * decay + current * (1 - decay)


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's (Izmailov et al., UAI 2018).

    `update_parameters(model)` takes the model's present parameters into the average; the first are copied. Call
    it after the steps of the optimiser that are to count, inside a traced step or outside. `avg_fn(averaged,
    current, num_averaged)` gives the new average of one parameter: `get_swa_avg_fn()`, the mean of all, by
    default, or `get_ema_avg_fn(decay)`. `use_buffers` averages floating buffers too; counts, and without it all
    buffers, are copied. The copy is in `module`; calling this calls it. With BatchNorm, call `update_bn` before
    using it.

    >>> import pullback as pb
    >>> model = pb.nn.Linear(1, 1, bias=False)
    >>> averaged = pb.optim.AveragedModel(model)
    >>> for value in [1.0, 2.0, 6.0]:
    ...     _ = pb.nn.init.constant_(model.weight, value)
    ...     averaged.update_parameters(model)
    >>> averaged(pb.tensor([[1.0]])).item()
    3.0
    """

    def __init__(self, model: Module, avg_fn: Average | None = None, *, use_buffers: bool = False) -> None:
        super().__init__()
        if not isinstance(model, Module):
            raise TypeError(f"AveragedModel: expected a Module, got {type(model).__name__}")
        self.module = copy.deepcopy(model)
        self.n_averaged = Buffer(np.int64(0))
        self.avg_fn = get_swa_avg_fn() if avg_fn is None else avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the averaged model computes."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the parameters of `model` into the average. Raises ValueError when it is another kind of model."""
        own, given = _parts(self.module), _parts(model)
        if [(name, x.shape, x.dtype) for name, x in own] != [(name, x.shape, x.dtype) for name, x in given]:
            raise ValueError("AveragedModel.update_parameters: the model's parameters and buffers are not those copied")
        count = _read(self.n_averaged)
        new: list[tuple[Cell, Any]] = []
        for (_, mine), (_, theirs) in zip(own, given, strict=True):
            current = _read(theirs)
            averages = isinstance(mine, Parameter) or (self.use_buffers and mine.dtype.kind == "f")
            if averages:
                with no_grad():
                    mean = self.avg_fn(_tensor(_read(mine)), _tensor(current), _tensor(count))
                with interpreting(tape().below):
                    current = m.where(m.equal(count, 0), current, m.astype(_bare(mean), mine.dtype))
            new.append((mine._payload, current))
        with interpreting(tape().below):
            new.append((self.n_averaged._payload, m.add(count, 1)))
        for cell, value in new:
            cell.write(value)


class EMA:
    """Exponential moving averages of parameters: e ← decay · e + (1 − decay) · θ in each `update()`.

    `parameters`: tensors or a module. They begin as copies. `update()` works inside a traced step. Inside
    `with ema.applied():` the parameters have the averages' values, and their own again afterwards, also after
    an exception; `copy_to()` gives them for good. Raises ValueError for a decay outside [0, 1] and for no
    parameters.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([0.0])
    >>> ema = pb.optim.EMA([w], decay=0.75)
    >>> w.data = [4.0]
    >>> ema.update()
    >>> with ema.applied():
    ...     print(w.tolist())
    [1.0]
    >>> w.tolist()
    [4.0]
    """

    def __init__(self, parameters: Module | Iterable[Tensor], decay: float = 0.999) -> None:
        self.decay = _decay("EMA", decay)
        self.parameters = list(parameters.parameters() if isinstance(parameters, Module) else parameters)
        if not self.parameters:
            raise ValueError("EMA: got no parameters (a generator that was used up before, perhaps?)")
        for i, p in enumerate(self.parameters):
            if not isinstance(p, Tensor) or not isinstance(p._payload, Cell) or p.dtype.kind != "f":
                raise TypeError(f"EMA: expected real floating parameters, got {type(p).__name__} as parameter {i}")
        self._cells = [Cell(np.array(_read(p))[()], name=f"{p._payload.name}.ema") for p in self.parameters]

    def update(self) -> None:
        """Move the averages towards the parameters."""
        with interpreting(tape().below):
            new = [
                m.add(m.multiply(cell.read(), self.decay), m.multiply(_read(p), 1 - self.decay))
                for p, cell in zip(self.parameters, self._cells, strict=True)
            ]
        for cell, value in zip(self._cells, new, strict=True):
            cell.write(value)

    @property
    def averages(self) -> list[Tensor]:
        """Copies of the averages, in the order of the parameters."""
        return [_tensor(np.array(cell.read())[()]) for cell in self._cells]

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Give the parameters the averages' values inside the `with` statement."""
        own = [_read(p) for p in self.parameters]
        self.copy_to()
        try:
            yield
        finally:
            for p, value in zip(self.parameters, own, strict=True):
                p._payload.write(value)

    def copy_to(self) -> None:
        """Give the parameters the averages' values."""
        for p, cell in zip(self.parameters, self._cells, strict=True):
            p._payload.write(cell.read())

    def state_dict(self) -> dict[str, Any]:
        """Return the decay and copies of the averages, as `load_state_dict` and `pullback.save` take them."""
        return {"decay": self.decay, "averages": self.averages}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken. Raises ValueError, ShapeError or DtypeError when it does not fit."""
        if set(state_dict) != {"decay", "averages"} or len(state_dict["averages"]) != len(self._cells):
            raise ValueError(f"EMA.load_state_dict: expected 'decay' and {len(self._cells)} 'averages'")
        decay = _decay("EMA.load_state_dict", state_dict["decay"])
        new = [np.array(numbers_of(x)) for x in state_dict["averages"]]
        for i, (p, a) in enumerate(zip(self.parameters, new, strict=True)):
            if a.shape != p.shape:
                raise ShapeError(f"EMA.load_state_dict: average {i}: expected shape {p.shape}, got {a.shape}")
            if a.dtype != p.dtype:
                raise DtypeError(f"EMA.load_state_dict: average {i}: expected {p.dtype}, got {a.dtype}")
        self.decay = decay
        for cell, a in zip(self._cells, new, strict=True):
            cell.write(a[()])


def update_bn(loader: Iterable[Any], model: Module) -> None:
    """Compute the running statistics of all BatchNorm layers of `model` anew, as means over the batches.

    `loader`: batches; of a tuple or list the first is the input. For a model whose weights are averages, so
    that its statistics fit them. Each module's mode is as before afterwards.
    """
    layers = [x for x in model.modules() if getattr(x, "num_batches_tracked", None) is not None]
    if not layers:
        return
    modes = [(x, x.training) for x in model.modules()]
    momenta = [(x, x.momentum) for x in layers]
    try:
        model.train()
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # the mean over all batches
        with no_grad():
            for batch in loader:
                model(batch[0] if isinstance(batch, tuple | list) else batch)
    finally:
        for module, mode in modes:
            module._mode.write(mode)
        for layer, momentum in momenta:
            layer.momentum = momentum


def _parts(model: Module) -> list[tuple[str, Any]]:
    return [*model.named_parameters(), *model.named_buffers()]


def _read(x: Tensor) -> Any:
    return x._payload.read()


def _tensor(x: Any) -> Tensor:
    return Tensor(TAPE, x)


def _bare(x: Any) -> Any:
    while isinstance(x, Value) and x._owner is TAPE:
        x = x._payload.read() if isinstance(x._payload, Cell) else x._payload
    return x


def _decay(where: str, decay: float) -> float:
    if not 0 <= decay <= 1:
        raise ValueError(f"{where}: expected decay in [0, 1], got {decay}")
    return float(decay)

"""L-BFGS: Newton's steps with an inverse Hessian remembered from the last steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np

from .. import mappings as m
from ..core.cell import Cell
from ..core.errors import ShapeError
from ..core.interpret import interpreting
from ..mappings.update_lbfgs import _lbfgs_direction
from ..nn.clipping import gradient_cell, plain_gradient
from ..tensor import Tensor
from ..transforms.backward import numbers_of
from ..transforms.reverse import TAPE, enable_grad, tape
from .line_search import Point, strong_wolfe
from .optimizer import Optimizer

__all__ = ["LBFGS"]


@dataclass(frozen=True)
class _Memory:
    """What L-BFGS knows when a step begins; `steps` and `differences` have one row for each remembered step."""

    n_iter: int
    func_evals: int
    length: float
    loss: float
    direction: Any
    gradient: Any
    steps: Any
    differences: Any


class LBFGS(Optimizer):
    """L-BFGS (Liu & Nocedal, Mathematical Programming 45, 1989), for losses without noise. As in PyTorch.

    `step(closure)` makes up to `max_iter` iterations with up to `max_eval` evaluations (None: 5/4 of
    `max_iter`); the closure clears the gradients, computes the loss, calls backward and returns the loss. Each
    iteration moves all parameters, as one vector, by `lr` along −H g, where H is the inverse Hessian that the
    last `history_size` steps imply, or, with `line_search_fn="strong_wolfe"`, to a point that meets Wolfe's
    strong conditions. A step ends early where no element of g exceeds `tolerance_grad`, or where the loss and
    all parameters change by less than `tolerance_change`.

    It needs the numbers, so it cannot be traced; its state exists from the beginning, and grows with the
    history. When the closure raises, or the loss is not finite where a step begins or ends (ValueError),
    parameters and state are as before. Raises ValueError for settings out of range and more than one group.

    >>> import pullback as pb
    >>> w = pb.nn.Parameter([-1.0, 1.0])
    >>> optimiser = pb.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimiser.zero_grad()
    ...     loss = 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(3):
    ...     loss = optimiser.step(closure)
    >>> [round(x, 3) for x in w.tolist()]
    [1.0, 1.0]
    """

    needs_closure = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        values = [np.zeros(p.size, p.dtype) for p in self.param_groups[0].params]
        zeros = np.concatenate(values)
        none = np.zeros((0, zeros.size), zeros.dtype)
        self._memory = Cell(_Memory(0, 0, 0.0, 0.0, zeros, zeros, none, none), name="LBFGS.memory")

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Take the one group of parameters. Raises ValueError for a second one."""
        if self.param_groups:
            raise ValueError("LBFGS: expected one group of parameters, as it moves them all as one vector")
        super().add_param_group(group)

    def check(self, name: str, value: Any) -> Any:
        """Return the value of a setting as it is kept, or raise ValueError."""
        if name in ("max_iter", "max_eval", "history_size"):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"LBFGS: expected {name} to be a positive integer, got {value!r}")
            return int(value)
        if name == "line_search_fn":
            if value not in (None, "strong_wolfe"):
                raise ValueError(f"LBFGS: expected line_search_fn to be None or 'strong_wolfe', got {value!r}")
            return value
        return super().check(name, value)

    # --------------------------------------------------------------------------------------- the step

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make up to `max_iter` iterations, and return the loss where they began."""
        if closure is None:
            raise TypeError(
                "LBFGS.step: expected a closure, because it evaluates the loss several times.\n"
                "  wrong:  loss.backward(); optimiser.step()\n"
                "  right:  def closure(): optimiser.zero_grad(); loss = f(); loss.backward(); return loss\n"
                "          optimiser.step(closure)"
            )
        before = [row.cells[0].read() for row in self._rows[0]]
        try:
            return self._iterate(closure, before)
        except BaseException:
            self._place(before)
            raise

    def _iterate(self, closure: Callable[[], Any], place: list[Any]) -> Any:
        group = self.param_groups[0]
        lr, most, evaluations = group["lr"], group["max_iter"], group["max_eval"]
        tolerance, stall = group["tolerance_grad"], group["tolerance_change"]
        answer, loss, g = self._evaluate(closure)
        if not math.isfinite(loss):
            raise ValueError(f"LBFGS.step: the loss is {loss} where the step begins. Nothing was changed.")
        memory = self._memory.read()
        memory = replace(memory, func_evals=memory.func_evals + 1)
        used = 1
        for iteration in range(1, most + 1):
            if _largest(g) <= tolerance:
                break
            memory = self._remembering(memory, g, group["history_size"])
            direction = memory.direction
            length = min(1.0, 1.0 / _total(g)) * lr if memory.n_iter == 1 else lr
            memory = replace(memory, length=length, loss=loss, gradient=g)
            slope = _dot(g, direction)
            if slope > -stall:
                break
            if group["line_search_fn"] is None:
                place = self._moved(place, direction, length)
                self._place(place)
                further = 0
                if iteration < most:  # the loss after the last iteration is the next step's to compute
                    _, loss, g = self._evaluate(closure)
                    further = 1
            else:
                found, further = strong_wolfe(
                    partial(self._point, closure, place, direction),
                    Point(0.0, loss, g, slope),
                    length,
                    _largest(direction),
                    1e-9,
                    evaluations - used,
                )
                loss, g, length = found.loss, found.gradient, found.length
                place = self._moved(place, direction, length)
                self._place(place)
            used += further
            memory = replace(memory, length=length, func_evals=memory.func_evals + further)
            if not math.isfinite(loss):
                raise ValueError(f"LBFGS.step: the loss became {loss}. Nothing was changed; try a smaller lr.")
            if used >= evaluations or length * _largest(direction) <= stall or abs(loss - memory.loss) < stall:
                break
        self._memory.write(memory)
        return answer

    def _remembering(self, memory: _Memory, g: Any, history_size: int) -> _Memory:
        """The memory with the last step in it and the new direction."""
        steps, differences = memory.steps, memory.differences
        with interpreting(tape().below):
            if memory.n_iter:
                s, y = m.multiply(memory.direction, memory.length), m.subtract(g, memory.gradient)
                if _dot(y, s) > 1e-10:  # a step along which the loss curves upwards
                    forgotten = max(0, len(steps) + 1 - history_size)
                    steps = np.concatenate([steps[forgotten:], s[None]])
                    differences = np.concatenate([differences[forgotten:], y[None]])
            direction = _lbfgs_direction(g, steps, differences)
        return replace(memory, n_iter=memory.n_iter + 1, direction=direction, steps=steps, differences=differences)

    def _point(self, closure: Callable[[], Any], place: list[Any], direction: Any, length: float) -> Point:
        self._place(self._moved(place, direction, length))
        _, loss, g = self._evaluate(closure)
        return Point(length, math.inf if math.isnan(loss) else loss, g, _dot(g, direction))

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[Any, float, Any]:
        """Call the closure; return what it returns, the loss as a number and the gradient as one vector."""
        with enable_grad():
            answer = closure()
        loss = float(answer)
        parts = []
        for row in self._rows[0]:
            cell = gradient_cell(row.parameter)
            g = None if cell is None else plain_gradient(cell)
            parts.append(np.zeros(row.parameter.size, row.parameter.dtype) if g is None else np.ravel(g))
        return answer, loss, np.concatenate(parts)

    def _moved(self, place: list[Any], direction: Any, length: float) -> list[Any]:
        moved, start = [], 0
        with interpreting(tape().below):
            for p in place:
                part = m.reshape(direction[start : start + p.size], p.shape)
                moved.append(m.astype(m.add(p, m.multiply(part, length)), p.dtype))
                start += p.size
        return moved

    def _place(self, values: list[Any]) -> None:
        for row, value in zip(self._rows[0], values, strict=True):
            row.cells[0].write(value)

    # ------------------------------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the memory and the settings, as `load_state_dict` and `pullback.save` take them."""
        state = super().state_dict()
        memory = self._memory.read()
        state["state"][0] |= {
            f.name: Tensor(TAPE, np.array(x)) if isinstance(x, np.ndarray) else x
            for f in fields(memory)
            for x in [getattr(memory, f.name)]
        }
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken. Raises ValueError or ShapeError when it does not fit."""
        own = self._memory.read()
        names = [f.name for f in fields(own)]
        first = dict(state_dict.get("state", {}).get(0, {}))
        missing = [name for name in names if name not in first]
        if missing:
            raise ValueError(f"LBFGS.load_state_dict: the state has no {', '.join(missing)}")
        given = {name: first.pop(name) for name in names}
        arrays: dict[str, Any] = {name: np.array(numbers_of(given[name]), own.gradient.dtype) for name in names[4:]}
        size, count = own.gradient.size, len(arrays["steps"])
        for name, a in arrays.items():
            expected = (count, size) if name in ("steps", "differences") else (size,)
            if a.shape != expected:
                raise ShapeError(f"LBFGS.load_state_dict: {name}: expected shape {expected}, got {a.shape}")
        super().load_state_dict({**state_dict, "state": {**state_dict["state"], 0: first}})
        numbers = (int(given["n_iter"]), int(given["func_evals"]), float(given["length"]), float(given["loss"]))
        self._memory.write(_Memory(*numbers, **arrays))


def _dot(a: Any, b: Any) -> float:
    return float(a.dot(b))


def _largest(x: Any) -> float:
    return float(np.max(np.abs(x), initial=0.0))


def _total(x: Any) -> float:
    return float(np.sum(np.abs(x)))

"""Convolutions: how their images and weights lie in memory, and the rules that lower them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..transforms.graph import Equation, Symbol
from .builder import Lowering
from .emit.convolve import Convolution
from .emit.types import DOUBLE, FLOAT
from .program import Convolve

__all__ = ["CONVOLUTIONS", "weight_orders"]


def channels_last(ndim: int) -> tuple[int, ...]:
    """Return the order of the axes of images: examples, size, channels."""
    return (0, *range(2, ndim), 1)


def outputs_last(ndim: int) -> tuple[int, ...]:
    """Return the order of the axes of weights: kernel, inputs, outputs."""
    return (*range(2, ndim), 1, 0)


def forward(lowering: Lowering, equation: Equation) -> bool:
    x, weight = (lowering.access(v) for v in equation.inputs)
    return _convolve(lowering, equation, "forward", x.shape, weight.shape, x, weight, channels_last)


def to_input(lowering: Lowering, equation: Equation) -> bool:
    y, weight = (lowering.access(v) for v in equation.inputs)
    (symbol,) = equation.outputs
    return _convolve(lowering, equation, "input", symbol.shape, weight.shape, y, weight, channels_last)


def to_weight(lowering: Lowering, equation: Equation) -> bool:
    x, y = (lowering.access(v) for v in equation.inputs)
    (symbol,) = equation.outputs
    return _convolve(lowering, equation, "weight", x.shape, symbol.shape, x, y, outputs_last)


def _convolve(
    lowering: Lowering, equation: Equation, part: str, images: Any, weights: Any, a: Any, b: Any, order: Any
) -> bool:
    static = equation.static
    (symbol,) = equation.outputs
    ndim = len(images)
    settings = Convolution(
        images=images[0],
        size=tuple(images[2:]),
        channels=images[1],
        outputs=weights[0],
        kernel=tuple(weights[2:]),
        stride=static["stride"],
        padding=static["padding"],
        dilation=static["dilation"],
        groups=static["groups"],
        type=FLOAT if symbol.dtype == np.float32 else DOUBLE,
    )
    a = lowering.ordered(a, channels_last(ndim))
    b = lowering.ordered(b, channels_last(ndim) if part == "weight" else outputs_last(ndim))
    lowering.add(Convolve(equation, part, settings, a, b, lowering.new(symbol, order(ndim))))
    return True


CONVOLUTIONS: dict[str, Callable[[Lowering, Equation], bool]] = {
    "convolution": forward,
    "convolution_input": to_input,
    "convolution_weight": to_weight,
}


def weight_orders(equations: Sequence[Equation]) -> dict[int, tuple[int, ...]]:
    """Return the order in memory of the symbols that are weights of convolutions, or meet them element by element."""
    orders: dict[int, tuple[int, ...]] = {}
    for equation in equations:
        weight: Any = None
        if equation.mapping.lower in ("convolution", "convolution_input"):
            weight = equation.inputs[1]
        elif equation.mapping.lower == "convolution_weight":
            weight = equation.outputs[0]
        if isinstance(weight, Symbol):
            orders[weight.index] = outputs_last(len(weight.shape))
    if not orders:
        return orders
    while True:
        before = len(orders)
        for equation in equations:
            if equation.mapping.family == "elementwise":
                _agree(equation, orders)
        if len(orders) == before:
            return orders


def _agree(equation: Equation, orders: dict[int, tuple[int, ...]]) -> None:
    """Let all symbols of one shape that meet in an equation lie in memory alike."""
    shape = equation.outputs[0].shape
    meeting = [s for s in (*equation.inputs, *equation.outputs) if isinstance(s, Symbol) and s.shape == shape]
    order = next((orders[s.index] for s in meeting if s.index in orders), None)
    if order is not None:
        for symbol in meeting:
            orders.setdefault(symbol.index, order)

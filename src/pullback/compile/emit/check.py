"""The check of positions: whether each lies in 0, …, bound − 1, or also in −bound, …, −1."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from .function import Function, Module
from .types import I64, PTR, type_of

__all__ = ["emit_check"]


def emit_check(
    module: Module,
    name: str,
    dtype: np.dtype[Any],
    shape: Sequence[int],
    strides: Sequence[int],
    bound: int,
    negative: bool = False,
) -> None:
    """Write `name(ptr positions, ptr status)`: a position out of bounds sets the lowest bit of the status."""
    f = Function(module, name, [(PTR, "positions"), (PTR, "status")])
    scalar = type_of(dtype)
    status = f.argument("status")
    with ExitStack() as loops:
        address = f.argument("positions")
        for n, stride in zip(shape, strides, strict=True):
            if n != 1:
                loop = loops.enter_context(f.loop(0, n))
                address = f.at(address, f.times(loop.index, stride), scalar)
        position = f.convert(f.load(scalar, address), "i64", signed=dtype.kind == "i")
        if negative and dtype.kind == "i":
            position, bound = f.plus(position, bound), 2 * bound
        # Taken as a number without a sign, a negative one is larger than any bound.
        with f.when(f.compare("uge", position, f.constant(I64, bound))):
            f.store(f.constant(I64, 1), status)

"""The normal distribution: an activation and its slope share the probability and the bell that both are made of.

x·Φ(x) and Φ(x) + x·φ(x), each by itself, take e^(−x²/2) three times, and twice the tail that stands beside it. Here
both are computed from one bell and one Φ: those of the activation, which are the more accurate ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from .access import Access, Array, Immediate
from .builder import Lowering
from .program import Instruction, Point

__all__ = ["with_one_bell"]

FLOAT = np.dtype(np.float32)


def with_one_bell(lowering: Lowering, instructions: Iterable[Instruction]) -> list[Instruction]:
    """Return the instructions with an activation x·Φ(x) and what else is made of Φ(x) and e^(−x²/2) sharing both."""
    given = list(instructions)
    points = {i.out.array: i for i in given if isinstance(i, Point)}
    wanted: dict[Access, dict[str, list[Point]]] = {}
    for instruction in given:
        if isinstance(instruction, Point) and (found := _recognised(instruction, points)) is not None:
            kind, variable = found
            wanted.setdefault(variable, {}).setdefault(kind, []).append(instruction)
    shared = {v: kinds for v, kinds in wanted.items() if "activation" in kinds and "below" in kinds}
    of = {point: v for v, kinds in shared.items() for some in kinds.values() for point in some}
    made: dict[Access, tuple[Access, Access]] = {}
    result: list[Instruction] = []
    for instruction in given:
        x = of.get(instruction) if isinstance(instruction, Point) else None
        if x is None or not isinstance(instruction, Point):
            result.append(instruction)
            continue
        if x not in made:
            bell, below = (lowering.array(instruction.shape, FLOAT).whole() for _ in range(2))
            plain = replace(instruction, common=FLOAT, static={})
            result.append(replace(plain, name="normal_bell", operands=(x,), out=bell))
            result.append(replace(plain, name="normal_below", operands=(x, bell), out=below))
            made[x] = bell, below
        bell, below = made[x]
        if instruction in shared[x]["activation"]:
            result.append(replace(instruction, name="multiply", operands=(x, below), static={}))
        else:
            source = below if instruction in shared[x]["below"] else bell
            result.append(replace(instruction, name="copy", operands=(source,), static={}))
    return result


def _recognised(point: Point, points: dict[Array, Point]) -> tuple[str, Access] | None:
    """Return what an instruction is of a variable, and the variable: the activation, Φ(x), or e^(−x²/2)."""
    if point.out.dtype != FLOAT:
        return None
    if point.name == "gelu":
        return _of("activation", point.operands[0])
    if point.name == "multiply" and (erfc := _times(point, 0.5, points)) is not None and erfc.name == "erfc":
        inner = _made(erfc.operands[0], points)
        if inner is not None and inner.name == "multiply" and _factor(inner) == -math.sqrt(0.5):
            return _of("below", inner.operands[0])
    if point.name == "exp" and (inner := _made(point.operands[0], points)) is not None and inner.name == "multiply":
        square = _times(inner, -0.5, points)
        if square is not None and square.name == "square":
            return _of("bell", square.operands[0])
    return None


def _of(kind: str, x: Any) -> tuple[str, Access] | None:
    return (kind, x) if isinstance(x, Access) and x.dtype == FLOAT else None


def _times(point: Point, factor: float, points: dict[Array, Point]) -> Point | None:
    """Return what makes the other operand, where one of them is this number."""
    return _made(point.operands[0], points) if _factor(point) == factor else None


def _factor(point: Point) -> Any:
    last = point.operands[-1]
    return last.number if isinstance(last, Immediate) else None


def _made(x: Any, points: dict[Array, Point]) -> Point | None:
    """Return the instruction that makes all of an operand."""
    maker = points.get(x.array) if isinstance(x, Access) else None
    whole = maker is not None and x == maker.out == x.array.whole() and x.dtype == FLOAT
    return maker if whole else None

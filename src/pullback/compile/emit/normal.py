"""The normal distribution by a ziggurat (Marsaglia and Tsang, J. Stat. Software 5 (8), 2000): NumPy's bits.

The bell is covered by 256 layers of the same area. A word chooses a layer, a sign and a place in it; in 99 of 100
cases the place lies below the bell over the whole height of the layer. Else a second number decides, or the tail.

NumPy keeps the edges of the layers in double precision as somebody once computed them: they are the exact ones and
some units in the last place beside. Those units are below; everything else is computed here. What is compared with the
bell's height may differ from NumPy's in the last place, which would show in one of 10¹⁵ numbers.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from .function import Function, Module
from .lanewise import each
from .philox import Words
from .types import DOUBLE, I64, PTR, Operand, Type, constant, type_of

__all__ = ["emit_random_normal"]

_EDGE = "3.6541528853610087963519472518"
"""Where the tail begins."""

_BESIDE = (
    -9, -130, -40, -33, -28, -26, -26, -22, -22, -11, -10, -9, -8, -8, -8, -8, -8, -9, -8, -8, -9, -9, -9, -10, -9,
    -8, -8, -7, -8, -8, -8, -7, -8, -8, -7, -7, -8, -8, -6, -6, -6, -5, -5, -6, -5, -6, -5, -5, -5, -5, -6, -6,
    -3, -4, -4, -4, -4, -4, -4, -4, -3, -4, -3, -3, -3, -3, -4, -3, -4, -3, -3, -4, -3, -2, -2, -3, -3, -3, -4,
    -3, -3, -3, -3, -3, -3, -3, -2, -2, -2, -2, -2, -1, -1, -1, -1, -1, -2, -2, -1, -2, -2, -2, -2, -2, -1, -2,
    -2, -2, -2, -2, -3, -3, -3, -2, -2, -2, -1, -1, -2, -2, -2, -2, -1, -1, -1, -1, -1, -2, -2, -2, -1, -1, -2,
    -2, -2, -2, -2, -2, -2, -2, -3, -4, -4, -4, -3, -3, -3, -3, -2, -2, -2, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0,
    -1, -1, 0, -1, 0, -1, -1, -1, 0, 0, 0, 1, 2, 3, 3, 3, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0,
    -1, -1, -1, -1, -1, -2, -1, -2, -2, -2, -2, -2, -2, -1, -1, -1, -1, -1, 0, -1, -1, -1, 0, 0, 0, -1, -1, 0,
    0, 0, 0, 0, 0, -1, 0, 0, -1, 0, -1, -1, -1, -1, -1, -1, -1, -1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0,
)
"""How far NumPy's edges lie from the exact ones, in units in the last place: of the lowest layer, then from within."""


@cache
def _layers() -> tuple[list[float], list[float], list[float]]:
    """Return the edges of the layers, the part of each that is below the bell for certain, and the bell's heights."""
    from decimal import Decimal, localcontext  # here, so that programs that draw no such numbers start sooner

    edge = Decimal(_EDGE)
    with localcontext() as context:
        context.prec = 28

        def bell(x: Decimal) -> Decimal:
            return (-x * x / 2).exp()

        fraction = Decimal(0)  # the area of the tail is a continued fraction
        for k in range(400, 0, -1):
            fraction = k / (edge + fraction)
        area = edge * bell(edge) + bell(edge) / (edge + fraction)
        edges, heights = [edge], [bell(edge)]
        for _ in range(254):
            heights.append(area / edges[-1] + heights[-1])
            edges.append((-2 * heights[-1].ln()).sqrt())
        edges.append(area / bell(edge))  # as wide as the lowest layer would be without its tail
        heights.append(Decimal(1))
        edges, heights = edges[::-1], heights[::-1]
        certain = [edge / edges[0], Decimal(0), *(a / b for a, b in pairwise(edges[1:]))]
        beside = zip(edges, _BESIDE, strict=True)
        rounded = [float(x) + units * math.ulp(float(x)) for x, units in beside]
        return rounded, [float(x) for x in certain], [float(x) for x in heights]


def emit_random_normal(module: Module, name: str, count: int, dtype: np.dtype[Any], stream: int) -> int:
    """Write `name(ptr y, ptr state, ptr key, ptr counter, i64 begin, i64 end)`: standard normal numbers.

    y: float32 or float64; state: room for `WORDS` uint64. There is one unit of work: how many words a number takes
    is known when it has been drawn.
    """
    f = Function(
        module, name, [(PTR, "y"), (PTR, "state"), (PTR, "key"), (PTR, "counter"), (I64, "begin"), (I64, "end")]
    )
    ziggurat = _Ziggurat(f, type_of(dtype), stream)
    with f.loop(0, count) as loop:
        ziggurat.draw(f.at(f.argument("y"), loop.index, ziggurat.scalar))
    return 1


class _Ziggurat:
    def __init__(self, f: Function, scalar: Type, stream: int) -> None:
        self.f = f
        self.scalar = scalar
        self.bits = 23 if scalar.bits == 32 else 52
        self.word = Type(f"i{scalar.bits}")
        edges, certain, heights = _layers()
        self.widths = self._table("widths", scalar, [x * 2.0**-self.bits for x in edges])
        self.certain = self._table("certain", self.word, [round(x * 2.0**self.bits) for x in certain])
        self.heights = self._table("heights", scalar, heights)
        self.words = Words(f, f.argument("state"), stream)

    def _table(self, name: str, type: Type, numbers: list[Any]) -> Operand:
        full = f"@ziggurat.{name}.{self.scalar.suffix}"
        values = ", ".join(constant(type, x).typed for x in numbers)
        self.f.module.table(f"{full} = internal constant [{len(numbers)} x {type}] [{values}]")
        return Operand(full, PTR)

    def draw(self, address: Operand) -> None:
        """Draw one number, and store it."""
        f = self.f
        with f.repeat() as trial:
            word = self.words.take(self.scalar.bits)
            layer = f.convert(f.binary("and", word, f.constant(word, 255)), "i64", signed=False)
            negative = f.compare("ne", f.binary("and", word, f.constant(word, 256)), f.constant(word, 0))
            place = f.binary("lshr", word, f.constant(word, 9))
            if self.bits == 52:
                place = f.binary("and", place, f.constant(place, (1 << 52) - 1))
            width = f.load(self.scalar, f.at(self.widths, layer, self.scalar))
            size = f.mul(f.convert(place, self.scalar.kind), width)
            x = f.select(negative, f.neg(size), size)
            f.store(x, address)
            certain = f.compare("ult", place, f.load(self.word, f.at(self.certain, layer, self.word)))
            outermost = f.compare("eq", layer, f.index(0))
            no = Operand("false", f.compare("eq", layer, layer).type)
            trial.again = f.either(
                certain,
                lambda: no,
                lambda: f.either(outermost, lambda: self._tail(place, address, no), lambda: self._above(layer, x)),
            )

    def _tail(self, place: Operand, address: Operand, no: Operand) -> Operand:
        """Draw from beyond the last edge (Marsaglia, 1964)."""
        f, edge = self.f, float(_EDGE)
        with f.repeat() as trial:
            one = each(f, "log1p", f.neg(self.words.fraction(self.scalar)))
            beyond = f.binary("fmul", f.constant(one, -1 / edge), one, flags="")
            height = f.neg(each(f, "log1p", f.neg(self.words.fraction(self.scalar))))
            twice, square = f.binary("fadd", height, height, flags=""), f.binary("fmul", beyond, beyond, flags="")
            trial.again = f.compare("ule", twice, square)
        size = f.binary("fadd", f.constant(beyond, edge), beyond, flags="")
        negative = f.compare("ne", f.binary("and", place, f.constant(place, 256)), f.constant(place, 0))
        f.store(f.select(negative, f.neg(size), size), address)
        return no

    def _above(self, layer: Operand, x: Operand) -> Operand:
        """Return whether a place at the edge of a layer lies above the bell, so that another one has to be drawn."""
        f = self.f
        upper = f.load(self.scalar, f.at(self.heights, f.plus(layer, -1), self.scalar))
        lower = f.load(self.scalar, f.at(self.heights, layer, self.scalar))
        step = f.binary("fmul", f.binary("fsub", upper, lower, flags=""), self.words.fraction(self.scalar), flags="")
        height = f.convert(f.binary("fadd", step, lower, flags=""), "double")
        wide = f.convert(x, "double")
        half = f.binary("fmul", f.constant(DOUBLE, -0.5), wide, flags="")
        return f.compare("uge", height, each(f, "exp", f.binary("fmul", half, wide, flags="")))

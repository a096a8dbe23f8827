"""Integers of a range and random orders: the same bits as NumPy's generator gives.

Integers: a word times the size of the range has the number in its upper half; where the lower half says that a number
would come too often, the next word is taken (D. Lemire, ACM TOMACS 29, 2019). Orders: bits are taken until they are a
number of the range.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .function import Function, Module
from .philox import Words
from .types import I64, PTR, Operand, Type, type_of

__all__ = ["emit_random_integers", "emit_random_permutation"]

_PARAMETERS = [(PTR, "y"), (PTR, "state"), (PTR, "key"), (PTR, "counter"), (I64, "begin"), (I64, "end")]


def emit_random_integers(
    module: Module, name: str, count: int, dtype: np.dtype[Any], low: int, high: int, stream: int
) -> int:
    """Write `name(ptr y, ptr state, ptr key, ptr counter, i64 begin, i64 end)`: numbers of low, …, high − 1.

    y: integers of 32 or 64 bits; state: room for `WORDS` uint64. There is one unit of work.
    """
    f = Function(module, name, _PARAMETERS)
    scalar = type_of(dtype)
    last = high - 1 - low
    bits = 32 if last < 1 << 32 else 64
    words = Words(f, f.argument("state"), stream)
    with f.loop(0, count) as loop:
        if not last:
            number = f.index(0)
        elif last == (1 << bits) - 1:
            number = words.take(bits)
        else:
            number = _below(f, words, f.constant(Type(f"i{bits}"), last + 1), bits)
        y = f.value(I64, f"add i64 {f.convert(number, 'i64', signed=False)}, {low}")
        f.store(f.convert(y, scalar.kind), f.at(f.argument("y"), loop.index, scalar))
    return 1


def _below(f: Function, words: Words, size: Operand, bits: int) -> Operand:
    """Return a number below `size`, which has as many bits as the words."""
    wide = Type(f"i{2 * bits}")
    factor = f.value(wide, f"zext {size.typed} to {wide}")
    # How many words are too many: 2^bits mod size.
    threshold = f.binary("urem", f.sub(f.constant(size, 0), size), size)
    with f.repeat() as trial:
        word = words.take(bits)
        product = f.binary("mul", f.value(wide, f"zext {word.typed} to {wide}"), factor)
        low = f.value(size.type, f"trunc {product.typed} to {size.type}")
        trial.again = f.compare("ult", low, threshold)
    upper = f.binary("lshr", product, f.constant(product, bits))
    return f.value(size.type, f"trunc {upper.typed} to {size.type}")


def _up_to(f: Function, words: Words, last: Operand) -> Operand:
    """Return a number of 0, …, last: as many bits of a word as the last one has, where they are not more than it."""
    f.module.declare("declare i32 @llvm.ctlz.i32(i32, i1)")
    unused = f.value(last.type, f"call i32 @llvm.ctlz.i32({last.typed}, i1 false)")
    mask = f.binary("lshr", f.constant(last, -1), unused)
    with f.repeat() as trial:
        number = f.binary("and", words.take(32), mask)
        trial.again = f.compare("ugt", number, last)
    return number


def emit_random_permutation(
    module: Module, name: str, rows: int, length: int, dtype: np.dtype[Any], stream: int
) -> int:
    """Write `name(ptr y, ptr state, ptr key, ptr counter, i64 begin, i64 end)`: 0, …, length − 1 in random order.

    y: integers (rows, length); state: room for `WORDS` uint64. There is one unit of work. Each place, from the last
    one down, is exchanged with one up to it (R. Durstenfeld, CACM 7, 1964).
    """
    f = Function(module, name, _PARAMETERS)
    scalar = type_of(dtype)
    words = Words(f, f.argument("state"), stream)
    with f.loop(0, rows) as row:
        base = f.at(f.argument("y"), f.times(row.index, length), scalar)
        with f.loop(0, length) as loop:
            f.store(f.convert(loop.index, scalar.kind), f.at(base, loop.index, scalar))
        if length > 1:
            with f.loop(1, length) as loop:
                place = f.sub(f.index(length), loop.index)
                other = f.convert(_up_to(f, words, f.convert(place, "i32")), "i64", signed=False)
                one, two = (f.at(base, at, scalar) for at in (place, other))
                x, y = f.load(scalar, one), f.load(scalar, two)
                f.store(y, one)
                f.store(x, two)
    return 1

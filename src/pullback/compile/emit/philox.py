"""Random numbers: Philox4x64-10 (Salmon, Moraes, Dror, Shaw, SC 2011), the same bits as NumPy's generator gives.

A draw belongs to a key and a counter, which stand in memory. Uniform numbers do not depend on each other, so a part of
them can be drawn by itself. What rejects numbers (the normal distribution, integers of a range) uses up the stream
at a pace of its own: it takes one word after the other from `Words`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .function import Function, Module
from .types import I64, PTR, Operand, Type, type_of

__all__ = [
    "STREAM", "WORDS", "Words", "emit_dropout_mask", "emit_random_uniform", "random_units",
]  # fmt: skip

STREAM = 2
"""The second-highest word of the counter, which sets the library's draws apart from other uses of a seed."""

_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_ROUNDS = 10
_WIDE = Type("i128")

PARALLEL = 4
"""Blocks that are drawn side by side: one after the other would wait for the products of each round."""


@dataclass(frozen=True)
class _Stream:
    """The words of a draw: the keys of the rounds, and the upper words of the counter."""

    keys: list[tuple[Operand, Operand]]
    stream: Operand
    counter: Operand


def random_units(count: int, dtype: np.dtype[Any]) -> int:
    """Return into how many units `count` numbers are divided: each takes one block of 256 bits."""
    return -(-count // (256 // (8 * dtype.itemsize)))


def emit_random_uniform(module: Module, name: str, count: int, dtype: np.dtype[Any], stream: int) -> int:
    """Write `name(ptr y, ptr key, ptr counter, i64 begin, i64 end)`: numbers of [0, 1), drawn uniformly.

    y: float32 or float64; key: uint64; counter: int64; `stream` is the second-highest word of Philox's counter.
    Returns the units of work.
    """
    return _emit(module, name, count, dtype, stream, lambda f, u: u, dtype)


def emit_dropout_mask(module: Module, name: str, count: int, dtype: np.dtype[Any], keep: float, stream: int) -> int:
    """Write `name(ptr y, ptr key, ptr counter, i64 begin, i64 end)`: 1/keep with probability keep, else 0.

    y: float32 or float64, decided by uniform numbers of single precision. Returns the units of work.
    """
    scalar = type_of(dtype)
    scale = 0.0 if keep == 0 else float(dtype.type(1 / keep))

    def kept(f: Function, u: Operand) -> Operand:
        type = scalar.of(u.type.lanes)
        chosen = f.compare("olt", u, f.constant(u, keep))
        return f.select(chosen, f.constant(type, scale), f.constant(type, 0.0))

    return _emit(module, name, count, np.dtype(np.float32), stream, kept, dtype)


def _emit(
    module: Module,
    name: str,
    count: int,
    drawn: np.dtype[Any],
    stream: int,
    finish: Callable[[Function, Operand], Operand],
    dtype: np.dtype[Any],
) -> int:
    f = Function(module, name, [(PTR, "y"), (PTR, "key"), (PTR, "counter"), (I64, "begin"), (I64, "end")])
    units, lanes = random_units(count, drawn), 256 // (8 * drawn.itemsize)
    begin, end = f.argument("begin"), f.argument("end")
    words = _stream(f, stream)

    def write(block: Operand, valid: int = lanes) -> None:
        y = finish(f, _uniform(f, _block(f, words, block), drawn))
        f.store(y, f.at(f.argument("y"), f.times(block, lanes), y.type.of(1)), valid)

    whole = count // lanes
    stop = f.select(f.compare("ult", end, f.index(whole)), end, f.index(whole))
    many = f.sub(stop, f.binary("urem", f.sub(stop, begin), f.index(PARALLEL)))
    # In groups, then one by one; either may be none at all.
    with f.when(f.compare("slt", begin, many)), f.loop(begin, many, PARALLEL) as loop:
        blocks = [f.plus(loop.index, i) for i in range(PARALLEL)]
        for block in blocks:
            write(block)
    single = f.select(f.compare("slt", begin, many), many, begin)
    with f.when(f.compare("slt", single, stop)), f.loop(single, stop) as loop:
        write(loop.index)
    if count % lanes:
        with f.when(f.compare("eq", end, f.index(units))):
            write(f.index(whole), count % lanes)
    return units


def _stream(f: Function, stream: int) -> _Stream:
    key = f.load(I64, f.argument("key"))
    other = f.index(0)
    keys = []
    for _ in range(_ROUNDS):
        keys.append((key, other))
        key, other = (f.value(I64, f"add i64 {k}, {_signed(w)}") for k, w in zip((key, other), _WEYL, strict=True))
    return _Stream(keys, f.index(stream), f.load(I64, f.argument("counter")))


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _product(f: Function, multiplier: int, x: Operand) -> tuple[Operand, Operand]:
    """Return the upper and the lower word of a product of words."""
    wide = f.value(_WIDE, f"zext i64 {x} to i128")
    product = f.value(_WIDE, f"mul i128 {wide}, {multiplier}")
    upper = f.value(_WIDE, f"lshr i128 {product}, 64")
    return f.value(I64, f"trunc i128 {upper} to i64"), f.value(I64, f"trunc i128 {product} to i64")


def _block(f: Function, words: _Stream, number: Operand) -> list[Operand]:
    """Return the four words of a block. NumPy counts before it draws, so that the first block has the number 1."""
    a, b, c, d = f.plus(number, 1), f.index(0), words.stream, words.counter
    for first, second in words.keys:
        upper_a, lower_a = _product(f, _MULTIPLIERS[0], a)
        upper_c, lower_c = _product(f, _MULTIPLIERS[1], c)
        a = f.binary("xor", f.binary("xor", upper_c, b), first)
        c = f.binary("xor", f.binary("xor", upper_a, d), second)
        b, d = lower_c, lower_a
    return [a, b, c, d]


def _uniform(f: Function, block: list[Operand], dtype: np.dtype[Any]) -> Operand:
    """Return the numbers of a block: of each word the lower half first, its highest bits as a fraction."""
    vector = Operand("poison", I64.of(4))
    for i, word in enumerate(block):
        vector = f.value(vector.type, f"insertelement {vector.typed}, {word.typed}, i64 {i}")
    bits = 24 if dtype.itemsize == 4 else 53
    if dtype.itemsize == 4:
        vector = f.value(Type("i32", 8), f"bitcast {vector.typed} to <8 x i32>")
    top = f.binary("lshr", vector, f.constant(vector, vector.type.bits - bits))
    number = f.convert(top, type_of(dtype).kind)
    return f.mul(number, f.constant(number, 2.0**-bits))


# ------------------------------------------------------------------------------- one word after the other

BLOCKS = 8
WORDS = 4 * BLOCKS + 2
"""How many uint64 of memory a stream of words needs: those drawn ahead, the next block, and what is used up."""


class Words:
    """The stream of a draw, word by word; its state lies in memory, so that any branch may take from it."""

    def __init__(self, f: Function, state: Operand, stream: int) -> None:
        self.f = f
        self.state = state
        self.next_block, self.used = (f.at(state, 4 * BLOCKS + i, I64) for i in range(2))
        self.refill = f"words.{stream}"
        if self.refill not in f.module.functions:
            _emit_refill(f.module, self.refill, stream)
        f.store(f.index(0), self.next_block)
        f.store(f.index(32 * BLOCKS), self.used)

    def take(self, bits: int) -> Operand:
        """Return the next 64 bits, or the next 32 of them: a draw takes all its words of one size."""
        f, size = self.f, bits // 8
        with f.when(f.compare("uge", f.load(I64, self.used), f.index(32 * BLOCKS))):
            f.call(self.refill, self.state, f.argument("key"), f.argument("counter"))
        used = f.load(I64, self.used)
        f.store(f.plus(used, size), self.used)
        return f.load(Type(f"i{bits}"), f.value(PTR, f"getelementptr inbounds i8, ptr {self.state}, i64 {used}"))

    def fraction(self, scalar: Type) -> Operand:
        """Return the next number of [0, 1): 24 or 53 bits."""
        f = self.f
        bits = 24 if scalar.bits == 32 else 53
        word = self.take(scalar.bits)
        top = f.binary("lshr", word, f.constant(word, scalar.bits - bits))
        return f.mul(f.convert(top, scalar.kind), f.constant(scalar, 2.0**-bits))


def _emit_refill(module: Module, name: str, stream: int) -> None:
    """Write `name(ptr state, ptr key, ptr counter)`: the next blocks of the stream."""
    f = Function(module, name, [(PTR, "state"), (PTR, "key"), (PTR, "counter")])
    words = _stream(f, stream)
    place = f.at(f.argument("state"), 4 * BLOCKS, I64)
    first = f.load(I64, place)
    with f.loop(0, BLOCKS, PARALLEL) as loop:
        blocks = [_block(f, words, f.plus(f.plus(first, loop.index), i)) for i in range(PARALLEL)]
        for i, block in enumerate(blocks):
            target = f.at(f.argument("state"), f.times(f.plus(loop.index, i), 4), I64)
            for k, word in enumerate(block):
                f.store(word, f.at(target, k, I64))
    f.store(f.plus(first, BLOCKS), place)
    f.store(f.index(0), f.at(place, 1, I64))

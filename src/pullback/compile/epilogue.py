"""Scalar operations behind a matrix product: they act on its results while these are in registers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .access import Array
from .emit.conversion import emit_conversion, register_kind
from .emit.function import Function
from .emit.lanes import load_lanes, store_lanes
from .emit.scalars import emit_scalar
from .emit.types import PTR, Operand, Type, constant, type_of
from .group import Group, rows_and_column
from .nest import Loaded, Nest, Number, Place, Result, Source, Step, build_steps
from .program import Convolve, Product

__all__ = ["Epilogue", "epilogue_of"]

FAR = 1 << 17
"""How many bytes an epilogue reads at least to ask for them beforehand; measured: it gains nothing with fewer."""

LINE = 64
"""Bytes in a line of memory."""


class Epilogue:
    """What a product kernel calls with a register of finished results. `places[0]` is the product itself."""

    def __init__(self, nest: Nest, stored: bool) -> None:
        self.nest = nest
        self.stored = stored

    def key(self) -> Any:
        """Return what the emitted code depends on."""
        return self.nest.key(), self.stored

    def __call__(
        self, f: Function, total: Operand, row: Operand, column: Operand, valid: int, table: Operand
    ) -> Operand | None:
        writer = _Writer(f, self.nest, total, row, column, valid, table)
        writer.write()
        return total if self.stored else None

    @property
    def asks(self) -> bool:
        """Whether it reads so much that little of it will be near when it does."""
        itemsizes = (self.nest.places[number].dtype.itemsize for number in self._read())
        return sum(itemsizes) * math.prod(self.nest.lengths) >= FAR

    def ask(self, f: Function, row: Operand, column: Operand, columns: int, table: Operand) -> None:
        """Ask for what will be read of a row, long before it is."""
        for number in self._read():
            place = self.nest.places[number]
            element = type_of(place.dtype)
            start = f.load(PTR, f.at(table, number, PTR))
            first = f.at(start, f.plus(f.times(row, place.strides[0]), column), element)
            for at in range(0, columns, LINE // place.dtype.itemsize):
                f.prefetch(f.at(first, at, element))

    def _read(self) -> list[int]:
        """Return the places that are read row by row, each row along its columns."""
        read = {s.place for step in self.nest.steps for s in step.sources if isinstance(s, Loaded)}
        return [n for n in sorted(read) if self.nest.places[n].strides[1] == 1 and self.nest.places[n].strides[0]]


def epilogue_of(group: Group, kept: set[Array]) -> Epilogue | None:
    """Return the epilogue of a product's group, or None where nothing stands behind the product."""
    product, *points = group.instructions
    assert isinstance(product, Product | Convolve)
    if not points:
        return None
    rows, column = rows_and_column(group) or ((), 0)
    joined = [list(rows), [column]]
    shape = product.out.shape
    lengths = (int(np.prod([shape[a] for a in rows])), shape[column])
    nest = Nest(lengths, 2, 1)
    build_steps(nest, joined, group, kept, product.out)
    return Epilogue(nest, product.out.array in kept)


class _Writer:
    def __init__(
        self, f: Function, nest: Nest, total: Operand, row: Operand, column: Operand, valid: int, table: Operand
    ) -> None:
        self.f = f
        self.nest = nest
        self.row = row
        self.column = column
        self.valid = valid
        self.table = table
        self.lanes = total.type.lanes
        self.known: dict[Any, Operand] = {0: total}

    def write(self) -> None:
        """Compute every step, and store what has a place."""
        for number, step in enumerate(self.nest.steps):
            if number:
                operands = [self._source(s) for s in step.sources]
                self.known[number] = self._apply(step, operands)
                if step.out is not None:
                    self._store(step.out, self.known[number])

    def _apply(self, step: Step, sources: list[tuple[Operand, np.dtype[Any]]]) -> Operand:
        operands, dtypes = [x for x, _ in sources], [d for _, d in sources]
        if step.operation == "copy":
            return emit_conversion(self.f, operands[0], dtypes[0], step.dtype)
        return emit_scalar(self.f, step.operation, operands, dtypes, step.common, step.dtype, dict(step.static))

    def _source(self, source: Source) -> tuple[Operand, np.dtype[Any]]:
        if isinstance(source, Result):
            return self.known[source.step], self.nest.steps[source.step].dtype
        if isinstance(source, Number):
            return constant(Type(register_kind(source.dtype), self.lanes), source.number), source.dtype
        assert isinstance(source, Loaded), "an epilogue has no index"
        return self._load(source.place), self.nest.places[source.place].dtype

    def _address(self, place: Place, number: int) -> Operand:
        f = self.f
        start = f.load(PTR, f.at(self.table, number, PTR))
        offset = f.plus(f.times(self.row, place.strides[0]), f.times(self.column, place.strides[1]))
        return f.at(start, offset, type_of(place.dtype))

    def _load(self, number: int) -> Operand:
        key, place = ("load", number), self.nest.places[number]
        if key not in self.known:
            address = self._address(place, number)
            self.known[key] = load_lanes(self.f, address, place.dtype, place.strides[1], self.lanes, self.valid)
        return self.known[key]

    def _store(self, number: int, x: Operand) -> None:
        place = self.nest.places[number]
        store_lanes(self.f, x, self._address(place, number), place.dtype, place.strides[1], self.valid)

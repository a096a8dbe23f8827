"""Object code put in its place in this process: what a linker and a loader do, as far as emitted code needs it.

LLVM has a loader, too, but loading LLVM itself takes longer than a small step. What is taken here is ELF for x86-64 as
this library's modules become it: code and constants that only lead to each other and to functions of the system.
The names and numbers are those of the System V ABI, AMD64 supplement, with its large code model.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

__all__ = ["Linked", "linked"]

_SECTION = np.dtype(
    [("name", "<u4"), ("type", "<u4"), ("flags", "<u8"), ("address", "<u8"), ("offset", "<u8"), ("size", "<u8"),
     ("link", "<u4"), ("info", "<u4"), ("alignment", "<u8"), ("entry", "<u8")]
)  # fmt: skip
_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_RELOCATION = np.dtype([("offset", "<u8"), ("type", "<u4"), ("symbol", "<u4"), ("addend", "<i8")])

CONTENTS, SYMBOLS, RELOCATIONS = 1, 2, 4
"""Types of sections."""

WRITTEN, ALLOCATED = 1, 2
"""Flags of sections."""

RELATIVE, CALL, ENTRY, FROM_TABLE, TABLE = 2, 4, 27, 25, 29
"""Types of relocations: PC32, PLT32, GOT64, GOTOFF64, GOTPC64."""

UNDEFINED = 0
"""The section of a symbol from elsewhere."""

JUMP = b"\xff\x25"
"""A jump to the address that stands so many bytes behind the instruction."""

FUNCTION = 2
"""The type of a symbol."""

NOWHERE = -1
FAILED = ctypes.c_void_p(-1).value


class Unknown(Exception):
    """The object code has something in it that is not taken here."""


class Linked:
    """Machine code in memory of its own, as long as this object lives."""

    def __init__(self, start: int, size: int, functions: dict[str, int]) -> None:
        self.start = start
        self.functions = functions
        self._release = partial(_system().munmap, start, size)

    def __del__(self, is_ending: Callable[[], bool] = sys.is_finalizing) -> None:
        # Threads may still run in it while the interpreter ends: then it is not given back.
        if not is_ending():
            self._release()

    def get_function_address(self, name: str) -> int:
        """Return the address of a function; 0 where there is none."""
        at = self.functions.get(name)
        return 0 if at is None else self.start + at


def linked(object_code: bytes) -> Linked | None:
    """Return object code ready to run; None where it is of another kind, or this system does not let it run so."""
    if sys.platform != "linux" or object_code[:6] != b"\x7fELF\x02\x01" or object_code[18:20] != b"\x3e\x00":
        return None
    try:
        return _Linker(object_code).placed()
    except (Unknown, OSError):
        return None


@cache
def _system() -> Any:
    """Return the functions of the system and of its libraries."""
    system, address = ctypes.CDLL(None), ctypes.c_void_p
    system.mmap.restype = address
    system.mmap.argtypes = address, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
    system.mprotect.argtypes = address, ctypes.c_size_t, ctypes.c_int
    system.munmap.argtypes = address, ctypes.c_size_t
    return system


class _Linker:
    """One object file on its way into memory. All places are counted from the start of that memory."""

    def __init__(self, code: bytes) -> None:
        self.code = code
        at, count = int.from_bytes(code[40:48], "little"), int.from_bytes(code[60:62], "little")
        self.sections = np.frombuffer(code, _SECTION, count, at)
        self.places: dict[int, int] = {}
        size = 0
        for number, section in enumerate(self.sections):
            if section["flags"] & ALLOCATED:
                if section["type"] != CONTENTS or section["flags"] & WRITTEN:
                    raise Unknown
                alignment = max(int(section["alignment"]), 1)
                self.places[number] = size = -(-size // alignment) * alignment
                size += int(section["size"])
        tables = [s for s in self.sections if s["type"] == SYMBOLS]
        if len(tables) != 1:
            raise Unknown
        (table,) = tables
        self.symbols = self._entries(table, _SYMBOL)
        self.strings = int(self.sections[table["link"]]["offset"])
        self.table = -(-size // 8) * 8
        """Where the table of addresses stands (the GOT)."""
        self.entries: dict[int, int] = {}
        """The entry in it of a symbol."""
        self.jumps: dict[int, int] = {}

    def _entries(self, section: Any, kind: np.dtype[Any]) -> Any:
        return np.frombuffer(self.code, kind, int(section["size"]) // kind.itemsize, int(section["offset"]))

    def _name(self, symbol: Any) -> str:
        start = self.strings + int(symbol["name"])
        return self.code[start : self.code.index(b"\0", start)].decode()

    def placed(self) -> Linked:
        """Copy everything to where it belongs, and let it run."""
        relocations = [(s, self._entries(s, _RELOCATION)) for s in self.sections if s["type"] == RELOCATIONS]
        relocations = [(self.places[int(s["info"])], r) for s, r in relocations if int(s["info"]) in self.places]
        self._make_room(relocations)
        image = np.zeros(self.size, np.uint8)
        for number, place in self.places.items():
            start, length = int(self.sections[number]["offset"]), int(self.sections[number]["size"])
            image[place : place + length] = np.frombuffer(self.code, np.uint8, length, start)
        for place, entries in relocations:
            self._relocate(image, place, entries)
        system = _system()
        rights, kind = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        start = system.mmap(None, self.size, rights, kind, -1, 0)
        if start == FAILED:
            raise Unknown
        try:
            self._fill_table(image, start)
            ctypes.memmove(start, image.ctypes.data, self.size)
            if system.mprotect(start, self.size, mmap.PROT_READ | mmap.PROT_EXEC):
                raise Unknown
        except Unknown:
            system.munmap(start, self.size)
            raise
        functions = np.flatnonzero((self.symbols["info"] & 15 == FUNCTION) & (self.symbols["section"] != UNDEFINED))
        found = {self._name(self.symbols[i]): self._place(i) for i in functions.tolist()}
        return Linked(start, self.size, found)

    def _make_room(self, relocations: list[tuple[int, Any]]) -> None:
        """Give what is from elsewhere an entry in the table, and a jump by it where it is called directly."""
        for _, entries in relocations:
            outside = self.symbols["section"][entries["symbol"]] == UNDEFINED
            called = outside & (entries["type"] == CALL)
            for symbol in self._distinct(entries["symbol"][(entries["type"] == ENTRY) | called]):
                self.entries.setdefault(symbol, self.table + 8 * len(self.entries))
            for symbol in self._distinct(entries["symbol"][called]):
                self.jumps.setdefault(symbol, 0)
        end = self.table + 8 * len(self.entries)
        for number, symbol in enumerate(self.jumps):
            self.jumps[symbol] = end + 8 * number
        self.size = max(end + 8 * len(self.jumps), 1)

    def _distinct(self, symbols: Any) -> list[int]:
        """Return each of some symbols once. (`np.unique` imports masked arrays, which takes ten times as long.)"""
        used = np.zeros(len(self.symbols), np.bool_)
        used[symbols] = True
        found: list[int] = np.flatnonzero(used).tolist()
        return found

    def _place(self, symbol: int) -> int:
        """Return where a symbol stands; of a function from elsewhere the jump to it."""
        section = int(self.symbols[symbol]["section"])
        if section == UNDEFINED:
            return self.jumps.get(symbol, NOWHERE)
        if section not in self.places:
            raise Unknown
        return self.places[section] + int(self.symbols[symbol]["value"])

    def _relocate(self, image: Any, place: int, entries: Any) -> None:
        """Write what leads from one place to another. A difference of two places is the same wherever they are."""
        to, row = np.full((2, len(self.symbols)), NOWHERE)
        for symbol in self._distinct(entries["symbol"]):
            to[symbol], row[symbol] = self._place(symbol), self.entries.get(symbol, NOWHERE)
        to, row = to[entries["symbol"]], row[entries["symbol"]]
        kinds, addend, at = entries["type"], entries["addend"], entries["offset"].astype(np.int64) + place
        left = len(entries)
        for kind, known, value, width in (
            (RELATIVE, to, to + addend - at, 4),
            (CALL, to, to + addend - at, 4),
            (ENTRY, row, row + addend - self.table, 8),
            (FROM_TABLE, to, to + addend - self.table, 8),
            (TABLE, at, self.table + addend - at, 8),
        ):
            chosen = kinds == kind
            left -= int(np.count_nonzero(chosen))
            if (known[chosen] == NOWHERE).any():
                raise Unknown
            written = value[chosen].view(np.uint8).reshape(-1, 8)[:, :width]
            image[at[chosen][:, None] + np.arange(width)] = written
        if left:
            raise Unknown

    def _fill_table(self, image: Any, start: int) -> None:
        """Enter the addresses, which hold for this memory alone, and the jumps that go by them."""
        system = _system()
        for symbol, entry in self.entries.items():
            if self.symbols[symbol]["section"] == UNDEFINED:
                name = self._name(self.symbols[symbol])
                try:
                    address = ctypes.cast(getattr(system, name), ctypes.c_void_p).value or 0
                except AttributeError:
                    raise Unknown from None
            else:
                address = start + self._place(symbol)
            image[entry : entry + 8] = np.frombuffer(address.to_bytes(8, "little"), np.uint8)
        for symbol, jump in self.jumps.items():
            distance = self.entries[symbol] - (jump + len(JUMP) + 4)
            written = JUMP + distance.to_bytes(4, "little", signed=True)
            image[jump : jump + len(written)] = np.frombuffer(written, np.uint8)

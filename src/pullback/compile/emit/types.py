"""The types of emitted code: a scalar kind, and how many lanes of it stand in one register."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "BOOL", "DOUBLE", "FLOAT", "I8", "I16", "I32", "I64", "PTR",
    "Operand", "Type", "constant", "number_of", "type_of",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Type:
    """A scalar kind of LLVM, and its number of lanes; one lane is the scalar itself."""

    kind: str
    lanes: int = 1

    def of(self, lanes: int) -> Type:
        """Return the same kind with another number of lanes."""
        return self if lanes == self.lanes else Type(self.kind, lanes)

    def like(self, kind: str) -> Type:
        """Return another kind with the same number of lanes."""
        return Type(kind, self.lanes)

    @property
    def floating(self) -> bool:
        """Whether its values are floating-point numbers."""
        return self.kind in ("float", "double")

    @property
    def bits(self) -> int:
        """The width of one lane."""
        return _BITS[self.kind]

    @property
    def suffix(self) -> str:
        """The type as it stands in the name of an intrinsic: f32, v16f32, v8i64."""
        scalar = ("f" if self.floating else "i") + str(self.bits)
        return scalar if self.lanes == 1 else f"v{self.lanes}{scalar}"

    def __str__(self) -> str:
        return self.kind if self.lanes == 1 else f"<{self.lanes} x {self.kind}>"


@dataclass(frozen=True, slots=True)
class Operand:
    """A value in emitted code: its name or literal, and its type."""

    text: str
    type: Type

    def __str__(self) -> str:
        return self.text

    @property
    def typed(self) -> str:
        """The operand with its type before it, as most instructions want it."""
        return f"{self.type} {self.text}"


_BITS = {"float": 32, "double": 64, "i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "ptr": 64}

FLOAT = Type("float")
DOUBLE = Type("double")
BOOL = Type("i1")
I8 = Type("i8")
I16 = Type("i16")
I32 = Type("i32")
I64 = Type("i64")
PTR = Type("ptr")

_OF_DTYPE = {
    np.dtype("float32"): FLOAT,
    np.dtype("float64"): DOUBLE,
    np.dtype("bool"): I8,
    np.dtype("int8"): I8,
    np.dtype("uint8"): I8,
    np.dtype("int16"): I16,
    np.dtype("uint16"): I16,
    np.dtype("int32"): I32,
    np.dtype("uint32"): I32,
    np.dtype("int64"): I64,
    np.dtype("uint64"): I64,
}


def type_of(dtype: np.dtype[Any]) -> Type:
    """Return the type in memory of an array's elements; a boolean is a byte there. KeyError for other dtypes."""
    return _OF_DTYPE[dtype]


def constant(type: Type, number: float | int | bool) -> Operand:
    """Return a literal, the same in every lane. A float literal is the nearest number of its type."""
    if type.floating:
        if type.kind == "float":
            with np.errstate(over="ignore"):
                number = float(np.float32(number))
        literal = f"0x{struct.unpack('Q', struct.pack('d', number))[0]:016X}"
    else:
        literal = str(int(number))
    if type.lanes > 1:
        literal = "<" + ", ".join([f"{type.kind} {literal}"] * type.lanes) + ">"
    return Operand(literal, type)


def number_of(operand: Operand) -> float | None:
    """Return the number that a literal is (the same in every lane), or None of a value."""
    text = operand.text
    if text.startswith("<"):
        text = text[1:-1].split(", ")[0].split()[1]
    if text[0] in "%@" or text in ("poison", "undef"):
        return None
    if text in ("zeroinitializer", "true", "false"):
        return float(text == "true")
    if text.startswith("0x"):
        return float(struct.unpack("d", struct.pack("Q", int(text, 16)))[0])
    return float(text)

"""A law of the contract, what holding a mapping to it gives, and how two arrays are compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = ["Law", "LawBroken", "NotApplicable", "Outcome", "require", "require_close", "require_same"]


class LawBroken(AssertionError):
    """A mapping does not keep a law; the message is the counterexample."""


class NotApplicable(Exception):  # it is not an error: the law says nothing about this mapping
    """A law says nothing about a mapping; the message is the reason."""


@dataclass(frozen=True)
class Outcome:
    """What holding one mapping to one law gave."""

    mapping: str
    law: str
    status: Literal["kept", "not applicable", "broken"]
    detail: str
    seconds: float


@dataclass(frozen=True)
class Law:
    """One law: `check(subject)` returns when it is kept, and raises `LawBroken` or `NotApplicable` otherwise."""

    name: str
    says: str
    check: Callable[[Any], None]

    def judge(self, subject: Any) -> Outcome:
        """Hold `subject` to the law; an exception inside the mapping breaks the law, too."""
        start = time.perf_counter()
        status: Literal["kept", "not applicable", "broken"]
        try:
            with np.errstate(all="ignore"):
                self.check(subject)
            status, detail = "kept", ""
        except NotApplicable as reason:
            status, detail = "not applicable", str(reason)
        except LawBroken as broken:
            status, detail = "broken", str(broken)
        except Exception as error:  # whatever a mapping raises on an input of its own samples is a finding
            notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
            status, detail = "broken", f"{type(error).__name__}: {error}{notes}"
        return Outcome(subject.mapping.name, self.name, status, detail, time.perf_counter() - start)


def require(condition: Any, message: str) -> None:
    """Raise `LawBroken` with `message` unless `condition` holds."""
    if not condition:
        raise LawBroken(message)


def require_close(
    got: Any, expected: Any, what: str, *, rtol: float, atol: Any = 0.0, names: Sequence[str] = ("got", "expected")
) -> None:
    """Raise `LawBroken` naming the worst element unless |got − expected| ≤ atol + rtol · |expected| everywhere.

    Infinities must be equal, and NaN equals NaN.
    """
    got, expected = np.asarray(got), np.asarray(expected)
    require(got.shape == expected.shape, f"{what}: the shape is {got.shape}, expected {expected.shape}")
    if got.size == 0:
        return
    if got.dtype.kind not in "fc":
        same = np.asarray(got == expected)
        excess = np.where(same, 0.0, np.inf)
    else:
        wide = np.result_type(got.dtype, expected.dtype, np.float64)
        a, b = got.astype(wide), expected.astype(wide)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        gap = np.abs(a - b)
        excess = np.where(same, 0.0, np.where(np.isnan(gap), np.inf, gap) - (atol + rtol * np.abs(b)))
        excess = np.where(np.isnan(excess), np.inf, excess)  # an infinity where there should be none
    if (excess > 0).any():
        worst = np.unravel_index(np.argmax(excess), got.shape)
        at = f" at element {[int(i) for i in worst]}" if got.ndim else ""
        raise LawBroken(f"{what}{at}: {names[0]} {got[worst]!r}, {names[1]} {expected[worst]!r}")


def require_same(got: Any, expected: Any, what: str) -> None:
    """Raise `LawBroken` unless two arrays are equal bit for bit: dtype, NaN and the sign of zero included."""
    got, expected = np.asarray(got), np.asarray(expected)
    require(got.dtype == expected.dtype, f"{what}: the dtype is {got.dtype}, expected {expected.dtype}")
    require_close(got, expected, what, rtol=0.0)
    if got.dtype.kind == "f":
        zero = got == 0
        signs = np.signbit(got) == np.signbit(expected)
        require(np.all(signs | ~zero), f"{what}: a zero has the wrong sign")

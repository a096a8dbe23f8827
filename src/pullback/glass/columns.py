"""Text in columns, for terminals: wide characters count as two, and long numbers are cut to size."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

__all__ = ["aligned", "shown_number", "signed", "width_of"]


def width_of(text: str) -> int:
    """Return how many columns a text takes: Chinese characters take two, combining signs none.

    >>> width_of("梯度 g")
    6
    """
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def shown_number(x: float | None, digits: int = 6) -> str:
    """Return a number as a person reads it.

    >>> shown_number(-0.03125), shown_number(1234567.0), shown_number(None)
    ('−0.03125', '1.23457e6', '–')
    """
    if x is None:
        return "–"
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    shown = f"{x + 0.0:.{digits}g}"  # −0 is shown as 0
    if "e" in shown:
        mantissa, exponent = shown.split("e")
        shown = f"{mantissa}e{int(exponent)}"
    return shown.replace("-", "−", 1) if shown.startswith("-") else shown


def signed(x: float | None) -> str:
    """Return a number as a factor: in parentheses when it is negative."""
    shown = shown_number(x)
    return f"({shown})" if shown.startswith("−") else shown


def aligned(rows: Sequence[Sequence[str]], indent: str = "  ", gap: str = "  ") -> list[str]:
    """Return rows of cells as lines in which the columns stand below each other.

    >>> aligned([["a", "= 1"], ["long", "= 2"]])
    ['  a     = 1', '  long  = 2']
    """
    if not rows:
        return []
    count = max(map(len, rows))
    widths = [max((width_of(row[i]) for row in rows if i < len(row)), default=0) for i in range(count)]
    lines = []
    for row in rows:
        cells = [cell + " " * (widths[i] - width_of(cell)) for i, cell in enumerate(row)]
        lines.append((indent + gap.join(cells)).rstrip())
    return lines

"""An array as a page shows it: a small one in full, a large one as its corner and a few numbers about the rest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .pictures import Gallery

__all__ = ["Allowance", "compact", "shown"]

WHOLE = 256
"""Arrays of so many elements are shown in full while the allowance lasts."""
CORNER = 6


class Allowance:
    """How many elements a drawing may still show in full, so that its page stays small."""

    def __init__(self, elements: int = 40_000) -> None:
        self.elements = elements
        self._summaries: dict[int, tuple[Any, dict[str, Any]]] = {}

    def summary(self, x: Any) -> dict[str, Any]:
        """Return the numbers about an array, calculated once for all places where it is shown."""
        known = self._summaries.get(id(x))
        if known is None:
            known = self._summaries[id(x)] = x, summary(x)
        return known[1]

    def take(self, size: int) -> bool:
        """Return whether so many elements more may be shown, and count them."""
        if size > self.elements:
            return False
        self.elements -= size
        return True


def shown(x: Any, allowance: Allowance, gallery: Gallery | None = None) -> Any:
    """Return an array as plain JSON data: a number for one without axes, else a dict.

    The dict has `shape`, `rows` (two levels of lists: the array, or the corner of its first matrix), `whole`
    (whether that is all of it), `low`, `high`, `mean`, `norm` and `zeros`, and, where it is not whole and the gallery
    has room, `picture`: the number of its picture there. NaN and infinities are texts.
    """
    if x is None:
        return None
    if isinstance(x, tuple):
        return [shown(part, allowance, gallery) for part in x]
    if x.ndim == 0:
        return number(x[()])
    whole = x.size <= WHOLE and x.ndim <= 2 and allowance.take(x.size)
    matrix = x.reshape(1, -1) if x.ndim == 1 else x.reshape(-1, *x.shape[-2:])[0] if x.size else np.zeros((0, 0))
    cut = CORNER if allowance.elements > 0 else 1
    rows = matrix if whole else matrix[:cut, : 2 * cut]
    picture = None if whole or gallery is None else gallery.add(x)
    return {
        "shape": list(x.shape),
        "rows": _rows(rows),
        "whole": whole,
        **({} if picture is None else {"picture": picture}),
        **allowance.summary(x),
    }


def _rows(rows: Any) -> list[list[Any]]:
    if rows.dtype.kind == "f" and np.isfinite(rows).all():
        return [[float(f"{item:.6g}") for item in row] for row in rows.tolist()]
    return [[number(item, 6) for item in row] for row in rows]


def summary(x: Any) -> dict[str, Any]:
    """Return the numbers about a whole array; `norm` is the square root of the sum of squares."""
    if not x.size or x.dtype.kind not in "fiub":
        return {}
    a = x.astype(np.float64, copy=False)
    with np.errstate(all="ignore"):
        return {
            "low": number(a.min(), 6),
            "high": number(a.max(), 6),
            "mean": number(np.add.reduce(a, axis=None) / a.size, 6),
            "norm": number(np.sqrt((a * a).sum()), 6),
            "zeros": int(a.size - np.count_nonzero(a)),
        }


def number(x: Any, digits: int | None = None) -> Any:
    """Return a number that JSON knows, or the text "nan", "inf" or "-inf".

    >>> number(np.float64("nan")), number(0.1 + 0.2, 6), number(np.bool_(True))
    ('nan', 0.3, True)
    """
    item = x.item() if isinstance(x, np.generic) else x
    if isinstance(item, complex):
        return str(item)
    if not isinstance(item, float):
        return item
    if not math.isfinite(item):
        return str(item)
    if digits is not None:
        return float(f"{item:.{digits}g}")
    return float(str(x)) if isinstance(x, np.float32 | np.float16) else item


def compact(x: Any, shape: bool = True, allowance: Allowance | None = None) -> str:
    """Write a value in a few characters: a number, or the shape and the norm of an array.

    >>> compact(np.float64(0.84147098)), compact(np.ones((3, 4)))
    ('0.8415', '3×4 ‖3.464‖')
    """
    if x is None:
        return "·"
    if isinstance(x, tuple):
        return ", ".join(compact(part, shape, allowance) for part in x[:2]) + (f", … ({len(x)})" if len(x) > 2 else "")
    if x.ndim == 0:
        item = x[()].item()
        return short(item) if isinstance(item, float) else str(item)
    norm = (summary(x) if allowance is None else allowance.summary(x)).get("norm")
    size = "×".join(map(str, x.shape)) if x.ndim > 1 else f"{x.shape[0]}"
    if norm is None:
        return size
    return f"{size} ‖{short(float(norm))}‖" if shape else f"‖{short(float(norm))}‖"


def short(x: float) -> str:
    """Write a float with four significant digits.

    >>> short(2.0), short(-0.000012345), short(123456.0)
    ('2', '−1.234e−5', '1.235e5')
    """
    if not math.isfinite(x):
        return {"inf": "∞", "-inf": "−∞"}.get(str(x), "NaN")
    text = f"{x or 0.0:.4g}"  # no minus before a zero
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−")

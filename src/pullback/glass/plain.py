"""What receipts are made of as plain JSON data."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from .formula.tree import Formula

__all__ = ["plain"]


def plain(x: Any, mathml: bool = False) -> Any:
    """Return frozen data as what JSON knows: formulas as text, NaN and infinities as the texts "nan", "inf", "-inf".

    With `mathml`, each formula "name" has a neighbour "name_mathml".
    """
    if isinstance(x, Formula):
        from .formula import to_unicode

        return to_unicode(x)
    if x is None or isinstance(x, bool | int | str):
        return x
    if isinstance(x, float):
        return x if math.isfinite(x) else str(x)
    if isinstance(x, tuple | list):
        return [plain(item, mathml) for item in x]
    if hasattr(x, "tolist"):
        return plain(x.tolist(), mathml)
    data: dict[str, Any] = {}
    for field in fields(x):
        part = getattr(x, field.name)
        data[field.name] = plain(part, mathml)
        if mathml and isinstance(part, Formula):
            from .formula import to_mathml

            data[f"{field.name}_mathml"] = to_mathml(part)
    return data

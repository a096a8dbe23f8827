"""Which mapping is not held to which law, and why. Every entry is a stated decision; there is no other way out."""

from __future__ import annotations

__all__ = ["EXEMPT"]

EXEMPT: dict[tuple[str, str], str] = {}

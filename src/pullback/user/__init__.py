"""Mappings of one's own: `pullback.mapping`."""

from .declare import UserMapping, mapping

__all__ = ["UserMapping", "mapping"]

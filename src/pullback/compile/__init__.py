"""Compilation of a recorded function to native code.

The package bears the name of what it offers, so it can be called: `pb.compile(step)` is
`pullback.compile.compiled.compile(step)`, whichever of its modules was imported first.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

__all__: list[str] = []


class _Callable(ModuleType):
    """A package that can be called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from .compiled import compile

        return compile(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable

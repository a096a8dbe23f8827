"""Compilation of a traced function to native code."""

import sys
import types


class _Package(types.ModuleType):
    def __call__(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        from .compiled import compile

        return compile(*args, **kwargs)


sys.modules[__name__].__class__ = _Package

"""Object code kept on disk, compiled once and loaded afterwards: by the text, the target, the compiler's version."""

from __future__ import annotations

import hashlib

from .emit.machine import Target, compile_text, compiler_version
from .files import MARKS, keep, kept

__all__ = ["code_file", "object_code"]


def object_code(text: str, target: Target) -> tuple[bytes, bool]:
    """Return the object code of a module, and whether it was found on disk."""
    name = code_file(text, target)
    code = kept(name)
    if code is not None:
        return code, True
    code = compile_text(text, target)
    keep(name, code)
    return code, False


def code_file(text: str, target: Target) -> str:
    """Return the name of the file of a module's object code."""
    about = f"{MARKS['.o']!r}\n{compiler_version()}\n{target.triple}\n{target.cpu}\n{target.features}\n"
    return hashlib.sha256((f"{about}{target.vector_bits}\n" + text).encode()).hexdigest() + ".o"

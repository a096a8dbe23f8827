"""Files kept on disk: object code, compiled once and loaded afterwards, and plans.

A file is named after what it was made from (of object code: the text, the target, the compiler's version), and begins
with the digest of its contents: one that is damaged, cut off or half-written is recognised, and made again. Files
are written elsewhere and renamed, so processes do not disturb each other; where nothing can be written, nothing is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

from .emit.machine import Target, compile_text, compiler_version

__all__ = ["LARGEST", "code_file", "directory", "in_use", "kept", "keep", "object_code"]

LARGEST = 256 << 20
"""How many bytes are kept; beyond it what was used longest ago is deleted."""

_MARKS = {".o": b"pullback object code 2\n", ".plan": b"pullback plan 1\n"}
"""What a file of each kind begins with."""


def directory() -> Path:
    """Return where files are kept: `$PULLBACK_CACHE`, else the platform's place for such files."""
    given = os.environ.get("PULLBACK_CACHE")
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "pullback"


def in_use() -> bool:
    """Whether files are kept: `PULLBACK_CACHE=` (empty) in the environment turns that off."""
    return os.environ.get("PULLBACK_CACHE") != ""


def object_code(text: str, target: Target) -> tuple[bytes, bool]:
    """Return the object code of a module, and whether it was found on disk."""
    if not in_use():
        return compile_text(text, target), False
    name = code_file(text, target)
    code = kept(name)
    if code is not None:
        return code, True
    code = compile_text(text, target)
    keep(name, code)
    return code, False


def code_file(text: str, target: Target) -> str:
    """Return the name of the file of a module's object code."""
    about = f"{_MARKS['.o']!r}\n{compiler_version()}\n{target.triple}\n{target.cpu}\n{target.features}\n"
    return hashlib.sha256((f"{about}{target.vector_bits}\n" + text).encode()).hexdigest() + ".o"


def kept(name: str) -> bytes | None:
    """Return what a file holds; None where there is none, or it is not what was written."""
    try:
        path = directory() / name
        contents = _read(path)
    except (OSError, RuntimeError):  # no home, no permission, not a folder
        return None
    if contents is not None:
        with contextlib.suppress(OSError):
            os.utime(path)
    return contents


def keep(name: str, contents: bytes) -> None:
    """Write a file, if that can be done."""
    with contextlib.suppress(OSError, RuntimeError):
        path = directory() / name
        _write(path, contents)
        _trim(path.parent)


def _read(path: Path) -> bytes | None:
    try:
        whole = path.read_bytes()
    except FileNotFoundError:
        return None
    mark = _MARKS[path.suffix]
    head = len(mark) + 32
    contents = whole[head:]
    if whole[: len(mark)] != mark or whole[len(mark) : head] != hashlib.sha256(contents).digest():
        return None
    return contents


def _write(path: Path, contents: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MARKS[path.suffix] + hashlib.sha256(contents).digest() + contents)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _trim(folder: Path) -> None:
    """Delete what was used longest ago, until the rest is small enough."""
    found = []
    for path in folder.iterdir():
        if path.suffix in _MARKS:
            with contextlib.suppress(OSError):
                about = path.stat()
                found.append((about.st_mtime, about.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found, key=lambda entry: entry[0]):
        if total <= LARGEST:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size

"""Object code kept on disk: compiled once, loaded afterwards.

A file is named after what its code was compiled from (the text, the target, the compiler's version), and begins
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

__all__ = ["LARGEST", "directory", "object_code"]

LARGEST = 256 << 20
"""How many bytes of code are kept; beyond it what was used longest ago is deleted."""

_MARK = b"pullback object code 2\n"


def directory() -> Path:
    """Return where code is kept: `$PULLBACK_CACHE`, else the platform's place for such files."""
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


def object_code(text: str, target: Target) -> tuple[bytes, bool]:
    """Return the object code of a module, and whether it was found on disk.

    `PULLBACK_CACHE=` (empty) in the environment turns the cache off.
    """
    if os.environ.get("PULLBACK_CACHE") == "":
        return compile_text(text, target), False
    try:
        path = directory() / f"{_name(text, target)}.o"
        code = _read(path)
    except (OSError, RuntimeError):  # no home, no permission, not a folder
        return compile_text(text, target), False
    if code is not None:
        with contextlib.suppress(OSError):
            os.utime(path)
        return code, True
    code = compile_text(text, target)
    with contextlib.suppress(OSError):
        _write(path, code)
        _trim(path.parent)
    return code, False


def _name(text: str, target: Target) -> str:
    about = f"{_MARK!r}\n{compiler_version()}\n{target.triple}\n{target.cpu}\n{target.features}\n{target.vector_bits}\n"
    return hashlib.sha256((about + text).encode()).hexdigest()


def _read(path: Path) -> bytes | None:
    """Return the code in a file; None where there is none, or it is not what was written."""
    try:
        contents = path.read_bytes()
    except FileNotFoundError:
        return None
    head = len(_MARK) + 32
    code = contents[head:]
    if contents[: len(_MARK)] != _MARK or contents[len(_MARK) : head] != hashlib.sha256(code).digest():
        return None
    return code


def _write(path: Path, code: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_MARK + hashlib.sha256(code).digest() + code)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _trim(folder: Path) -> None:
    """Delete what was used longest ago, until the rest is small enough."""
    found = []
    for path in folder.glob("*.o"):
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

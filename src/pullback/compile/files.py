"""Files kept on disk: object code, plans, and what is known of the processor.

A file is named after what it was made from, and begins with the digest of its contents: one that is damaged, cut off
or half-written is recognised, and made again. Files are written elsewhere and renamed, so processes do not disturb
each other; where nothing can be written, nothing is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from pathlib import Path

__all__ = ["LARGEST", "MARKS", "directory", "in_use", "keep", "kept"]

LARGEST = 256 << 20
"""How many bytes are kept; beyond it what was used longest ago is deleted."""

MARKS = {".o": b"pullback object code 2\n", ".plan": b"pullback plan 1\n", ".host": b"pullback host 1\n"}
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


def kept(name: str) -> bytes | None:
    """Return what a file holds; None where there is none, or it is not what was written."""
    if not in_use():
        return None
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
    if not in_use():
        return
    with contextlib.suppress(OSError, RuntimeError):
        path = directory() / name
        _write(path, contents)
        _trim(path.parent)


def _read(path: Path) -> bytes | None:
    try:
        whole = path.read_bytes()
    except FileNotFoundError:
        return None
    mark = MARKS[path.suffix]
    head = len(mark) + 32
    contents = whole[head:]
    if whole[: len(mark)] != mark or whole[len(mark) : head] != hashlib.sha256(contents).digest():
        return None
    return contents


def _write(path: Path, contents: bytes) -> None:
    import tempfile  # and all that it brings, which reading does without

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(MARKS[path.suffix] + hashlib.sha256(contents).digest() + contents)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _trim(folder: Path) -> None:
    """Delete what was used longest ago, until the rest is small enough."""
    found = []
    for path in folder.iterdir():
        if path.suffix in MARKS:
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

"""Checkpoints: folders that are there whole or not at all.

A checkpoint ``step-000000001234`` holds some safetensors files, ``versions.json``, and ``manifest.json`` with
the size and SHA-256 of each of them and of its own text. It is written to a folder beside its place, put on the
disk file by file, and renamed, which the file system does at once or not at all: a folder of that name is
complete, whenever the power went. Reading verifies every byte. Nothing in a checkpoint is ever executed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import warnings
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import PullbackError
from ..saving import decoded, encoded, sync_folder
from .runs import versions

__all__ = [
    "CheckpointError",
    "Manifest",
    "best_checkpoint",
    "checkpoints",
    "latest_checkpoint",
    "load_checkpoint",
    "save_checkpoint",
    "verify_checkpoint",
]

FORMAT = 1
MANIFEST, VERSIONS = "manifest.json", "versions.json"
NAME = re.compile(r"step-([0-9]{12,})")
LARGEST_MANIFEST = 1 << 20
CHUNK = 1 << 20  # small enough to be in the processor's cache when it is hashed
BUFFERS = 3


class CheckpointError(PullbackError, OSError, ValueError):
    """A checkpoint that is damaged, incomplete, or could not be written (``errno`` then says why)."""

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.errno = number
        self.strerror = message

    def __str__(self) -> str:
        return str(self.strerror)


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint says about itself.

    ``step``: after how many steps it was written. ``score``: the figure by which the best one is chosen, None
    if there is none. ``files``: (size in bytes, SHA-256 in hexadecimal) by name.
    """

    step: int
    score: float | None
    files: dict[str, tuple[int, str]]

    def text(self) -> str:
        """The manifest's file, which ends in the checksum of what stands before it."""
        files = {name: {"bytes": size, "sha256": digest} for name, (size, digest) in self.files.items()}
        body = {"format": FORMAT, "step": self.step, "score": self.score, "files": files}
        checksum = hashlib.sha256(json.dumps(body).encode()).hexdigest()
        return json.dumps({**body, "sha256": checksum}, indent=2) + "\n"


def save_checkpoint(
    folder: str | os.PathLike[str], contents: dict[str, Any], *, step: int, score: float | None = None
) -> Path:
    """Write a checkpoint into ``folder``, which is made if it is not there, and return its path.

    ``contents``: by file name (letters, digits, ``_``), containers of arrays and numbers as `pullback.save` takes
    them. ``step``: its number, which is its name. ``score``: a figure by which `best_checkpoint` chooses.

    Raises CheckpointError, an OSError, if it cannot be written (a full disk, a read-only folder) or there is one
    of that number: all that was there before is then there still, and nothing else. TypeError for what cannot be
    saved.

    >>> import numpy as np, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> path = save_checkpoint(folder, {"model": {"w": np.ones(2)}}, step=7)
    >>> path.name, load_checkpoint(path)["model"]["w"]
    ('step-000000000007', array([1., 1.]))
    """
    folder = Path(folder)
    for name in contents:
        if not re.fullmatch(r"[A-Za-z0-9_]+", name):
            raise ValueError(f"save_checkpoint: expected names of letters, digits and _, got {name!r}")
    if step < 0:
        raise ValueError(f"save_checkpoint: step expected 0 or more, got {step}")
    files: dict[str, list[bytes | memoryview]] = {
        f"{name}.safetensors": encoded(content, manifest=MANIFEST) for name, content in contents.items()
    }
    files[VERSIONS] = [(json.dumps(versions(), indent=2) + "\n").encode()]
    path = folder / f"step-{step:012d}"
    part = folder / f".{path.name}.{secrets.token_hex(6)}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise FileExistsError(errno.EEXIST, f"{path.name} is there already")
        part.mkdir()
        entries = {name: _write(part / name, pieces) for name, pieces in files.items()}
        _write(part / MANIFEST, [Manifest(step, score, entries).text().encode()])
        sync_folder(part)
        os.rename(part, path)
        sync_folder(folder)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, OSError):
            raise _cannot_write(error, folder, files) from error
        raise
    return path


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The contents of a checkpoint by file name, after verifying every byte of it; arrays are NumPy arrays.

    Raises CheckpointError naming the file that is missing, damaged or cut short; nothing was loaded then.
    """
    path = Path(path)
    contents: dict[str, Any] = {}
    for name, (size, digest) in read_manifest(path).files.items():
        content = _verified(path / name, size, digest)
        if name.endswith(".safetensors"):
            contents[name.removesuffix(".safetensors")] = decoded(content, path / name)
    return contents


def verify_checkpoint(path: str | os.PathLike[str]) -> Manifest:
    """Read every byte of a checkpoint, compare with its manifest, and return that.

    Raises CheckpointError naming the file that is missing, damaged or cut short.
    """
    path = Path(path)
    manifest = read_manifest(path)
    for name, (size, digest) in manifest.files.items():
        _verified(path / name, size, digest, keep=False)
    return manifest


def checkpoints(folder: str | os.PathLike[str]) -> list[Path]:
    """The checkpoints in a folder, the oldest first. Half-written ones have other names and are not among them."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if NAME.fullmatch(p.name) and p.is_dir()), key=step_of)


def latest_checkpoint(folder: str | os.PathLike[str]) -> Path | None:
    """The newest checkpoint in a folder that is whole; None if there is no checkpoint.

    A damaged one is passed over with a warning. Raises CheckpointError if there are some and all are damaged.
    """
    damaged: list[str] = []
    for path in reversed(checkpoints(folder)):
        try:
            verify_checkpoint(path)
        except CheckpointError as error:
            damaged.append(str(error))
        else:
            for message in damaged:
                warnings.warn(f"{message} The older {path.name} is taken instead.", stacklevel=2)
            return path
    if damaged:
        raise CheckpointError(f"{folder}: every checkpoint is damaged: {' '.join(damaged)}")
    return None


def best_checkpoint(folder: str | os.PathLike[str], mode: str = "min") -> Path | None:
    """The checkpoint with the best score, of equal ones the oldest; None where none has a score.

    ``mode``: whether "min" or "max" is best. The manifests are verified, the other files are not read.
    """
    best: tuple[float, Path] | None = None
    for path in checkpoints(folder):
        with contextlib.suppress(CheckpointError):
            score = read_manifest(path).score
            if score is not None and score == score:
                signed = score if mode == "min" else -score
                if best is None or signed < best[0]:
                    best = signed, path
    return None if best is None else best[1]


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint: first its name, at once, then its files."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    os.rename(path, aside)
    shutil.rmtree(aside)


def remove_half_written(folder: Path) -> None:
    """Remove what writers that were killed have left behind."""
    for path in folder.iterdir():
        if re.fullmatch(r"\.step-[0-9]+\.[0-9a-f]{12}\.part", path.name) and path.is_dir():
            shutil.rmtree(path)


def read_manifest(path: Path) -> Manifest:
    """The manifest of a checkpoint, verified by its own checksum. Raises CheckpointError."""
    file = path / MANIFEST
    try:
        with open(file, "rb") as opened:
            text = opened.read(LARGEST_MANIFEST)
    except OSError as error:
        raise CheckpointError(f"{path} is no checkpoint: {MANIFEST}: {error.strerror}.") from None
    try:
        found = json.loads(text)
        files = {name: (int(entry["bytes"]), str(entry["sha256"])) for name, entry in found["files"].items()}
        manifest = Manifest(int(found["step"]), found["score"], files)
        whole = manifest.text().encode() == text
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise CheckpointError(f"{file} is damaged, or of another format than {FORMAT}; nothing was loaded.")
    for name in manifest.files:
        if not re.fullmatch(r"[A-Za-z0-9_]+\.(safetensors|json)", name):
            raise CheckpointError(f"{file} names a file {name!r}, which no checkpoint has; nothing was loaded.")
    return manifest


# ------------------------------------------------------------------------------------------ the files


def _write(path: Path, pieces: Iterable[bytes | memoryview]) -> tuple[int, str]:
    """Write a file and put it on the disk; return its size and SHA-256, computed beside the writing."""
    digest, size = hashlib.sha256(), 0
    with open(path, "xb", buffering=0) as file, ThreadPoolExecutor(1) as beside:
        for piece in pieces:
            for start in range(0, len(piece), CHUNK):
                chunk = memoryview(piece)[start : start + CHUNK]
                size += len(chunk)
                beside.submit(digest.update, chunk)
                while chunk:
                    chunk = chunk[file.write(chunk) :]
        os.fsync(file.fileno())
    return size, digest.hexdigest()


def _verified(path: Path, size: int, digest: str, keep: bool = True) -> bytearray:
    """The file's bytes (none of them without ``keep``), which are what the manifest says; hashed beside the reading."""
    found, length = hashlib.sha256(), 0
    content = bytearray(size if keep else 0)
    try:
        with open(path, "rb", buffering=0) as file, ThreadPoolExecutor(1) as beside:
            actual = os.fstat(file.fileno()).st_size
            if actual != size:
                raise CheckpointError(f"{path} is damaged: expected {size} bytes, found {actual}; nothing was loaded.")
            ring = [memoryview(bytearray(min(CHUNK, size))) for _ in range(0 if keep else BUFFERS)]
            hashing: deque[Future[None]] = deque()
            while length < size:
                if not keep and len(hashing) == BUFFERS:
                    hashing.popleft().result()  # its buffer is free again
                place = memoryview(content)[length : length + CHUNK] if keep else ring[0]
                count = file.readinto(place)
                if not count:
                    break
                hashing.append(beside.submit(found.update, place[:count]))
                ring = [*ring[1:], *ring[:1]]
                length += count
            length += len(file.read(1))
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; nothing was loaded.") from None
    if length != size or not secrets.compare_digest(found.hexdigest(), digest):
        raise CheckpointError(
            f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}, so something changed after it was written; "
            f"nothing was loaded."
        )
    return content


def _cannot_write(error: OSError, folder: Path, files: dict[str, list[bytes | memoryview]]) -> CheckpointError:
    reason = error.strerror or str(error)
    if error.errno == errno.ENOSPC:
        needed = sum(len(piece) for pieces in files.values() for piece in pieces)
        with contextlib.suppress(OSError):
            reason += f" ({needed / 1e6:,.1f} MB needed, {shutil.disk_usage(folder).free / 1e6:,.1f} MB free)"
    message = f"no checkpoint could be written to {folder}: {reason}. The earlier ones are as they were."
    return CheckpointError(message, error.errno)


def step_of(path: Path) -> int:
    """The step in a checkpoint's name."""
    match = NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1])

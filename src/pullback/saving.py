"""Saving and loading: arrays in safetensors files, with a checksum. Nothing is ever unpickled.

A file holds a container of arrays (a state dict, or nested dicts and lists of arrays, numbers, strings and
None). The arrays are safetensors' tensors under their paths; the container and a SHA-256 over everything
are in the header, so other programs can read the arrays, and a damaged file is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from .core.errors import PullbackError
from .core.value import Value
from .tensor import Tensor
from .transforms.backward import numbers_of
from .transforms.reverse import TAPE

__all__ = ["load", "load_metadata", "save"]

_TREE, _CHECKSUM, _MANIFEST = "pullback.tree", "pullback.sha256", "pullback.manifest"
_SIZES = (8, 16, 32, 64)
_DTYPES = {"bool": "BOOL"} | {f"{kind}int{n}": f"{kind.upper() or 'I'}{n}" for kind in ("", "u") for n in _SIZES}
_DTYPES |= {"float16": "F16", "float32": "F32", "float64": "F64"}


class FileError(PullbackError, ValueError):
    """A file that is damaged, or is not what it was taken for."""


def save(path: str | os.PathLike[str], contents: Any, metadata: dict[str, str] | None = None) -> None:
    """Write a module's state, or a container of arrays, to a safetensors file.

    `contents`: a module, its `state_dict()`, or nested dicts and lists of arrays, tensors, numbers,
    strings, booleans and None (`{"model": …, "optimizer": …, "epoch": 3}`). `metadata`: strings by name.
    The file at `path` is replaced in one step after the new one is safely on the disk; a failure leaves it
    as it was. Raises TypeError for what cannot be saved.

    >>> import pullback as pb, tempfile
    >>> path = tempfile.mkdtemp() + "/net.safetensors"
    >>> net = pb.nn.Linear(2, 1)
    >>> pb.save(path, net)
    >>> net.load_state_dict(pb.load(path))
    Loaded(missing_keys=[], unexpected_keys=[])
    """
    _write(Path(path), encoded(contents, metadata))


def load(path: str | os.PathLike[str]) -> Any:
    """Read what `save` wrote, after checking that not a bit has changed: containers with tensors as leaves.

    A file of a checkpoint is checked by the manifest beside it. A safetensors file from another program gives a dict
    of tensors by name, with a warning, because it has no checksum; a checkpoint's without its manifest warns too.
    Raises FileNotFoundError, and ValueError naming the file and the cause when it is damaged, cut short or no
    safetensors file.

    >>> import pullback as pb, tempfile
    >>> path = tempfile.mkdtemp() + "/state.safetensors"
    >>> pb.save(path, {"weights": [pb.zeros((2,)), pb.ones((1,))], "epoch": 3})
    >>> state = pb.load(path)
    >>> state["epoch"], state["weights"][1].tolist()
    (3, [1.0])
    """
    arrays, header = _read(Path(path))
    if _MANIFEST in header:
        _check_by_manifest(Path(path), header[_MANIFEST])
    elif _CHECKSUM not in header:
        warnings.warn(
            f"{path}: this safetensors file was not written by pullback and has no checksum, so damage to its "
            f"numbers would go unnoticed. Saving it again with pullback.save adds one.",
            stacklevel=2,
        )
        return {name: Tensor(TAPE, a[()]) for name, a in arrays.items()}
    return _rebuilt(json.loads(header[_TREE]), arrays)


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the metadata that was given to `save`, after the same checks as `load`."""
    _, header = _read(Path(path))
    return {name: text for name, text in header.items() if name not in (_TREE, _CHECKSUM, _MANIFEST)}


def encoded(
    contents: Any, metadata: dict[str, str] | None = None, *, manifest: str | None = None
) -> list[bytes | memoryview]:
    """The bytes of the file that `save` writes, in pieces: the header, and each array's own memory, uncopied.

    ``manifest``: the name of a file beside it that will have the checksum; then it is not computed here.
    """
    state_dict = getattr(contents, "state_dict", None)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = _plain(state_dict() if callable(state_dict) else contents, "", arrays)
    header = dict(_checked_metadata(metadata))
    header[_TREE] = json.dumps(tree, ensure_ascii=True, separators=(",", ":"))
    if manifest is None:
        header[_CHECKSUM] = _checksum(arrays, header)
    else:
        header[_MANIFEST] = manifest
    return _laid_out(arrays, header)


def decoded(content: bytes | bytearray, path: Path) -> Any:
    """The contents of a file that `encoded` made and whose bytes have been verified; arrays are NumPy's own.

    Raises ValueError naming ``path`` for anything else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    try:
        arrays = from_bytes(bytes(content))
        size = int.from_bytes(content[:8], "little")
        header = json.loads(bytes(content[8 : 8 + size]))["__metadata__"]
        return _rebuilt(json.loads(header[_TREE]), arrays, leaf=lambda a: a[()])
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileError(f"load: {path} is not what pullback.save writes: {type(error).__name__}: {error}") from None


# ----------------------------------------------------------------------------------------- containers


def _plain(x: Any, path: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Return `x` as JSON, with its arrays moved to `arrays` under their paths."""
    if isinstance(x, Value | np.ndarray | np.generic):
        name = path or "array"
        if name in arrays:
            raise ValueError(f"save: two arrays would have the name {name!r}; rename a key that contains a dot")
        arrays[name] = _storable(x, name)
        return {"array": name}
    if x is None or isinstance(x, bool | int | float | str):
        return {"value": x}
    if isinstance(x, dict):
        for key in x:
            if not isinstance(key, str | int) or isinstance(key, bool):
                raise TypeError(f"save: keys must be strings or integers, got {key!r} in {path or 'the contents'}")
        return {"dict": [[key, _plain(value, _join(path, key), arrays)] for key, value in x.items()]}
    if isinstance(x, list | tuple) and not hasattr(x, "_fields"):
        kind = "list" if isinstance(x, list) else "tuple"
        return {kind: [_plain(value, _join(path, i), arrays) for i, value in enumerate(x)]}
    raise TypeError(
        f"save: {path or 'the contents'} is of type {type(x).__name__}; expected arrays, tensors, numbers, strings, "
        f"None, or dicts and lists of them"
    )


def _join(path: str, key: str | int) -> str:
    return f"{path}.{key}" if path else str(key)


def _storable(x: Any, name: str) -> np.ndarray[Any, Any]:
    """Return a contiguous array in the machine's byte order; safetensors writes the memory of any other wrongly."""
    a = np.asarray(numbers_of(x))
    if not a.dtype.isnative:
        a = a.astype(a.dtype.newbyteorder("="))
    if a.dtype.name not in _DTYPES:
        raise TypeError(f"save: {name} has dtype {a.dtype}, which is not saved; expected one of {', '.join(_DTYPES)}")
    return np.asarray(a, order="C")


def _rebuilt(
    tree: Any, arrays: dict[str, np.ndarray[Any, Any]], leaf: Callable[[Any], Any] = lambda a: Tensor(TAPE, a[()])
) -> Any:
    ((kind, x),) = tree.items()
    if kind == "array":
        return leaf(arrays[x])
    if kind == "dict":
        return {key: _rebuilt(value, arrays, leaf) for key, value in x}
    if kind == "value":
        return x
    items = [_rebuilt(value, arrays, leaf) for value in x]
    return items if kind == "list" else tuple(items)


def _checked_metadata(metadata: dict[str, str] | None) -> dict[str, str]:
    for name, text in (metadata or {}).items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise TypeError(f"save: metadata must be strings by name, got {name!r}: {text!r}")
        if name in (_TREE, _CHECKSUM, _MANIFEST):
            raise ValueError(f"save: the metadata name {name!r} is taken")
    return metadata or {}


# ---------------------------------------------------------------------------------------------- files


def _checksum(arrays: dict[str, np.ndarray[Any, Any]], header: dict[str, str]) -> str:
    """SHA-256 over the header and over names, dtypes, shapes and bytes of all arrays, in the order of the names."""
    digest = hashlib.sha256()

    def take(part: bytes) -> None:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)

    for name in sorted(header):
        if name != _CHECKSUM:
            take(name.encode())
            take(header[name].encode())
    for name in sorted(arrays):
        a = arrays[name]
        take(name.encode())
        take(f"{a.dtype.name} {a.shape}".encode())
        little = a.astype(a.dtype.newbyteorder("<"), copy=False)
        digest.update(little.nbytes.to_bytes(8, "little"))
        digest.update(little.reshape(-1).view(np.uint8).data if little.size else b"")
    return digest.hexdigest()


def _check_by_manifest(path: Path, name: str) -> None:
    """Compare a file of a checkpoint with what the manifest beside it says; warn where it is not there."""
    try:
        found = json.loads((path.parent / Path(name).name).read_text(encoding="utf-8"))
        wanted = found["files"][path.name]["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        warnings.warn(
            f"{path}: the checksum of this file is in the {name} of its checkpoint, which is not beside it, so damage "
            f"to its numbers would go unnoticed. Saving it again with pullback.save adds one.",
            stacklevel=3,
        )
        return
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
            raise FileError(
                f"load: {path} is damaged: its checksum is not the one in {name}, so something changed after it was "
                f"written. Nothing was loaded."
            )


def _laid_out(arrays: dict[str, np.ndarray[Any, Any]], metadata: dict[str, str]) -> list[bytes | memoryview]:
    """A safetensors file in pieces: the length of the header, the header, the arrays; the widest dtypes first."""
    header: dict[str, Any] = {"__metadata__": metadata}
    pieces: list[bytes | memoryview] = []
    end = 0
    for name in sorted(arrays, key=lambda name: (-arrays[name].itemsize, name)):
        a = arrays[name].astype(arrays[name].dtype.newbyteorder("<"), copy=False)
        begin, end = end, end + a.nbytes
        header[name] = {"dtype": _DTYPES[arrays[name].dtype.name], "shape": a.shape, "data_offsets": (begin, end)}
        if a.size:
            pieces.append(a.reshape(-1).view(np.uint8).data)
    text = json.dumps(header, ensure_ascii=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little") + text, *pieces]


def _write(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Write to a file beside `path`, make sure that it is on the disk, and put it in the place of `path`."""
    path = Path(os.path.realpath(path))  # a link goes on pointing to the file
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        with open(part, "xb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            part.chmod(path.stat().st_mode & 0o777)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make sure that the names in a folder are on the disk, where the system can tell."""
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(path: Path) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise FileError(f"load: {path} is a folder, not a safetensors file")
    if not path.exists():
        raise FileNotFoundError(f"load: there is no file {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            header = dict(file.metadata() or {})
            arrays = {}
            for name in file.keys():  # noqa: SIM118  # not a dict
                kind = file.get_slice(name).get_dtype()
                try:
                    arrays[name] = np.array(file.get_tensor(name), order="C")
                    known = arrays[name].dtype.name in _DTYPES  # another package may have taught NumPy more
                except (TypeError, KeyError, AttributeError):
                    known = False
                if not known:
                    raise FileError(f"load: {path}: NumPy has no dtype for {name!r}, which is {kind}")
    except SafetensorError as error:
        size = path.stat().st_size
        raise FileError(
            f"load: {path} ({size} bytes) is damaged, cut short or no safetensors file: {error}. Nothing was loaded."
        ) from None
    if _CHECKSUM in header and _checksum(arrays, header) != header[_CHECKSUM]:
        raise FileError(
            f"load: {path} is damaged: its checksum is not that of its contents, so something changed after it was "
            f"written. Nothing was loaded."
        )
    return arrays, header

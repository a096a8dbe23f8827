"""IDX files, the format of MNIST: a header with the shape, then the numbers, big end first.

Two zero bytes, one byte for the type of the numbers, one for the number of axes, a 32-bit length for each
axis, then the elements in row-major order. Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST
database of handwritten digits", 1998, section "The IDX file format".
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["load_idx_folder", "read_idx", "write_idx"]

Arrays = tuple[NDArray[Any], NDArray[Any]]

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
DEFLATE_MAX_RATIO = 1032  # zlib's documented limit: no stream unpacks to more than 1032 times its size
CHUNK = 1 << 20
MAX_AXES = 64  # NumPy's own limit


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The array in an IDX file, compressed with gzip or not, in the machine's own byte order.

    The dtype is the file's: uint8, int8, int16, int32, float32 or float64. The header is believed only as
    far as the size of the file allows, so a damaged one cannot fill the memory.

    Raises ValueError if the file is no IDX file, is damaged, or is shorter or longer than its header says;
    OSError if it cannot be read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "labels-idx1-ubyte.gz"
    >>> write_idx(path, np.array([3, 1, 4], dtype=np.uint8))
    >>> read_idx(path)
    array([3, 1, 4], dtype=uint8)
    """
    path = Path(path)
    size = path.stat().st_size
    with open(path, "rb") as raw:
        compressed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        if not compressed:
            return _read(raw, path, most=size)
        try:
            with gzip.open(raw) as unpacked:
                return _read(unpacked, path, most=size * DEFLATE_MAX_RATIO)  # type: ignore[arg-type]  # it reads as a binary file does
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: damaged gzip file: {error}") from error


def load_idx_folder(folder: str | os.PathLike[str]) -> tuple[Arrays, Arrays]:
    """MNIST, or a data set in the same form, from its four files in one folder.

    The files are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
    ``t10k-labels-idx1-ubyte``, each with or without ``.gz``; ``train-images.idx3-ubyte`` is the same name.

    Returns ``((train images, train labels), (test images, test labels))`` as they are in the files: for
    MNIST uint8 images of shape (n, 28, 28) with values 0 … 255, and uint8 labels of shape (n,).

    Raises FileNotFoundError if a file is missing, ValueError as `read_idx` does and if a file of images and
    its file of labels differ in number.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for part, n in (("train", 6), ("t10k", 2)):
    ...     write_idx(folder / f"{part}-images-idx3-ubyte.gz", np.zeros((n, 28, 28), np.uint8))
    ...     write_idx(folder / f"{part}-labels-idx1-ubyte.gz", np.zeros(n, np.uint8))
    >>> (train_images, train_labels), (test_images, test_labels) = load_idx_folder(folder)
    >>> train_images.shape, test_labels.shape
    ((6, 28, 28), (2,))
    """
    folder = Path(folder)
    return _load_pair(folder, "train"), _load_pair(folder, "t10k")


def write_idx(path: str | os.PathLike[str], array: ArrayLike) -> None:
    """Write an array as an IDX file; a name that ends in ``.gz`` makes it a gzip file.

    ``array``: dtype uint8, int8, int16, int32, float32 or float64, each axis shorter than 2³².
    No time stamp is written: the same array gives the same bytes. Raises TypeError for another dtype,
    ValueError for an axis that is too long.
    """
    values = np.asarray(array)
    big = values.dtype.newbyteorder(">")
    codes = {np.dtype(name): code for code, name in DTYPES.items()}
    if big not in codes:
        names = ", ".join(np.dtype(name).newbyteorder("=").name for name in DTYPES.values())
        raise TypeError(f"write_idx: array expected a dtype among {names}; got {values.dtype}")
    if any(length >= 2**32 for length in values.shape):
        raise ValueError(f"write_idx: array expected axes shorter than 2**32, got shape {values.shape}")
    data = bytes([0, 0, codes[big], values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    data += values.astype(big).tobytes()
    path = Path(path)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _read(file: BinaryIO, path: Path, most: int) -> NDArray[Any]:
    """``most``: the largest number of bytes that the file can possibly hold."""
    dtype, shape = _read_header(file, path)
    header = 4 + 4 * len(shape)
    expected = header + math.prod(shape) * dtype.itemsize
    if expected > most:
        raise ValueError(
            f"{path}: truncated or not an IDX file: its header says shape {shape} of {dtype.name}, "
            f"which makes {expected} bytes, but the file holds at most {most}"
        )
    content = _read_at_most(file, expected - header + 1)
    actual = header + len(content)
    if actual != expected:
        problem = "truncated" if actual < expected else "too long"
        came = f"{actual}" if actual < expected else "more"
        raise ValueError(
            f"{path}: {problem}: its header says shape {shape} of {dtype.name}, "
            f"which makes {expected} bytes, but it holds {came}"
        )
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_header(file: BinaryIO, path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4:
        raise ValueError(f"{path}: truncated: expected 4 bytes of an IDX header or more, got {len(magic)}")
    zeros, code, axes = magic[:2], magic[2], magic[3]
    if zeros != b"\0\0" or code not in DTYPES or axes > MAX_AXES:
        raise ValueError(
            f"{path}: not an IDX file: expected a magic number 0x0000TTNN with type TT among "
            f"{', '.join(f'{known:02X}' for known in DTYPES)} and NN axes (MNIST's images have 0x00000803, "
            f"its labels 0x00000801); found 0x{magic.hex().upper()}"
        )
    lengths = file.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise ValueError(
            f"{path}: truncated: expected a header of {4 + 4 * axes} bytes for {axes} axes, "
            f"got {4 + len(lengths)}"
        )
    return np.dtype(DTYPES[code]), struct.unpack(f">{axes}I", lengths)


def _read_at_most(file: BinaryIO, count: int) -> bytearray:
    """Piece by piece, because one ``read(count)`` would allocate ``count`` bytes first."""
    content = bytearray()
    while len(content) < count:
        piece = file.read(min(CHUNK, count - len(content)))
        if not piece:
            break
        content += piece
    return content


def _load_pair(folder: Path, part: str) -> Arrays:
    image_path, label_path = _find(folder, part, "images", axes=3), _find(folder, part, "labels", axes=1)
    images, labels = read_idx(image_path), read_idx(label_path)
    for path, array, axes in ((image_path, images, 3), (label_path, labels, 1)):
        if array.ndim != axes:
            raise ValueError(
                f"{path}: expected magic number 0x0000TT{axes:02X} ({axes} axes), found {array.ndim} axes of "
                f"shape {array.shape}"
            )
    if len(images) != len(labels):
        raise ValueError(
            f"{folder}: expected as many labels as images, got {len(images)} images in {image_path.name} and "
            f"{len(labels)} labels in {label_path.name}"
        )
    return images, labels


def _find(folder: Path, part: str, kind: str, axes: int) -> Path:
    names = [f"{part}-{kind}{mark}idx{axes}-ubyte{end}" for end in ("", ".gz") for mark in "-."]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder with MNIST's four files, found no such folder")
    there = sorted(entry.name for entry in folder.iterdir())
    found = ", ".join(there[:8]) + (f" and {len(there) - 8} more" if len(there) > 8 else "")
    raise FileNotFoundError(f"{folder}: expected one of {', '.join(names)}; found {found or 'nothing'}")

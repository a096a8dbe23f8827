"""Folders of images, one folder per class."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset

__all__ = ["ImageFolder", "read_image"]

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
INSTALL = "reading images needs Pillow: pip install 'pullback[images]'"


class ImageFolder(Dataset):
    """Images in folders that are named after their classes; each is decoded when it is asked for.

    ``folder``: holds ``cat/1.png``, ``cat/more/2.jpg``, ``dog/3.png``, … ``size``: (height, width) to which every
    image is scaled; None keeps each image's own. ``mode``: "RGB", "RGBA" or "L" (grey). ``dtype``: float32 or
    float64 for values in [0, 1], uint8 for 0 … 255.
    ``corrupt``: "raise" for an error when a file that cannot be decoded is asked for; "skip" decodes every
    file once, now, and leaves out those that cannot be: ``skipped`` has their paths with the reasons.
    ``max_pixels``: an image whose header says more is refused before it is decoded (a decompression bomb).

    Item i is (image of shape (channels, height, width), number of the class). ``classes`` are the names in
    order, ``paths`` the files, ``labels`` the classes of the items (int64).

    A link that leads out of ``folder`` is never read: ValueError, or skipped. Raises ValueError for a folder
    without images, FileNotFoundError for one that is not there, ImportError without Pillow.

    >>> import tempfile
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("cat", "dog"):
    ...     (folder / name).mkdir()
    ...     Image.new("RGB", (8, 6)).save(folder / name / "1.png")
    >>> data = ImageFolder(folder, size=(4, 4))
    >>> data.classes, data[1][0].shape, data[1][1]
    (('cat', 'dog'), (3, 4, 4), 1)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        size: tuple[int, int] | None = None,
        mode: str = "RGB",
        dtype: Any = np.float32,
        corrupt: Literal["raise", "skip"] = "raise",
        max_pixels: int = 50_000_000,
    ) -> None:
        _pillow()
        if corrupt not in ("raise", "skip"):
            raise ValueError(f"ImageFolder: corrupt expected 'raise' or 'skip', got {corrupt!r}")
        self.folder = Path(folder)
        self._settings: dict[str, Any] = {"size": size, "mode": mode, "dtype": dtype, "max_pixels": max_pixels}
        _check(**self._settings)
        if not self.folder.is_dir():
            raise FileNotFoundError(f"ImageFolder: {self.folder}: there is no such folder")
        self.classes = tuple(sorted(entry.name for entry in os.scandir(self.folder) if entry.is_dir()))
        self.paths: list[Path] = []
        self.skipped: list[tuple[Path, str]] = []
        labels: list[int] = []
        for number, name in enumerate(self.classes):
            for path in _images_below(self.folder / name):
                if corrupt == "skip" and not self._is_readable(path):
                    continue
                self._refuse_outside(path)
                self.paths.append(path)
                labels.append(number)
        self.labels = np.array(labels, np.int64)
        if not self.paths:
            skipped = "".join(f"; {len(self.skipped)} were skipped, the first: {why}" for _, why in self.skipped[:1])
            raise ValueError(
                f"ImageFolder: {self.folder} has no image; expected a folder per class with files that end in "
                f"{', '.join(ENDINGS)}{skipped}"
            )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[NDArray[Any], int]:
        path = self.paths[index]
        self._refuse_outside(path)
        return read_image(path, **self._settings), int(self.labels[index])

    def _is_readable(self, path: Path) -> bool:
        try:
            self._refuse_outside(path)
            read_image(path, **self._settings)
        except (ValueError, OSError) as error:
            self.skipped.append((path, str(error)))
            return False
        return True

    def _refuse_outside(self, path: Path) -> None:
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise ValueError(f"{path} leads out of the folder {self.folder}, to {path.resolve()}; it is not read")


def read_image(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    mode: str = "RGB",
    dtype: Any = np.float32,
    max_pixels: int = 50_000_000,
) -> NDArray[Any]:
    """An image file as an array of shape (channels, height, width); the arguments are those of `ImageFolder`.

    The turn that a camera noted (EXIF) is made. Of a moving image, the first picture is read. Raises ValueError
    for a file that is no image, is damaged or cut short, or has more than ``max_pixels``; OSError if it cannot be
    opened; ImportError without Pillow.
    """
    image_module, ops = _pillow()
    _check(size, mode, dtype, max_pixels)
    if not Path(path).is_file() and Path(path).exists():
        raise ValueError(f"{path}: not readable as an image: it is no ordinary file")  # a pipe would wait for ever
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own limit warns; ours refuses
        try:
            with image_module.open(file, formats=FORMATS) as image:
                width, height = image.size
                if width * height > max_pixels:
                    raise ValueError(f"it has {width} × {height} pixels, more than max_pixels={max_pixels}")
                picture = ops.exif_transpose(image).convert(mode)
                if size is not None:
                    picture = picture.resize((size[1], size[0]), image_module.Resampling.BILINEAR)
                pixels = np.asarray(picture)
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders raise what they like on damaged files
            raise ValueError(f"{path}: not readable as an image: {error or type(error).__name__}") from error
    pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    wanted = np.dtype(dtype)
    if wanted == np.uint8:
        return np.ascontiguousarray(pixels)
    return np.ascontiguousarray(pixels, wanted) / wanted.type(255)


def _images_below(folder: Path) -> list[Path]:
    """The image files in a folder and its folders, in the order of their names; links to folders are not followed."""
    found = []
    for place, folders, files in os.walk(folder):
        folders.sort()
        found += [Path(place, name) for name in sorted(files) if name.lower().endswith(ENDINGS)]
    return found


def _check(size: Any, mode: str, dtype: Any, max_pixels: int) -> None:
    if size is not None and (len(size) != 2 or not all(isinstance(n, int) and n > 0 for n in size)):
        raise ValueError(f"size: expected (height, width) of at least 1, or None, got {size!r}")
    if mode not in ("RGB", "RGBA", "L"):
        raise ValueError(f"mode: expected 'RGB', 'RGBA' or 'L', got {mode!r}")
    if np.dtype(dtype).name not in ("float32", "float64", "uint8"):
        raise ValueError(f"dtype: expected float32, float64 or uint8, got {np.dtype(dtype)}")
    if max_pixels < 1:
        raise ValueError(f"max_pixels: expected at least 1, got {max_pixels}")


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise ImportError(INSTALL) from None
    return Image, ImageOps

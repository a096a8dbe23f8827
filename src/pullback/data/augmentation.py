"""Augmentation: random changes of images that leave what they show as it is.

Each augmentation is a function (batch, generator) → batch for `DataLoader(transform=…)`, whose generator is a
pure function of the seed, the epoch and the number of the batch: the same training sees the same images again.
A batch is an array of images of shape (n, channels, height, width), or a tuple whose first part is one. Each
image of a batch draws for itself; the arrays that come in are not changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Augmentation",
    "ColorJitter",
    "Compose",
    "Cutout",
    "Mixup",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomVerticalFlip",
]

Images = NDArray[Any]


class Augmentation:
    """What you subclass for one of your own: define `change`, which gets the images and the generator.

    >>> class Darken(Augmentation):
    ...     def change(self, images, generator):
    ...         return images * generator.uniform(0.5, 1.0, (len(images), 1, 1, 1)).astype(images.dtype)
    >>> Darken()(np.ones((2, 1, 2, 2), np.float32), np.random.default_rng(0)).shape
    (2, 1, 2, 2)
    """

    def __call__(self, batch: Any, generator: np.random.Generator) -> Any:
        if isinstance(batch, tuple):
            return (self.change(self._checked(batch[0]), generator), *batch[1:])
        return self.change(self._checked(batch), generator)

    def change(self, images: Images, generator: np.random.Generator) -> Images:
        """The images of a batch, shape (n, channels, height, width), changed."""
        raise NotImplementedError(f"{type(self).__name__} must define change(self, images, generator)")

    def _checked(self, images: Any) -> Images:
        if not isinstance(images, np.ndarray) or images.ndim != 4:
            shape = getattr(images, "shape", type(images).__name__)
            raise ValueError(
                f"{type(self).__name__}: expected images of shape (n, channels, height, width), got {shape}"
            )
        return images


class Compose(Augmentation):
    """Several one after the other.

    >>> both = Compose(RandomHorizontalFlip(1.0), RandomVerticalFlip(1.0))
    >>> both(np.arange(4.0).reshape(1, 1, 2, 2), np.random.default_rng(0))
    array([[[[3., 2.],
             [1., 0.]]]])
    """

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __call__(self, batch: Any, generator: np.random.Generator) -> Any:
        for part in self.parts:
            batch = part(batch, generator)
        return batch


class RandomHorizontalFlip(Augmentation):
    """Left and right exchanged, with probability ``p``."""

    axis = 3

    def __init__(self, p: float = 0.5) -> None:
        self.p = _probability(p)

    def change(self, images: Images, generator: np.random.Generator) -> Images:
        """Flip each image with probability p."""
        flipped = generator.random(len(images)) < self.p
        return np.where(flipped[:, None, None, None], np.flip(images, self.axis), images)


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom exchanged, with probability ``p``."""

    axis = 2


class RandomCrop(Augmentation):
    """A part of ``size`` (height, width), from a random place of the image with ``padding`` zeros on each side.

    One number is both.
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        self.size = int(height), int(width)
        self.padding = int(padding)
        if min(self.size) < 1 or self.padding < 0:
            raise ValueError(f"RandomCrop: expected size >= 1 and padding >= 0, got {size} and {padding}")

    def change(self, images: Images, generator: np.random.Generator) -> Images:
        """Cut a part out of each image. Raises ValueError where the image is smaller than the part."""
        border = (self.padding, self.padding)
        padded = np.pad(images, ((0, 0), (0, 0), border, border))
        room = padded.shape[2] - self.size[0], padded.shape[3] - self.size[1]
        if min(room) < 0:
            raise ValueError(
                f"RandomCrop: size expected at most {padded.shape[2:]} (the image with its padding), got {self.size}"
            )
        top, left = (generator.integers(0, n + 1, len(images)) for n in room)
        rows = top[:, None] + np.arange(self.size[0])
        columns = left[:, None] + np.arange(self.size[1])
        which = np.arange(len(images))[:, None, None]
        return padded.transpose(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].transpose(0, 3, 1, 2)


class RandomRotation(Augmentation):
    """Turned around its middle by an angle drawn uniformly from [−degrees, degrees]; ``fill`` beyond the edges.

    The values between pixels are interpolated bilinearly; uint8 images are rounded.
    """

    def __init__(self, degrees: float, fill: float = 0.0) -> None:
        if not 0 <= degrees <= 180:
            raise ValueError(f"RandomRotation: degrees expected in [0, 180], got {degrees}")
        self.degrees, self.fill = float(degrees), float(fill)

    def change(self, images: Images, generator: np.random.Generator) -> Images:
        """Turn each image, anticlockwise for a positive angle."""
        angles = np.deg2rad(generator.uniform(-self.degrees, self.degrees, len(images)))
        return rotated(images, angles, self.fill)


class ColorJitter(Augmentation):
    """Brightness, contrast and saturation multiplied by numbers drawn uniformly from [1 − x, 1 + x].

    For images with values in [0, 1], which the result keeps to. Brightness scales the image; contrast its
    distance to its mean grey; saturation, of RGB images, its distance to its grey (ITU-R BT.601).
    """

    def __init__(self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0) -> None:
        for name, x in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation)):
            if not 0 <= x <= 1:
                raise ValueError(f"ColorJitter: {name} expected in [0, 1], got {x}")
        self.brightness, self.contrast, self.saturation = brightness, contrast, saturation

    def change(self, images: Images, generator: np.random.Generator) -> Images:
        """Change the colours of each image. Raises TypeError for images that are not floating."""
        if images.dtype.kind != "f":
            raise TypeError(f"ColorJitter: expected floating images with values in [0, 1], got {images.dtype}")
        shape = (3, len(images), 1, 1, 1)
        spread = np.reshape([self.brightness, self.contrast, self.saturation], (3, 1, 1, 1, 1))
        brightness, contrast, saturation = (1 + spread * generator.uniform(-1, 1, shape)).astype(images.dtype)
        images = np.clip(images * brightness, 0, 1)
        middle = _grey(images).mean(axis=(1, 2, 3), keepdims=True)
        images = np.clip(middle + (images - middle) * contrast, 0, 1)
        grey = _grey(images)
        return np.clip(grey + (images - grey) * saturation, 0, 1)


class Cutout(Augmentation):
    """A square of ``size`` pixels, around a random place, set to ``fill`` (DeVries & Taylor, 2017)."""

    def __init__(self, size: int, fill: float = 0.0) -> None:
        if size < 1:
            raise ValueError(f"Cutout: size expected at least 1, got {size}")
        self.size, self.fill = int(size), fill

    def change(self, images: Images, generator: np.random.Generator) -> Images:
        """Cut a square out of each image; at an edge a part of it lies outside."""
        height, width = images.shape[2:]
        begin_row = generator.integers(0, height, (len(images), 1)) - self.size // 2
        begin_column = generator.integers(0, width, (len(images), 1)) - self.size // 2
        rows, columns = np.arange(height) - begin_row, np.arange(width) - begin_column
        inside = ((rows >= 0) & (rows < self.size))[:, :, None] & ((columns >= 0) & (columns < self.size))[:, None, :]
        return np.where(inside[:, None], images.dtype.type(self.fill), images)


class Mixup(Augmentation):
    """Each item mixed with another of its batch: λ a + (1 − λ) b, targets too, λ ~ Beta(α, α) (Zhang et al., 2018).

    ``classes``: integer targets become rows of ``classes`` shares; targets that are floating are mixed as they are.
    The first part of a batch may have any shape (n, …), the last is the target.
    """

    def __init__(self, alpha: float = 0.2, classes: int | None = None) -> None:
        if not alpha > 0:
            raise ValueError(f"Mixup: alpha expected above 0, got {alpha}")
        self.alpha, self.classes = float(alpha), classes

    def __call__(self, batch: Any, generator: np.random.Generator) -> Any:
        if not isinstance(batch, tuple) or len(batch) < 2:
            raise ValueError("Mixup: expected batches (inputs, targets)")
        first, *middle, target = batch
        if target.dtype.kind in "iub":
            target = self._shares(target, first.dtype)
        share = generator.beta(self.alpha, self.alpha, len(first))
        other = generator.permutation(len(first))
        return (_mixed(first, other, share), *middle, _mixed(target, other, share))

    def _shares(self, labels: Images, dtype: np.dtype[Any]) -> Images:
        if self.classes is None:
            raise ValueError("Mixup: integer targets need classes, the number of classes")
        if labels.ndim != 1 or (labels.size and not (labels.min() >= 0 and labels.max() < self.classes)):
            raise ValueError(f"Mixup: expected labels 0 … {self.classes - 1} of shape (n,), got {labels!r:.80}")
        kind = dtype if dtype.kind == "f" else np.dtype(np.float32)
        return np.eye(self.classes, dtype=kind)[labels]


def rotated(images: Images, angles: NDArray[np.float64], fill: float = 0.0) -> Images:
    """The images turned anticlockwise around their middle by ``angles`` (radians, one per image), bilinearly."""
    height, width = images.shape[2:]
    y, x = np.mgrid[:height, :width].astype(np.float64)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    cos, sin = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    rows, columns = cos * y + sin * x + (height - 1) / 2, -sin * y + cos * x + (width - 1) / 2
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    padded = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=fill)
    padded = padded.transpose(0, 2, 3, 1)
    which = np.arange(len(images))[:, None, None]
    down, right = (rows - top)[..., None], (columns - left)[..., None]

    def at(row: NDArray[Any], column: NDArray[Any]) -> Images:
        return padded[which, np.clip(row + 1, 0, height + 1), np.clip(column + 1, 0, width + 1)]

    above = at(top, left) * (1 - right) + at(top, left + 1) * right
    below = at(top + 1, left) * (1 - right) + at(top + 1, left + 1) * right
    turned = (above * (1 - down) + below * down).transpose(0, 3, 1, 2)
    return (np.rint(turned) if images.dtype.kind in "iu" else turned).astype(images.dtype)


def _mixed(array: Images, other: NDArray[Any], share: NDArray[Any]) -> Images:
    kind = array.dtype if array.dtype.kind == "f" else np.dtype(np.float32)
    weight = share.astype(kind).reshape(-1, *[1] * (array.ndim - 1))
    return weight * array + (1 - weight) * array[other]


def _grey(images: Images) -> Images:
    if images.shape[1] != 3:
        return images.mean(axis=1, keepdims=True)
    return np.tensordot(images, np.array([0.299, 0.587, 0.114], images.dtype), axes=(1, 0))[:, None]


def _probability(p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"p: expected a probability in [0, 1], got {p}")
    return float(p)

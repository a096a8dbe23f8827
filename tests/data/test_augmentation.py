"""Augmentation: against NumPy and SciPy, reproducible, and never changing what comes in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from pullback.data import ArrayDataset, DataLoader
from pullback.data.augmentation import (
    Augmentation,
    ColorJitter,
    Compose,
    Cutout,
    Mixup,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
    rotated,
)

ALL = [
    RandomCrop((3, 4), padding=1),
    RandomHorizontalFlip(),
    RandomVerticalFlip(),
    RandomRotation(30),
    ColorJitter(0.4, 0.4, 0.4),
    Cutout(3),
    Compose(RandomHorizontalFlip(), RandomCrop((4, 4)), Cutout(2)),
]
NAMES = [type(a).__name__ for a in ALL]


def images(n=8, channels=3, height=5, width=6, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).random((n, channels, height, width)).astype(dtype)


def generator(seed=0):
    return np.random.Generator(np.random.Philox(seed))


@pytest.mark.parametrize("change", ALL, ids=NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_generator_gives_the_same_and_nothing_that_comes_in_is_changed(change, dtype):
    x, y = images(dtype=dtype), np.arange(8)
    x.flags.writeable = y.flags.writeable = False
    one, labels = change((x, y), generator(1))
    np.testing.assert_array_equal(change(x, generator(1)), one)
    assert one.dtype == dtype and len(one) == 8 and labels is y
    assert (change(x, generator(2)) != one).any()
    assert one.min() >= 0 and one.max() <= 1
    assert not np.shares_memory(one, x)


@pytest.mark.parametrize("change", [*ALL, Mixup(0.4, classes=3)], ids=[*NAMES, "Mixup"])
def test_a_loader_gives_the_same_images_again(change):
    data = ArrayDataset(images(), np.arange(8) % 3)
    loaders = [DataLoader(data, 3, shuffle=True, seed=5, transform=change) for _ in range(2)]
    first, again = ([np.asarray(x).tolist() for x, _ in loader] for loader in loaders)
    assert first == again
    assert [np.asarray(x).tolist() for x, _ in loaders[0]] != first, "another epoch, other draws"


def test_crops_are_parts_of_the_padded_image():
    x = images()
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    cropped = RandomCrop((4, 3), padding=2)(x, generator())
    windows = np.lib.stride_tricks.sliding_window_view(padded, (4, 3), axis=(2, 3))
    places = set()
    for one, all_places in zip(cropped, windows, strict=True):
        found = np.argwhere((all_places == one[:, None, None]).all(axis=(0, 3, 4)))
        assert len(found) >= 1
        places.add(tuple(found[0]))
    assert len(places) > 1, "each image has a place of its own"


def test_one_number_is_a_square():
    assert RandomCrop(3).size == (3, 3)


def test_flips_flip_with_their_probability():
    x = images(n=2_000, channels=1, height=1, width=2)
    flipped = RandomHorizontalFlip(0.25)(x, generator())
    same = (flipped == x).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(flipped[~same], x[~same][..., ::-1])
    assert (~same).mean() == pytest.approx(0.25, abs=0.04)
    np.testing.assert_array_equal(RandomVerticalFlip(1.0)(images(), generator()), images()[:, :, ::-1])


@given(st.floats(-np.pi, np.pi), st.integers(2, 9), st.integers(2, 9))
def test_rotation_is_scipys(angle, height, width):
    x = images(n=1, channels=2, height=height, width=width, dtype=np.float64)
    expected = ndimage.rotate(
        x, np.rad2deg(angle), axes=(3, 2), reshape=False, order=1, mode="grid-constant", cval=0.5
    )
    np.testing.assert_allclose(rotated(x, np.array([angle]), fill=0.5), expected, atol=1e-9)


def test_a_quarter_turn_is_anticlockwise_and_uint8_is_rounded():
    x = (images(height=5, width=5) * 255).astype(np.uint8)
    turned = rotated(x, np.full(8, np.pi / 2))
    assert turned.dtype == np.uint8
    np.testing.assert_array_equal(turned, np.rot90(x, 1, axes=(2, 3)))


def test_colours():
    x = images()
    grey = ColorJitter(saturation=1.0)

    class Least:
        def uniform(self, low, high, shape):
            return np.full(shape, -1.0)

    weights = np.array([0.299, 0.587, 0.114], np.float32)[:, None, None]
    luma = (x * weights).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(grey.change(x, Least()), np.broadcast_to(luma, x.shape), rtol=1e-5)
    np.testing.assert_array_equal(ColorJitter(brightness=1.0).change(x, Least()), np.zeros_like(x))
    flat = ColorJitter(contrast=1.0).change(x, Least())
    means = luma.mean(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(flat, np.broadcast_to(means, flat.shape), rtol=1e-5)
    np.testing.assert_allclose(ColorJitter().change(x, generator()), x, atol=1e-6)


def test_cutout_is_one_square_per_image():
    cut = Cutout(3, fill=-1)(images(n=300, height=9, width=9), generator()) == -1
    assert (cut.any(axis=(1,)) == cut.all(axis=1)).all(), "all channels alike"
    for one in cut[:, 0]:
        rows, columns = np.flatnonzero(one.any(axis=1)), np.flatnonzero(one.any(axis=0))
        assert one.sum() == len(rows) * len(columns) and 2 <= len(rows) <= 3 and 2 <= len(columns) <= 3
        assert rows.tolist() == list(range(rows[0], rows[-1] + 1))


@pytest.mark.parametrize("labels", [np.arange(8) % 3, np.eye(3, dtype=np.float32)[np.arange(8) % 3]])
def test_mixup_mixes_inputs_and_targets_alike(labels):
    x = np.eye(8, dtype=np.float32)  # so that the shares can be read from the result
    mixed, targets = Mixup(0.5, classes=3)((x, labels), generator())
    np.testing.assert_allclose(mixed.sum(axis=1), 1, rtol=1e-6)
    hot = np.eye(3, dtype=np.float32)[np.arange(8) % 3]
    np.testing.assert_allclose(targets, mixed @ hot, atol=1e-6)
    assert ((mixed > 0).sum(axis=1) == 2).any()


@pytest.mark.parametrize(
    "act, message",
    [
        (lambda: RandomCrop((7, 2))(images(), generator()), r"size expected at most \(5, 6\)"),
        (lambda: RandomCrop((0, 2)), "size >= 1"),
        (lambda: RandomHorizontalFlip(1.5), r"probability in \[0, 1\]"),
        (lambda: RandomRotation(181), r"degrees expected in \[0, 180\]"),
        (lambda: ColorJitter(contrast=2), r"contrast expected in \[0, 1\]"),
        (lambda: ColorJitter()(images().astype(np.uint8), generator()), "expected floating images"),
        (lambda: Cutout(0), "size expected at least 1"),
        (lambda: Mixup(0), "alpha expected above 0"),
        (lambda: Mixup()((images(), np.arange(8)), generator()), "need classes"),
        (lambda: Mixup(classes=3)((images(), np.arange(8)), generator()), "expected labels 0 … 2"),
        (lambda: Mixup()(images(), generator()), r"expected batches \(inputs, targets\)"),
        (lambda: RandomRotation(3)(np.zeros((2, 3)), generator()), r"shape \(n, channels, height, width\), got"),
    ],
)
def test_what_cannot_be_is_refused(act, message):
    with pytest.raises((ValueError, TypeError), match=message):
        act()
    with pytest.raises(NotImplementedError, match="change"):
        Augmentation()(images(), generator())

"""The digits that come with the package: the right ones, split as documented."""

import numpy as np
import pytest

from pullback.data import digits as digits_function
from pullback.data import load_digits
from pullback.data.digits import FOLDER, _read


def test_they_are_scikit_learn_s():
    oracle = pytest.importorskip("sklearn.datasets", reason="scikit-learn is the oracle").load_digits()
    images, labels = load_digits("all", normalise=False, flatten=False)
    np.testing.assert_array_equal(images, oracle.images)
    np.testing.assert_array_equal(labels, oracle.target)


def test_the_split_is_stratified_and_has_every_image_once():
    everything, labels = load_digits("all")
    (x, y), (u, v) = load_digits("train"), load_digits("test")
    assert (len(x), len(u)) == (1438, 359)
    for digit in range(10):
        n = (labels == digit).sum()
        assert (v == digit).sum() == round(0.2 * n)
        assert (y == digit).sum() == n - round(0.2 * n)
    rows = np.concatenate([np.c_[x, y], np.c_[u, v]])
    wanted = np.c_[everything, labels]
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], wanted[np.lexsort(wanted.T)])


def test_the_default_split_is_pinned():
    """Accuracies quoted anywhere rest on this split; a change of it has to be noticed."""
    everything, test = load_digits("all")[0], load_digits("test")[0]
    rows = [int(np.flatnonzero((everything == image).all(1))[0]) for image in test[:8]]
    assert rows == [0, 2, 9, 10, 14, 28, 30, 45]


def test_seed_and_fraction_decide_about_the_split():
    first = load_digits("test", seed=1)[0]
    np.testing.assert_array_equal(first, load_digits("test", seed=1)[0])
    assert (first != load_digits("test", seed=2)[0]).any()
    assert len(load_digits("test", test_fraction=0.0)[0]) == 0
    assert len(load_digits("train", test_fraction=1.0)[0]) == 0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_scaling_and_shapes(dtype):
    raw, scaled = load_digits(normalise=False, dtype="uint8")[0], load_digits(dtype=dtype)[0]
    assert scaled.dtype == dtype
    assert raw.dtype == np.uint8
    np.testing.assert_array_equal(scaled * 16, raw)
    assert load_digits(flatten=False)[0].shape == (1438, 8, 8)
    assert load_digits("test", test_fraction=0.0)[0].shape == (0, 64)


def test_what_the_caller_changes_stays_with_the_caller():
    for options in ({}, {"normalise": False, "dtype": "uint8"}):
        images, labels = load_digits("all", **options)
        images[:] = 1
        labels[:] = 7
        images, labels = load_digits("all", **options)
        assert images.min() == 0
        assert labels.min() == 0


def test_as_data_sets():
    train, test = digits_function(flatten=False)
    assert (len(train), len(test)) == (1438, 359)
    assert train[0][0].shape == (8, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "valid"}, "split: expected 'train', 'test' or 'all', got 'valid'"),
        ({"test_fraction": 1.5}, r"test_fraction: expected a number in \[0, 1\], got 1.5"),
        ({"test_fraction": float("nan")}, "test_fraction"),
        ({"dtype": "uint8"}, "dtype: expected a floating dtype with normalise=True, got uint8"),
        ({"seed": -1}, "seed: expected an integer"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        load_digits(**options)


def test_another_file_in_its_place_is_noticed(tmp_path, monkeypatch):
    for file in FOLDER.glob("*.gz"):
        (tmp_path / file.name).write_bytes(file.read_bytes()[:-1] + b"x")
    monkeypatch.setitem(_read.__wrapped__.__globals__, "FOLDER", tmp_path)
    with pytest.raises(
        ValueError, match="images-idx3-ubyte.gz: the file is not the one shipped .* reinstalling"
    ):
        _read.__wrapped__()


def test_the_attribution_is_shipped_with_the_files():
    text = (FOLDER / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for word in ("10.24432/C50P49", "CC BY 4.0", "Alpaydin", "Kaynak", "What was changed"):
        assert word in text

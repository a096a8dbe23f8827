"""Pictures of larger arrays: what a byte says is within its rounding, blocks are means, and a page has its limits."""

import base64
import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pullback as pb
from pullback.glass.pictures import MOST_OF_A_PAGE, MOST_OF_AN_ARRAY, Gallery


def bytes_of(picture):
    shape = [-(-n // b) for n, b in zip(picture["shape"], picture["block"], strict=True)]
    return np.frombuffer(zlib.decompress(base64.b64decode(picture["bytes"])), np.uint8).reshape(shape)


def numbers(picture):
    return (bytes_of(picture).astype(float) - 127) / 126 * picture["most"]


@given(st.integers(0, 2**32 - 1), st.floats(-30, 30), st.sampled_from(["f4", "f8"]))
def test_a_byte_is_the_number_within_its_rounding(seed, exponent, dtype):
    x = (np.random.default_rng(seed).normal(size=(7, 50)) * 10.0**exponent).astype(dtype)
    gallery = Gallery()
    picture = gallery.pictures[gallery.add(x)]
    assert np.abs(numbers(picture) - x).max() <= picture["most"] / 252 * 1.0001
    assert picture["most"] == pytest.approx(np.abs(x).max(), rel=1e-5)


def test_what_is_not_finite_has_bytes_of_its_own_and_zero_is_127():
    x = np.array([[0.0, np.nan, np.inf, -np.inf, 3.0, -3.0]] * 60)
    gallery = Gallery()
    assert bytes_of(gallery.pictures[gallery.add(x)])[0].tolist() == [127, 255, 254, 0, 253, 1]


@pytest.mark.parametrize("x", [np.zeros((20, 20)), np.full((20, 20), 5e-324), np.full((20, 20), np.nan),
                               np.full((20, 20), 1.7e308), np.zeros((20, 20), bool)])  # fmt: skip
def test_extreme_arrays_have_pictures(x):
    gallery = Gallery()
    coded = bytes_of(gallery.pictures[gallery.add(x)])
    assert coded.min() == coded.max() == (255 if np.isnan(x.flat[0]) else 127 + 126 * bool(x.flat[0]))
    json.dumps(gallery.pictures, allow_nan=False)


def test_what_is_too_large_is_means_over_blocks():
    x = np.random.default_rng(0).normal(size=(701, 900))
    gallery = Gallery()
    picture = gallery.pictures[gallery.add(x)]
    rows, columns = picture["block"]
    assert bytes_of(picture).size <= MOST_OF_AN_ARRAY < x.size
    found = numbers(picture)
    for i, j in [(0, 0), (10, 20), (found.shape[0] - 1, found.shape[1] - 1)]:
        mean = x[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns].mean()
        assert abs(found[i, j] - mean) <= picture["most"] / 252 * 1.0001


def test_the_same_numbers_are_carried_once_and_a_page_has_a_limit():
    gallery, rng = Gallery(), np.random.default_rng(0)
    x = rng.normal(size=(100, 100))
    assert gallery.add(x) == gallery.add(x.copy()) == 0 and gallery.room == MOST_OF_A_PAGE - 10_000
    assert gallery.add(x.reshape(50, 200)) == 1
    added = [gallery.add(rng.normal(size=(400, 400))) for _ in range(200)]
    assert sum(bytes_of(picture).size for picture in gallery.pictures) <= MOST_OF_A_PAGE
    assert added[0] is not None and added[-1] is None  # the later the coarser, and in the end none


@pytest.mark.parametrize("x", [np.float64(1.0), np.zeros((0, 3)), np.zeros((20, 20), complex)])
def test_there_is_no_picture_of_what_cannot_be_seen(x):
    assert Gallery().add(np.asarray(x)) is None


def test_small_arrays_are_carried_in_full_and_have_none():
    w = pb.tensor(np.ones((16, 16)), requires_grad=True)
    assert pb.graph((w * w).sum()).to_dict()["pictures"] == []


def test_a_static_picture_carries_neither_pictures_nor_rules():
    pytest.importorskip("quickjs")
    w = pb.tensor(np.ones((40, 40)), requires_grad=True)
    drawing = pb.graph((w @ w).sum())
    assert drawing.to_dict()["pictures"] and drawing.to_dict()["rules"]
    assert drawing.svg().startswith("<svg")


def test_the_page_of_a_usual_network_stays_small():
    rng = np.random.default_rng(0)
    net = pb.nn.Sequential(pb.nn.Linear(784, 128), pb.nn.ReLU(), pb.nn.Linear(128, 10))
    X = pb.tensor(rng.random((64, 784)).astype("f4"))  # noise, which packs worst
    page = pb.graph(pb.nn.CrossEntropyLoss()(net(X), rng.integers(0, 10, 64))).html()
    assert len(page.encode()) < 650_000

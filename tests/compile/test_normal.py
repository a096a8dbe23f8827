"""An activation x·Φ(x) and its slope share what they are made of, and folds find NaN wherever it stands."""

import numpy as np
import pytest
import scipy.special

import pullback as pb
from pullback.compile.lowering import lowered

inf, nan = np.inf, np.nan


def value_and_slope(x):
    return pb.gelu(x), pb.grad(lambda x: pb.sum(pb.gelu(x)))(x)


def names(function, *args):
    return [getattr(i, "name", "") for i in lowered(pb.compile(function).graph(*args)).instructions]


def test_one_bell_and_one_probability_are_computed_for_both():
    used = names(value_and_slope, np.ones(5, np.float32))
    assert used.count("normal_bell") == used.count("normal_below") == 1
    assert not {"gelu", "erfc", "exp"} & set(used)


def test_what_is_asked_for_alone_is_left_as_it_is():
    assert "gelu" in names(lambda x: pb.gelu(x), np.ones(5, np.float32))
    assert "normal_bell" not in names(lambda x: (pb.gelu(x), 0.5 * pb.erfc(x)), np.ones(5, np.float32))
    assert "normal_bell" not in names(value_and_slope, np.ones(5))


@pytest.mark.parametrize("shape", [(1,), (37,), (64, 48)])
def test_both_are_as_accurate_as_the_activation(shape):
    x = np.random.default_rng(0).uniform(-9, 9, shape).astype(np.float32)
    value, slope = (np.asarray(y, np.float64) for y in pb.compile(value_and_slope)(x))
    wide = x.astype(np.float64)
    below = 0.5 * scipy.special.erfc(-wide * np.sqrt(0.5))
    exact = wide * below
    assert np.all(np.abs(value - exact) <= 6.5 * np.spacing(np.abs(exact).astype(np.float32)))
    # The slope is a sum of two numbers of opposite signs: its error is that of the larger one.
    other = wide * np.exp(-(wide**2) / 2) / np.sqrt(2 * np.pi)
    size = np.maximum(below, np.abs(other)).astype(np.float32)
    assert np.all(np.abs(slope - (below + other)) <= 8 * np.spacing(size))


def test_edges_are_eagers():
    x = np.array([0.0, -0.0, inf, nan, 1e-30, -1e-30, 20.0, -20.0, 300.0, -300.0], np.float32)
    with np.errstate(all="ignore"):
        want = value_and_slope(x)
    for got, expected in zip(pb.compile(value_and_slope)(x), want, strict=True):
        np.testing.assert_allclose(np.asarray(got), np.asarray(expected), rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("length", [1, 5, 16, 33, 64, 130, 300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_extreme_is_nan_where_one_element_is(dtype, length, axis):
    x = np.random.default_rng(length).normal(size=(24, length)).astype(dtype)
    for row in range(20):
        x[row, (row * 17) % length] = nan
    x[21], x[22, 0], x[23, -1] = -inf, inf, -inf
    x = x if axis else np.ascontiguousarray(x.T)
    for compiled, numpy in ((pb.max, np.max), (pb.min, np.min)):
        got = pb.compile(lambda x, f=compiled: f(x, axis=axis))(x)
        np.testing.assert_array_equal(np.asarray(got), numpy(x, axis=axis))

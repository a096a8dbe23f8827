"""Positions of extremes, counts, triangles and diagonals are native, and NumPy's: ties, NaN and integers included."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import pullback as pb

RNG = np.random.default_rng(0)
TIES = RNG.integers(-2, 3, (4, 33, 5)).astype(np.float32)
UNKNOWN = TIES.copy()
UNKNOWN[1, 7, 2] = UNKNOWN[2, 9, :] = UNKNOWN[2, 3, 1] = np.nan
WILD = np.where(TIES == 2, np.inf, np.where(TIES == -2, -np.inf, TIES)).astype(np.float64)
ARRAYS = {"ties": TIES, "not a number": UNKNOWN, "infinities": WILD, "integers": TIES.astype(np.int16)}

FUNCTIONS = {
    **{f"{f.__name__} {axis}": (lambda x, f=f, axis=axis: f(x, axis=axis))
       for f in (pb.argmax, pb.argmin, pb.any, pb.all, pb.count_nonzero) for axis in (0, 1, -1, None)},
    "kept": lambda x: pb.argmax(x, axis=1, keepdims=True),
    "several axes": lambda x: pb.all(x, axis=(0, 2), keepdims=True),
    **{f"triangles {k}": (lambda x, k=k: (pb.tril(x, k), pb.triu(x, k))) for k in (0, 2, -3, 50, -50)},
    "a diagonal": lambda x: pb.diag(x[0, :, 0], 1),
}  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_they_are_native_and_numpys(name, array):
    function, x = FUNCTIONS[name], ARRAYS[array]
    step = pb.compile(function)
    got, want = step(x), function(pb.tensor(x))
    for a, b in zip(*(v if isinstance(v, tuple) else (v,) for v in (got, want)), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert all(kernel.native for kernel in step.report().kernels)


@pytest.mark.parametrize("function", [pb.max, pb.min, pb.std])
@pytest.mark.parametrize("axis", [0, (0, 2), None])
def test_slopes_of_extremes_and_spreads_are_native(function, axis):
    slope = pb.grad(lambda x: pb.sum(pb.square(function(x, axis=axis))))
    step = pb.compile(slope)
    x = TIES.astype(np.float64)
    np.testing.assert_allclose(np.asarray(step(x)), np.asarray(slope(x)), rtol=1e-12, atol=1e-14)
    assert all(kernel.native for kernel in step.report().kernels)


@pytest.mark.parametrize("size", [1e-35, 1e-20, 1.0, 1e19, 1e30])
def test_spreads_and_lengths_of_any_size(size):
    x = (np.array([[3.0, 4.0], [1.0, 1.0], [-2.0, 6.0]]) * size).astype(np.float32)
    step = pb.compile(lambda x: (pb.norm(x, axis=1), pb.std(x, axis=1), pb.std(x, axis=1, correction=1)))
    wide = x.astype(np.float64)
    wanted = np.linalg.norm(wide, axis=1), np.std(wide, axis=1), np.std(wide, axis=1, ddof=1)
    for have, want in zip(step(x), wanted, strict=True):
        np.testing.assert_allclose(np.asarray(have), want, rtol=1e-5)

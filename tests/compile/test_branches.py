"""Choices by `pb.cond` in compiled functions: both functions are native, and the one that is chosen runs."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import pullback as pb

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=4), RNG.normal(size=(4, 4)) * 0.5


def chosen(x, w):
    return pb.cond(
        pb.sum(x) > 0,
        lambda x: (pb.sum(pb.sin(w @ x)), x * 2, x),
        lambda x: (pb.sum(w * x) + 1.0, x - 1, x),
        x,
    )


def total(x, w):
    a, b, c = chosen(x, w)
    return a + pb.sum(b * c)


def in_a_loop(x, w):
    def turn(c, _):
        c = pb.cond(pb.sum(c) > 0.1, lambda c: c * 0.5 - 0.2, lambda c: pb.tanh(w @ c) + 0.3, c)
        return c, pb.sum(c)

    last, sums = pb.scan(turn, x, None, length=40)
    return pb.sum(last) + pb.sum(sums * sums)


def leaves(y):
    return [np.asarray(v) for v in (y if isinstance(y, tuple) else (y,))]


@pytest.mark.parametrize("function", [total, in_a_loop])
@pytest.mark.parametrize(
    "transform", [lambda f: f, lambda f: pb.grad(f, argnums=(0, 1)), pb.hessian], ids=["value", "slopes", "hessian"]
)
def test_one_plan_serves_both_and_equals_eager(function, transform):
    function = transform(function)
    step = pb.compile(function)
    for x in (X, -X, np.abs(X), -np.abs(X)):
        for got, want in zip(leaves(step(x, W)), leaves(function(x, W)), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)
    assert len(step.runners) == 1
    assert all(k.native for k in step.report().kernels)


def test_several_results_of_which_some_are_given_back():
    step = pb.compile(chosen)
    for x in (np.abs(X), -np.abs(X)):
        for got, want in zip(step(x, W), chosen(x, W), strict=True):
            np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=1e-13)
    step = pb.compile(lambda x, w: chosen(x, w)[1])
    assert step(-np.abs(X), W).tolist() == (-np.abs(X) - 1).tolist()


def test_only_the_function_that_is_chosen_may_refuse():
    table = pb.tensor(np.arange(5.0))
    step = pb.compile(lambda i, safe: pb.cond(safe, lambda i: pb.sum(table), lambda i: pb.sum(table[i] * 2), i))
    inside, outside = np.array([1, 2]), np.array([1, 9])
    assert float(step(inside, np.bool_(False))) == 6.0
    assert float(step(outside, np.bool_(True))) == 10.0
    with pytest.raises(IndexError):
        step(outside, np.bool_(False))
    step(inside, np.bool_(False))
    assert all(k.native for k in step.report().kernels)


def test_a_function_without_a_kernel_runs_in_numpy():
    function = lambda x: pb.cond(pb.sum(x) > 0, lambda x: pb.lgamma(x), lambda x: -x, x)
    step = pb.compile(function)
    for x in (np.abs(X), -np.abs(X)):
        np.testing.assert_allclose(np.asarray(step(x)), np.asarray(function(x)))
    assert any("cond" in k.mappings and not k.native for k in step.report().kernels)

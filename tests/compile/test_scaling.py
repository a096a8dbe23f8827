"""A number times a matrix times a matrix: the number comes last where that is cheaper, and the result is the same."""

import numpy as np
import pytest

import pullback as pb
from pullback.compile.lowering import lowered
from pullback.compile.program import Product

rng = np.random.default_rng(0)


def late(function, *args):
    """For each product, whether what it reads was multiplied before."""
    instructions = lowered(pb.compile(function).graph(*args)).instructions
    multiples = {i.out.array for i in instructions if getattr(i, "name", "") == "multiply"}
    return [not any(x.array in multiples for x in i.reads) for i in instructions if isinstance(i, Product)]


def attention(x, y):
    q = pb.permute_dims(pb.reshape(x, (2, 30, 3, 8)), (0, 2, 1, 3)) * 0.25
    k = pb.permute_dims(pb.reshape(y, (2, 30, 3, 8)), (0, 2, 3, 1))
    return pb.exp(pb.matmul(q, k))


x, y = (rng.normal(size=(2, 30, 24)).astype(np.float32) / 4 for _ in range(2))
square = rng.normal(size=(40, 40)).astype(np.float32)

CASES = {
    "attention": (attention, (x, y), [True]),
    "its gradient": (lambda x, y: pb.grad(lambda x: pb.sum(attention(x, y)))(x), (x, y), None),
    "on the right": (lambda x, y: pb.matmul(x, -3.0 * y), (square, square), [True]),
    "on both sides": (lambda x, y: pb.matmul(x * 2.0, y * 0.3), (square, square), [True]),
    "turned over": (lambda x, y: pb.matmul(pb.permute_dims(x * 0.3, (1, 0)), y), (square, square), [True]),
    "a large product": (lambda x, y: pb.matmul(x * 0.3, y), (rng.normal(size=(600, 2)), np.ones((2, 600))), [False]),
    "wanted by others too": (lambda x, y: pb.matmul(x * 0.3, y) + pb.exp(x * 0.3), (square, square), [False]),
    "handed back": (lambda x, y: ((z := x * 0.3), pb.matmul(z, y)), (square, square), [False]),
    "by itself": (lambda x, y: pb.matmul(z := x * 0.3, pb.permute_dims(z, (1, 0))) + y, (square, square), [False]),
    "far from one": (lambda x, y: pb.matmul(x * 1e-20, y), (square, square), [False]),
    "by an array": (lambda x, y: pb.matmul(x * y, y), (square, square), [False]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_result_is_that_of_eager_execution(name):
    function, args, expected = CASES[name]
    results = pb.core.tree.leaves(pb.compile(function)(*args))
    for got, want in zip(results, pb.core.tree.leaves(function(*args)), strict=True):
        want = np.asarray(want)
        np.testing.assert_allclose(np.asarray(got), want, rtol=2e-5, atol=2e-6 * np.abs(want).max())
    if expected is not None:
        assert late(function, *args) == expected


def test_in_a_loop_what_is_handed_on_is_there():
    def f(c):
        def turn(c, _):
            z = c * 0.5
            return pb.matmul(z, square / 6), z

        return pb.scan(turn, c, None, length=2500)

    c = square[:4]
    for got, want in zip(pb.core.tree.leaves(pb.compile(f)(c)), pb.core.tree.leaves(f(c)), strict=True):
        np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=1e-3, atol=1e-6)

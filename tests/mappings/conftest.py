"""One check that holds a function of real arrays to NumPy, to finite differences and to all transforms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pullback as pb

STEP = 1e-5


def numbers(x: Any) -> np.ndarray:
    return np.array(x, dtype=np.float64)


def differences(f: Callable[..., Any], xs: list[np.ndarray], weights: np.ndarray) -> list[np.ndarray]:
    """Central differences of Σ weights · f(xs) along every element of every array."""
    slopes = []
    for k, x in enumerate(xs):
        slope = np.zeros(x.shape)
        for place in np.ndindex(*x.shape):
            moved = [np.array(other) for other in xs]
            moved[k][place] += STEP
            above = np.sum(weights * numbers(f(*moved)))
            moved[k][place] -= 2 * STEP
            slope[place] = (above - np.sum(weights * numbers(f(*moved)))) / (2 * STEP)
        slopes.append(slope)
    return slopes


def check(
    f: Callable[..., Any],
    *xs: Any,
    expected: Any = None,
    second: bool = True,
    seed: int = 0,
) -> None:
    """Hold `f`, a function of float64 arrays that returns one array, to the laws of calculus at `xs`."""
    rng = np.random.default_rng(seed)
    xs = [np.asarray(x, dtype=np.float64) for x in xs]
    for x in xs:
        x.flags.writeable = False
    y = f(*xs)
    assert y.dtype == np.float64
    if expected is not None:
        assert y.shape == np.shape(expected)
        np.testing.assert_allclose(numbers(y), expected, rtol=1e-12, atol=1e-13)
    weights = rng.normal(size=y.shape)

    value, pullback = pb.vjp(f, *xs)
    np.testing.assert_array_equal(numbers(value), numbers(y))
    gradients = [numbers(g) for g in pullback(weights)]
    for got, want in zip(gradients, differences(f, xs, weights), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7)

    tangents = [rng.normal(size=x.shape) for x in xs]
    value, tangent = pb.jvp(f, tuple(xs), tuple(tangents))
    # A composite is pushed forward through its body, which may round otherwise than its kernel.
    np.testing.assert_allclose(numbers(value), numbers(y), rtol=1e-14, atol=1e-15)
    along = sum(np.sum(g * t) for g, t in zip(gradients, tangents, strict=True))
    np.testing.assert_allclose(np.sum(weights * numbers(tangent)), along, rtol=1e-10, atol=1e-12)

    stacks = [np.stack([x, *(x + 0.1 * rng.normal(size=x.shape) for _ in range(2))]) for x in xs]
    loop = [numbers(f(*(stack[i] for stack in stacks))) for i in range(3)]
    np.testing.assert_allclose(numbers(pb.vmap(f)(*stacks)), np.stack(loop), rtol=1e-12, atol=1e-13)

    step = pb.trace(f)
    np.testing.assert_array_equal(numbers(step(*xs)), numbers(y))
    np.testing.assert_array_equal(numbers(step(*(stack[1] for stack in stacks))), loop[1])

    if second:

        def gradient_of_square(*zs: Any) -> Any:
            # The square makes the gradient of a linear function depend on its argument.
            gs = pb.grad(lambda *us: pb.sum(weights * f(*us) * f(*us)), argnums=tuple(range(len(zs))))(*zs)
            return pb.concat([pb.reshape(g, (-1,)) if g.size else pb.zeros((0,), np.float64) for g in gs])

        spread = rng.normal(size=gradient_of_square(*xs).shape)
        _, back = pb.vjp(gradient_of_square, *xs)
        for got, want in zip(back(spread), differences(gradient_of_square, xs, spread), strict=True):
            np.testing.assert_allclose(numbers(got), want, rtol=1e-5, atol=1e-6)
        _, forward = pb.jvp(gradient_of_square, tuple(xs), tuple(tangents))
        both = sum(np.sum(numbers(g) * t) for g, t in zip(back(spread), tangents, strict=True))
        np.testing.assert_allclose(np.sum(spread * numbers(forward)), both, rtol=1e-8, atol=1e-9)


@pytest.fixture(name="check")
def check_fixture() -> Callable[..., None]:
    return check


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)

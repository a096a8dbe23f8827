"""Memory of a plan: what is written over what has been read for the last time, and what needs no memory at all."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.compile.lowering import lowered
from pullback.compile.planning import made

rng = np.random.default_rng(0)


def plan_of(function, *args):
    return made(lowered(pb.compile(function).graph(*args)))


def number_of_arrays(plan, nbytes):
    """How many arrays of a size the arena holds beside each other at the most."""
    return plan.arena // nbytes


def test_what_is_read_for_the_last_time_is_overwritten():
    w = rng.normal(size=(64, 64)).astype(np.float32)

    def f(x):
        a = pb.matmul(x, w)
        z = pb.exp(a) * pb.matmul(x, w.T)
        return pb.matmul(z, w)

    x = rng.normal(size=(64, 64)).astype(np.float32) * 0.01
    assert number_of_arrays(plan_of(f, x), x.nbytes) == 1
    np.testing.assert_allclose(np.asarray(pb.compile(f)(x)), np.asarray(f(x)), rtol=2e-5, atol=1e-6)


def test_what_is_read_again_in_a_later_pass_is_not_overwritten():
    w = rng.normal(size=(64, 64)).astype(np.float32)

    def f(x):
        a, b = pb.matmul(x, w), pb.matmul(x, w.T)
        z = a * pb.permute_dims(b, (1, 0))
        u = z / pb.sum(z * z, axis=1, keepdims=True)
        return pb.matmul(z, w), pb.sum(a * u, axis=1)

    x = rng.normal(size=(64, 64)).astype(np.float32)
    for got, want in zip(pb.compile(f)(x), f(x), strict=True):
        np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=2e-4, atol=1e-4)


def test_a_product_whose_result_is_stored_nowhere_has_no_room():
    w = rng.normal(size=(48, 80)).astype(np.float32)
    back = rng.normal(size=(80, 48)).astype(np.float32)
    f = lambda x: pb.matmul(pb.relu(pb.matmul(x, w)), back)
    x = rng.normal(size=(64, 48)).astype(np.float32)
    assert number_of_arrays(plan_of(f, x), 64 * 80 * 4) == 1
    np.testing.assert_allclose(np.asarray(pb.compile(f)(x)), np.asarray(f(x)), rtol=2e-5, atol=1e-5)


def test_a_parts_product_that_is_also_used_as_it_is_keeps_its_room():
    w = rng.normal(size=(48, 80)).astype(np.float32)

    def f(x):
        y = pb.matmul(x, w)
        return pb.matmul(pb.relu(y), w.T) + pb.matmul(y, w.T)

    x = rng.normal(size=(64, 48)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(pb.compile(f)(x)), np.asarray(f(x)), rtol=2e-4, atol=1e-4)


@pytest.mark.parametrize("length", [1, 16, 64, 1000])
def test_the_old_value_of_a_cell_is_read_before_the_new_one_is_stored(length):
    holder = nn.Module()
    holder.p = nn.Parameter(np.ones(length, np.float32))

    def step(x):
        with pb.no_grad():
            new = x * x
            result = new + holder.p * 2
            holder.p.assign_(new)
            return result

    compiled = pb.compile(step)
    x = pb.tensor(np.full(length, 3, np.float32))
    assert [float(np.asarray(compiled(x))[-1]) for _ in range(3)] == [11.0, 27.0, 27.0]


def test_parts_that_a_kernel_reads_and_others_that_it_writes():
    """Of an array that is written piece by piece every piece is in memory, whoever reads it."""
    w = rng.normal(size=(8, 8)).astype(np.float32) / 3

    def f(x):
        h, rows = x, []
        for _ in range(5):
            h = pb.tanh(pb.matmul(h, w) + x)
            rows.append(h)
        return pb.sum(pb.stack(rows, axis=0) ** 2)

    x = rng.normal(size=(4, 8)).astype(np.float32)
    np.testing.assert_allclose(float(pb.compile(f)(x)), float(f(x)), rtol=2e-5)
    np.testing.assert_allclose(np.asarray(pb.compile(pb.grad(f))(x)), np.asarray(pb.grad(f)(x)), rtol=2e-4, atol=1e-5)

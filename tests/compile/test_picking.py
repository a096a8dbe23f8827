"""Elements chosen by positions, taken, added and replaced: against NumPy, on every width, in several shares."""

import ctypes
import itertools

import numpy as np
import pytest

import pullback as pb
from pullback.compile.emit.function import Module
from pullback.compile.emit.machine import compile_text, host, load, narrowed
from pullback.compile.emit.pick import Picked, Positions, emit_pick
from pullback.core.mapping import CATALOGUE

OTHERS = [t for t in ("avx2", "scalar") if t != host().name and (t == "scalar" or host().vector_bits > 256)]
TARGETS = [host().name, *(pytest.param(t, marks=pytest.mark.slow) for t in OTHERS)]
EACH = pytest.mark.parametrize("target", TARGETS)
DTYPES = ["float32", "float64", "int64", "int32", "int16", "uint8", "bool"]


def strides(x):
    return tuple(s // x.itemsize for s in x.strides)


def run(target, picked, written, read, positions, parts=3):
    """Run an emitted kernel in several shares."""
    target = narrowed(target)
    module = Module(target.vector_bits)
    units = emit_pick(module, "k", picked)
    module.functions["k"].internal = False
    code = load(compile_text(module.text(), target), target)
    function = code.function("k", *[ctypes.c_void_p] * (2 + len(positions)), ctypes.c_int64, ctypes.c_int64)
    edges = sorted({units * part // parts for part in range(parts + 1)})
    for begin, end in itertools.pairwise(edges):
        function(written.ctypes.data, read.ctypes.data, *(p.ctypes.data for p in positions), begin, end)
    return units


def along(rng, mode, x, at, axis):
    """The kernel's settings for one element, or several, chosen in each row of x along an axis."""
    shape = (*x.shape[:axis], at.shape[axis], *x.shape[axis + 1 :])
    chosen = np.zeros(shape, x.dtype)
    static = tuple(0 if a == axis else s for a, s in enumerate(strides(x)))
    where = (Positions(at.dtype, strides(at), x.shape[axis], strides(x)[axis]),)
    return chosen, Picked(mode, shape, strides(chosen), static, where, x.dtype)


def numbers(rng, shape, dtype):
    if dtype == "bool":
        return rng.random(shape) < 0.4
    x = rng.integers(0, 100, shape).astype(dtype)
    if x.dtype.kind == "f":
        x.flat[:4] = np.nan, -0.0, np.inf, 1e-45
    return x


@EACH
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(40, 7, 3), (3, 5, 70), (1, 9, 1), (2, 300, 2)], ids=str)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_along_an_axis(target, dtype, shape, axis):
    rng = np.random.default_rng(0)
    for x in (numbers(rng, shape, dtype), numbers(rng, shape[::-1], dtype).T, numbers(rng, shape, dtype)[:, ::-1]):
        n = x.shape[axis]
        at = rng.integers(-n, n, (*x.shape[:axis], 6, *x.shape[axis + 1 :])).astype(np.int32)
        chosen, picked = along(rng, "take", x, at, axis)
        run(target, picked, chosen, x, [at])
        np.testing.assert_array_equal(chosen, np.take_along_axis(x, at, axis))


@EACH
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["add", "set"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_way_back_along_an_axis(target, dtype, mode, axis):
    rng = np.random.default_rng(1)
    shape = (5, 33, 20)
    at = rng.integers(-shape[axis], shape[axis], (*shape[:axis], 50, *shape[axis + 1 :]))
    want = numbers(rng, shape, dtype)
    got = want.copy()
    chosen, picked = along(rng, mode, got, at, axis)
    chosen[...] = numbers(rng, chosen.shape, dtype)
    run(target, picked, got, chosen, [at])
    grid = list(np.ogrid[tuple(map(slice, chosen.shape))])
    grid[axis] = at
    if mode == "add":
        np.add.at(want, tuple(grid), chosen)
    else:
        for index in np.ndindex(chosen.shape):
            want[tuple(np.broadcast_to(g, chosen.shape)[index] for g in grid)] = chosen[index]
    np.testing.assert_array_equal(got, want)
    assert dtype != "bool" or got.view(np.uint8).max() == 1, "a truth value is 0 or 1"


GATHERS = [
    ((9, 4), (0,), [(7,)]),
    ((4, 9), (1,), [(7,)]),
    ((3, 9, 40), (1,), [(2, 3)]),
    ((3, 9, 40), (2,), [(5, 1)]),
    ((3, 9, 5), (0, 1), [(6,), (2, 1)]),
    ((3, 9, 5), (1, 2), [(), (6,)]),
    ((3, 9, 5), (0, 2), [(6,), ()]),
    ((3, 9, 5, 2), (0, 1, 2), [(4,), (4,), (3, 1)]),
    ((7,), (0,), [()]),
    ((5000,), (0,), [(9000,)]),
]


@pytest.mark.parametrize(("shape", "axes", "chosen"), GATHERS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_compiled_gathers_and_scatters(shape, axes, chosen, dtype):
    rng = np.random.default_rng(0)
    x = numbers(rng, shape, dtype)
    dtypes = [np.int32 if a else np.int64 for a in axes]
    at = [rng.integers(-shape[a], shape[a], s, d) for a, s, d in zip(axes, chosen, dtypes, strict=True)]
    gather, add, put = (CATALOGUE[name] for name in ("gather", "scatter_add", "scatter_set"))
    want = gather.evaluate(x, *at, axes=axes)
    values = numbers(rng, np.shape(want), dtype)

    @pb.compile
    def both(x, values, *at):
        taken = gather(x, *at, axes=axes)
        return taken, add(values, *at, axes=axes, shape=shape), put(x, values, *at, axes=axes)

    wanted = want, add.evaluate(values, *at, axes=axes, shape=shape), put.evaluate(x, values, *at, axes=axes)
    for _ in range(2):  # positions that are negative do not stop the plan
        for got, expected in zip(both(x, values, *at), wanted, strict=True):
            np.testing.assert_array_equal(got.numpy(), expected)
    assert all(kernel.native for kernel in both.report().kernels)


@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_and_threads(threads):
    rng = np.random.default_rng(0)
    x, at = rng.normal(size=(64, 50, 30)), rng.integers(-50, 50, (64, 80, 30))

    def loss(x):
        return pb.sum(pb.sin(pb.take_along_axis(x, at, 1))) + pb.sum(x[:, :, at[0, :, 0] % 30] ** 2)

    before = pb.get_num_threads()
    pb.set_num_threads(threads)
    try:
        step = pb.compile(pb.grad(loss))
        for _ in range(3):
            got = step(x).numpy()
        np.testing.assert_allclose(got, pb.grad(loss)(x).numpy(), rtol=1e-12)
    finally:
        pb.set_num_threads(before)


@pytest.mark.parametrize("wrong", [5, -6])
def test_positions_that_do_not_exist_are_refused(wrong):
    taken = pb.compile(lambda x, at: x[:, at])
    x = np.arange(10.0).reshape(2, 5)
    assert taken(x, np.array([-5, 4])).tolist() == [[0.0, 4.0], [5.0, 9.0]]
    with pytest.raises(IndexError):
        taken(x, np.array([0, wrong]))
    assert taken(x, np.array([-1, -2])).tolist() == [[4.0, 3.0], [9.0, 8.0]]


def test_negative_positions_do_not_leave_the_plan():
    x = np.arange(12.0).reshape(3, 4)
    step = pb.compile(lambda x, at: (x[at], pb.take_along_axis(x, at[:, None], 1)))
    step(x, np.array([0, 1, 2]))
    eager = []
    for graph in step.graphs[next(iter(step.graphs))]:
        graph.run = eager.append
    rows, each = step(x, np.array([-1, 1, -3]))
    assert rows.tolist() == x[[-1, 1, -3]].tolist() and each.tolist() == [[3.0], [5.0], [9.0]]
    assert not eager


def test_code_for_another_machine_is_emitted():
    target = narrowed("neon")
    module = Module(target.vector_bits)
    where = (Positions(np.dtype(np.int64), (0, 1, 0), 9, 40),)
    emit_pick(module, "k", Picked("add", (3, 7, 40), (280, 40, 1), (360, 0, 1), where, np.dtype(np.float32)))
    module.functions["k"].internal = False
    assert compile_text(module.text(), target)[:4] == b"\x7fELF"

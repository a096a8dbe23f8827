"""Interpolation, borders and windows that cover an axis: native, against NumPy, on every width, in several shares."""

import ctypes
import itertools

import numpy as np
import pytest

import pullback as pb
from pullback.compile.emit.covering import Covering, emit_covering_maximum
from pullback.compile.emit.function import Module
from pullback.compile.emit.machine import compile_text, host, load, narrowed
from pullback.compile.emit.types import I64, PTR
from pullback.compile.emit.weighted import Weighted, emit_weighted
from pullback.core import tree
from pullback.core.mapping import CATALOGUE
from pullback.core.spec import spec_of

OTHERS = [t for t in ("avx2", "scalar") if t != host().name and (t == "scalar" or host().vector_bits > 256)]
EACH = pytest.mark.parametrize("target", [host().name, *(pytest.param(t, marks=pytest.mark.slow) for t in OTHERS)])


def strides(x):
    return tuple(s // x.itemsize for s in x.strides)


def run(target, emit, settings, y, *ins, parts=3):
    """Run an emitted kernel in several shares, its result between numbers that have to stay."""
    target = narrowed(target)
    module = Module(target.vector_bits)
    units = emit(module, "k", settings)
    module.functions["k"].internal = False
    code = load(compile_text(module.text(), target), target)
    function = code.function("k", *[ctypes.c_void_p] * (1 + len(ins)), ctypes.c_int64, ctypes.c_int64)
    edges = sorted({units * part // parts for part in range(parts + 1)})
    for begin, end in itertools.pairwise(edges):
        function(y.ctypes.data, *(a.ctypes.data for a in ins), begin, end)


def guarded(shape, dtype, last):
    """Room for a result whose axis `last` is the innermost in memory, and a function that says what is around it."""
    order = [a for a in range(len(shape)) if a != last] + [last]
    memory = np.full(int(np.prod(shape)) + 32, 7, dtype)
    inside = memory[16:-16].reshape([shape[a] for a in order]).transpose(np.argsort(order))
    return inside, lambda: (memory[:16] == 7).all() and (memory[-16:] == 7).all()


RULES = [
    (("nearest", 3, 7, None), False),
    (("nearest", 5, 3, None), True),
    (("nearest-exact", 4, 6, 1.6), True),
    (("linear", 9, 30, False, None), False),
    (("linear", 9, 30, False, None), True),
    (("linear", 30, 4, True, None), True),
    (("cubic", 5, 60, False, None), False),
    (("cubic", 5, 60, False, None), True),
    (("reflect", 40, 2, 3), True),
    (("circular", 33, 1, 3), False),
]


@EACH
@pytest.mark.parametrize(("rule", "transposed"), RULES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("innermost", [0, 1, 2])
def test_weighted_sums(target, rule, transposed, dtype, innermost):
    resample = CATALOGUE["resample"]
    n = rule[1]
    if transposed:
        n = resample.evaluate(np.zeros(n), axis=-1, rule=rule, transposed=False).size
    x, _ = guarded((3, n, 37), dtype, innermost)
    x[...] = np.random.default_rng(0).normal(size=x.shape)
    x[0, 0, 0], x[1, -1, 3], x[2, n // 2, 5] = np.nan, np.inf, -0.0
    static = {"axis": -2, "rule": rule, "transposed": transposed}
    with np.errstate(all="ignore"):
        want = resample.evaluate(x, **static)
    ((axis, index, weights),) = resample.tables(spec_of(x), **static)
    y, untouched = guarded(want.shape, dtype, innermost)
    tables = [index.astype(np.int64), *([] if weights is None else [weights.astype(dtype)])]
    partial = bool((index < 0).any())
    settings = Weighted(want.shape, axis, len(index), strides(y), strides(x), x.dtype, weights is not None, partial)
    run(target, emit_weighted, settings, y, x, *map(np.ascontiguousarray, tables))
    assert untouched()
    np.testing.assert_allclose(y, want, rtol=1e-6, atol=1e-6)


COVERED = [((7,), (3,)), ((9, 35), (4, 10)), ((2, 3), (5, 7)), ((3, 4, 5), (2, 4, 3))]


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8", "bool"])
@pytest.mark.parametrize(("size", "counts"), COVERED, ids=str)
@pytest.mark.parametrize("innermost", [1, -1])
def test_the_largest_of_windows_that_cover_an_axis(target, dtype, size, counts, innermost):
    rng = np.random.default_rng(0)
    x, _ = guarded((2, 35 if innermost == 1 else 12, *size), dtype, innermost % (2 + len(size)))
    x[...] = rng.integers(0, 6, x.shape)  # so that there are ties
    if x.dtype.kind == "f":
        x[rng.random(x.shape) < 0.1] = np.nan
        x[rng.random(x.shape) < 0.1] = -np.inf
    want = CATALOGUE["adaptive_max_positions"].evaluate(x, counts=counts)
    y, untouched = guarded(want.shape, np.int64, innermost % (2 + len(size)))
    settings = Covering(x.shape[:2], size, counts, strides(x), strides(y), x.dtype)
    run(target, emit_covering_maximum, settings, y, x)
    assert untouched()
    np.testing.assert_array_equal(y, want)


def test_code_for_another_machine_is_emitted():
    target = narrowed("neon")
    module = Module(target.vector_bits)
    emit_weighted(module, "a", Weighted((3, 9, 40), 1, 12, (360, 40, 1), (200, 40, 1), np.dtype("f4"), True, True))
    emit_covering_maximum(module, "b", Covering((3, 40), (9,), (4,), (360, 1, 40), (160, 1, 40), np.dtype("f4")))
    for function in module.functions.values():
        function.internal = False
    assert compile_text(module.text(), target)[:4] == b"\x7fELF"
    assert {PTR, I64} == {type for f in module.functions.values() for type, _ in f.parameters}


PROGRAMS = {
    "bilinear": lambda x: pb.nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear"),
    "nearest": lambda x: pb.nn.functional.interpolate(x, size=(5, 13), mode="nearest"),
    "bicubic": lambda x: pb.nn.functional.interpolate(x, size=(13, 4), mode="bicubic"),
    "reflect": lambda x: pb.nn.ReflectionPad2d((1, 2, 2, 1))(x),
    "one mean": lambda x: pb.adaptive_avg_pool2d(x, (1, 1)),
    "even means": lambda x: pb.adaptive_avg_pool2d(x, (4, 3)),
    "uneven means": lambda x: pb.adaptive_avg_pool2d(x, (3, 4)),
    "more means": lambda x: pb.adaptive_avg_pool2d(x, (11, 9)),
    "largest": lambda x: pb.adaptive_max_pool2d(x, (3, 4)),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("turned", [False, True])
def test_compiled_with_gradients(name, dtype, turned):
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 6)).astype(dtype)
    x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if turned else x
    function = (lambda x: PROGRAMS[name](pb.permute_dims(x, (0, 3, 1, 2)))) if turned else PROGRAMS[name]
    both = lambda x: (function(x), pb.grad(lambda x: pb.sum(pb.sin(function(x))))(x))
    step = pb.compile(both)
    for _ in range(2):
        for got, want in zip(tree.leaves(step(x)), tree.leaves(both(x)), strict=True):
            assert got.dtype == want.dtype
            tolerance = 5e-6 if dtype == np.float32 else 1e-13
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=tolerance, atol=tolerance)
    assert all(kernel.native for kernel in step.report().kernels)

"""Running totals, lengths, products of named axes: native, against NumPy, on every width, in several shares."""

import ctypes
import itertools

import numpy as np
import pytest

import pullback as pb
from pullback.compile.emit.function import Module
from pullback.compile.emit.machine import compile_text, host, load, narrowed
from pullback.compile.emit.running import Running, emit_running
from pullback.core import tree

OTHERS = [t for t in ("avx2", "scalar") if t != host().name and (t == "scalar" or host().vector_bits > 256)]
EACH = pytest.mark.parametrize("target", [host().name, *(pytest.param(t, marks=pytest.mark.slow) for t in OTHERS)])


def strides(x):
    return tuple(s // x.itemsize for s in x.strides)


def run(target, y, x, operation, axis, reverse, parts=3):
    target = narrowed(target)
    module = Module(target.vector_bits)
    settings = Running(operation, x.shape, axis, strides(x), strides(y), reverse, x.dtype, y.dtype)
    units = emit_running(module, "k", settings)
    module.functions["k"].internal = False
    code = load(compile_text(module.text(), target), target)
    function = code.function("k", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    edges = sorted({units * part // parts for part in range(parts + 1)})
    for begin, end in itertools.pairwise(edges):
        function(y.ctypes.data, x.ctypes.data, begin, end)


def numbers(shape, dtype):
    rng = np.random.default_rng(0)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    x = rng.normal(size=shape) * 3 if dtype.startswith("float") else rng.integers(0, 120, shape)
    x = x.astype(dtype)
    if x.dtype.kind == "f":
        x.flat[x.size // 2] = np.nan
        x.flat[x.size // 3] = -np.inf
        x.flat[1::7] = -0.0
    return x


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(1,), (37,), (5, 70), (3, 4, 35), (2, 3000)], ids=str)
@pytest.mark.parametrize("operation", ["add", "mul"])
def test_running_totals_are_numpys_to_the_bit(target, dtype, shape, operation):
    fold = np.cumsum if operation == "add" else np.cumprod
    for x in (numbers(shape, dtype), numbers(shape[::-1], dtype).T, numbers(shape, dtype)[..., ::-1]):
        for axis, reverse in itertools.product(range(x.ndim), [False, True]):
            with np.errstate(all="ignore"):
                want = np.flip(fold(np.flip(x, axis), axis), axis) if reverse else fold(x, axis)
            y = np.full(want.size + 2, 7, want.dtype)
            run(target, y[1:-1].reshape(x.shape), x, operation, axis, reverse)
            assert y[0] == y[-1] == 7, "written beyond the array"
            np.testing.assert_array_equal(y[1:-1].reshape(x.shape), want)


def test_code_for_another_machine_is_emitted():
    target = narrowed("neon")
    module = Module(target.vector_bits)
    settings = Running("add", (9, 40), 0, (40, 1), (40, 1), True, np.dtype(np.int32), np.dtype(np.int64))
    emit_running(module, "k", settings)
    module.functions["k"].internal = False
    assert compile_text(module.text(), target)[:4] == b"\x7fELF"


def check(function, *args, rtol=1e-12):
    """Compiled and eager agree in values and dtypes, and nothing is left to NumPy."""
    compiled = pb.compile(function)
    with np.errstate(all="ignore"):
        want = tree.leaves(function(*args))
    for _ in range(2):
        for a, b in zip(want, tree.leaves(compiled(*args)), strict=True):
            a, b = np.asarray(a), np.asarray(b)
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(b, a, rtol=rtol if a.dtype.kind == "f" else 0, atol=0)
    assert all(kernel.native for kernel in compiled.report().kernels)


@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30, 1e-44, 0.0, np.inf, np.nan])
@pytest.mark.parametrize("mixed", [False, True])
def test_lengths_whose_squares_leave_the_range(scale, mixed):
    x = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
    with np.errstate(all="ignore"):
        x *= np.float32(scale)
    if mixed:
        x[0] = 1
    check(lambda x: (pb.norm(x), pb.norm(x, 0), pb.norm(x, 1, keepdims=True), pb.norm(x[0, 0])), x, rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_gradients_of_lengths_and_totals(axis):
    x = np.random.default_rng(0).normal(size=(5, 12))
    x[2] = 0
    check(pb.grad(lambda x: pb.norm(x) + pb.sum(pb.norm(x, axis))), x)
    check(pb.grad(lambda x: pb.sum(pb.cumulative_sum(x, axis) ** 2) + pb.sum(pb.cumulative_prod(x, axis))), x)


SUBSCRIPTS = ["abcd,dbe->abce", "abcd,dbe->ae", "abcd,dbe->ebca", "abcd,dbe->abcde", "abcd,dbe->"]
PAIRS = [("float64", "float64"), ("float32", "float64"), ("int32", "int64"), ("bool", "uint8")]


@pytest.mark.parametrize("subscripts", SUBSCRIPTS)
@pytest.mark.parametrize("dtypes", PAIRS)
def test_products_of_named_axes(subscripts, dtypes):
    rng = np.random.default_rng(0)
    a, b = ((rng.normal(size=s) * 4).astype(d) for s, d in zip([(2, 3, 4, 5), (5, 3, 6)], dtypes, strict=True))
    check(lambda a, b: pb.einsum(subscripts, a, b), a, b, rtol=1e-11)
    if dtypes == ("float64", "float64"):
        check(pb.grad(lambda a, b: pb.sum(pb.sin(pb.einsum(subscripts, a, b))), (0, 1)), a, b, rtol=1e-9)


@pytest.mark.parametrize("dtypes", [("int64", "int8"), ("uint8", "uint8"), ("bool", "bool"), ("float32", "int32")])
def test_products_of_matrices_of_whole_numbers(dtypes):
    rng = np.random.default_rng(0)
    for left, right in (((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((3, 4), (6, 4, 5)), ((2, 1, 3, 4), (6, 4, 1))):
        a, b = (rng.integers(0, 90, s).astype(d) for s, d in zip((left, right), dtypes, strict=True))
        check(lambda a, b: a @ b, a, b)


def test_means_of_whole_numbers():
    x = np.random.default_rng(0).integers(-9, 9, (4, 30))
    check(lambda x: (pb.mean(x), pb.mean(x, 0), pb.mean(x > 0, 1), pb.prod(x, 0)), x)

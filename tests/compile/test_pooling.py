"""Emitted pooling against the mappings' own evaluation: every border, both memory orders, NaN, every width."""

import ctypes
import itertools

import numpy as np
import pytest

from pullback.compile.emit.function import Module
from pullback.compile.emit.machine import compile_text, host, load, narrowed
from pullback.compile.emit.pooling import (
    emit_average_pool,
    emit_average_pool_back,
    emit_max_choice,
    emit_max_pool,
    emit_max_pool_and_choice,
    emit_max_pool_back,
    emit_window_pick,
    emit_window_place,
)
from pullback.compile.emit.types import type_of
from pullback.compile.emit.windows import Windows
from pullback.core.mapping import CATALOGUE
from pullback.mappings.window import window_counts

OTHERS = [t for t in ("avx2", "scalar") if t != host().name and (t == "scalar" or host().vector_bits > 256)]
TARGETS = [host().name, *(pytest.param(t, marks=pytest.mark.slow) for t in OTHERS)]
F32 = np.dtype(np.float32)

# size, kernel, stride, padding, dilation
SHAPES = [
    ((8, 8), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    ((9, 71), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    ((9, 11), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),
    ((7, 40), (3, 2), (1, 1), ((1, 0), (0, 1)), (1, 1)),
    ((12, 13), (2, 3), (3, 4), ((0, 0), (1, 1)), (1, 1)),
    ((11, 10), (3, 2), (2, 1), ((1, 1), (1, 0)), (1, 3)),
    ((9, 9), (3, 3), (2, 2), ((-1, 0), (1, -1)), (1, 1)),
    ((70,), (2,), (2,), ((0, 0),), (1,)),
    ((5, 6, 7), (2, 3, 2), (2, 1, 2), ((0, 0), (1, 1), (0, 1)), (1, 1, 1)),
]
LEADS = {"channels first": (2, 3), "channels last": (2, 3), "few channels": (1, 5), "many channels": (2, 150)}


def order_of(layout, axes):
    """The axes from the outermost to the innermost in memory."""
    return tuple(range(2 + axes)) if layout == "channels first" else (0, *range(2, 2 + axes), 1)


def laid_out(x, order):
    return np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))


def strides(x):
    return tuple(s // x.itemsize for s in x.strides)


class Case:
    def __init__(self, layout, shape, dtype=F32):
        size, self.kernel, self.stride, self.padding, self.dilation = shape
        self.order = order_of(layout, len(size))
        self.counts = window_counts(size, self.kernel, self.stride, self.padding, self.dilation)
        lead = LEADS[layout]
        rng = np.random.default_rng(0)
        if dtype.kind == "f":
            x, g = rng.normal(size=(*lead, *size)), rng.normal(size=(*lead, *self.counts))
            x = np.round(x, 1)  # so that there are ties
        else:
            x, g = rng.integers(0, 50, (*lead, *size)), rng.integers(0, 50, (*lead, *self.counts))
        self.x, self.g = (laid_out(a.astype(dtype), self.order) for a in (x, g))
        self.windows = Windows(
            lead,
            size,
            self.counts,
            self.kernel,
            self.stride,
            tuple(before for before, _ in self.padding),
            self.dilation,
            strides(self.x),
            strides(self.g),
            type_of(dtype),
        )
        self.static = {
            "kernel": self.kernel, "stride": self.stride, "padding": self.padding, "dilation": self.dilation,
        }  # fmt: skip
        self.size = size

    def evaluate(self, name, *args, **static):
        return np.asarray(CATALOGUE[name].evaluate(*args, **static))

    def run(self, target, emit, out, *args, shares=(0, 0.4, 1)):
        """Emit a kernel, run it in two shares, and return what it wrote, guarded by numbers that must stay."""
        target = narrowed(target)
        module = Module(target.vector_bits)
        units = emit(module)
        module.functions["k"].internal = False
        code = load(compile_text(module.text(), target), target)
        memory = np.full(out.size + 64, 77, out.dtype)
        y = memory[32 : 32 + out.size].reshape([out.shape[a] for a in self.order]).transpose(np.argsort(self.order))
        function = code.function("k", *[ctypes.c_void_p] * (1 + len(args)), *[ctypes.c_int64] * 2)
        edges = sorted({int(share * units) for share in shares})
        for begin, end in itertools.pairwise(edges):
            function(y.ctypes.data, *(a.ctypes.data for a in args), begin, end)
        assert (memory[:32] == 77).all() and (memory[32 + out.size :] == 77).all(), "written beyond the array"
        return y


LAYOUTS = pytest.mark.parametrize("layout", LEADS)
SIZES = pytest.mark.parametrize("shape", SHAPES, ids=str)
EACH = pytest.mark.parametrize("target", TARGETS)


@EACH
@LAYOUTS
@SIZES
def test_largest_and_its_choice(target, layout, shape):
    case = Case(layout, shape)
    case.x[0, 1].flat[::7] = np.nan
    case.x[0, 0].flat[:20] = -np.inf
    want = case.evaluate("max_pool", case.x, **case.static)
    got = case.run(target, lambda m: emit_max_pool(m, "k", case.windows, -np.inf), want, case.x)
    np.testing.assert_array_equal(got, want)
    best = case.evaluate("max_choice", case.x, **case.static)
    got = case.run(target, lambda m: emit_max_choice(m, "k", case.windows, best.dtype), best, case.x)
    np.testing.assert_array_equal(got, best)
    kept = laid_out(np.zeros_like(best), case.order)
    both = lambda m: emit_max_pool_and_choice(m, "k", case.windows, best.dtype)
    got = case.run(target, both, want, kept, case.x)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(kept, best)


@EACH
@LAYOUTS
@SIZES
def test_the_way_back_of_the_largest(target, layout, shape):
    case = Case(layout, shape)
    best = laid_out(case.evaluate("max_choice", case.x, **case.static), case.order)
    want = case.evaluate("window_place", case.g, best, size=case.size, **case.static)
    got = case.run(target, lambda m: emit_window_place(m, "k", case.windows, best.dtype), want, case.g, best)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
    again = case.run(target, lambda m: emit_max_pool_back(m, "k", case.windows), want, case.g, case.x)
    np.testing.assert_array_equal(again, got)


@EACH
@LAYOUTS
@SIZES
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64"])
def test_what_a_choice_picks(target, layout, shape, dtype):
    case = Case(layout, shape, np.dtype(dtype))
    best = laid_out(case.evaluate("max_choice", case.x, **case.static), case.order)
    want = case.evaluate("window_pick", case.x, best, **case.static)
    got = case.run(target, lambda m: emit_window_pick(m, "k", case.windows, best.dtype), want, case.x, best)
    np.testing.assert_array_equal(got, want)


@EACH
@LAYOUTS
@SIZES
@pytest.mark.parametrize("divisor", [None, 5])
def test_mean_and_its_way_back(target, layout, shape, divisor):
    case = Case(layout, shape)
    if set(case.dilation) != {1}:
        pytest.skip("means have no dilation")
    counted = tuple((before, max(after, 0)) for before, after in case.padding)
    static = {k: v for k, v in case.static.items() if k != "dilation"} | {"counted": counted, "divisor": divisor}
    divisors = [
        [min(o * s - b + k, n + ca) - max(o * s - b, -cb) for o in range(count)]
        for n, k, s, (b, _), (cb, ca), count in zip(
            case.size, case.kernel, case.stride, case.padding, counted, case.counts, strict=True
        )
    ]
    want = case.evaluate("avg_pool", case.x, **static)
    got = case.run(target, lambda m: emit_average_pool(m, "k", case.windows, divisors, divisor), want, case.x)
    np.testing.assert_array_equal(got, want)
    want = case.evaluate("avg_pool_back", case.g, size=case.size, **static)
    got = case.run(target, lambda m: emit_average_pool_back(m, "k", case.windows, divisors, divisor), want, case.g)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


@EACH
@pytest.mark.parametrize("dtype", ["float64", "int32", "uint8", "int64"])
@pytest.mark.parametrize("layout", ["channels first", "channels last"])
def test_other_dtypes(target, layout, dtype):
    dtype = np.dtype(dtype)
    case = Case(layout, SHAPES[2], dtype)
    signed = dtype.kind != "u"
    lowest = -np.inf if dtype.kind == "f" else np.iinfo(dtype).min
    want = case.evaluate("max_pool", case.x, **case.static)
    got = case.run(target, lambda m: emit_max_pool(m, "k", case.windows, lowest, signed), want, case.x)
    np.testing.assert_array_equal(got, want)
    best = case.evaluate("max_choice", case.x, **case.static)
    got = case.run(target, lambda m: emit_max_choice(m, "k", case.windows, best.dtype, signed), best, case.x)
    np.testing.assert_array_equal(got, best)
    want = case.evaluate("window_place", case.g, best, size=case.size, **case.static)
    best = laid_out(best, case.order)
    got = case.run(target, lambda m: emit_window_place(m, "k", case.windows, best.dtype), want, case.g, best)
    np.testing.assert_allclose(got, want, rtol=1e-14)


def test_a_window_without_elements():
    case = Case("channels last", ((4, 4), (2, 2), (1, 1), ((2, 2), (0, 0)), (1, 1)))
    want = case.evaluate("max_pool", case.x, **case.static)
    got = case.run(host().name, lambda m: emit_max_pool(m, "k", case.windows, -np.inf), want, case.x)
    np.testing.assert_array_equal(got, want)


def test_code_for_another_machine_is_emitted():
    target = narrowed("neon")
    module = Module(target.vector_bits)
    for layout in ("channels first", "few channels"):
        windows = Case(layout, SHAPES[2]).windows
        emit_max_pool(module, f"a{layout[-1]}", windows, -np.inf)
        emit_max_pool_back(module, f"b{layout[-1]}", windows)
    for function in module.functions.values():
        function.internal = False
    assert compile_text(module.text(), target)[:4] == b"\x7fELF"

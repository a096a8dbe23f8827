"""Emitted random numbers are those of NumPy's generator, bit for bit, however the work is shared out."""

import ctypes
import itertools

import numpy as np
import pytest

import pullback as pb
from pullback.compile.emit.function import Module
from pullback.compile.emit.machine import compile_text, host, load, narrowed
from pullback.compile.emit.philox import STREAM, emit_dropout_mask, emit_random_uniform, random_units
from pullback.core.mapping import CATALOGUE
from pullback.mappings import random as draws

OTHERS = [t for t in ("avx2", "scalar") if t != host().name and (t == "scalar" or host().vector_bits > 256)]
TARGETS = [host().name, *(pytest.param(t, marks=pytest.mark.slow) for t in OTHERS)]


def drawn(target, emit, count, dtype, key, counter, parts):
    target = narrowed(target)
    module = Module(target.vector_bits)
    units = emit(module)
    module.functions["k"].internal = False
    code = load(compile_text(module.text(), target), target)
    function = code.function("k", *[ctypes.c_void_p] * 3, ctypes.c_int64, ctypes.c_int64)
    memory = np.full(count + 32, 7, dtype)
    keys, counters = np.array([key], np.uint64), np.array([counter], np.int64)
    edges = np.linspace(0, units, parts + 1).astype(int)
    for begin, end in itertools.pairwise(edges):
        if end > begin:
            function(memory[16:].ctypes.data, keys.ctypes.data, counters.ctypes.data, int(begin), int(end))
    assert (memory[:16] == 7).all() and (memory[16 + count :] == 7).all()
    return memory[16 : 16 + count]


def expected(name, count, dtype, key, counter, **static):
    static |= {"shape": (count,), "dtype": np.dtype(dtype)}
    return CATALOGUE[name].evaluate(np.uint64(key), np.int64(counter), **static)


DRAWS = [(7, 3), (0, 0), (2**64 - 1, 2**63 - 1), (0x0123456789ABCDEF, 12345)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 8, 31, 4099])
@pytest.mark.parametrize("parts", [1, 3])
def test_uniform_numbers(target, dtype, count, parts):
    dtype = np.dtype(dtype)
    assert random_units(8, dtype) == (1 if dtype.itemsize == 4 else 2)
    for key, counter in DRAWS:
        emit = lambda m: emit_random_uniform(m, "k", count, dtype, STREAM)
        got = drawn(target, emit, count, dtype, key, counter, parts)
        assert np.array_equal(got, expected("random_uniform", count, dtype, key, counter))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("keep", [0.0, 0.1, 0.75, 0.9, 1.0])
def test_dropout_masks(target, dtype, keep):
    dtype, count = np.dtype(dtype), 4099
    for key, counter in DRAWS[:2]:
        emit = lambda m: emit_dropout_mask(m, "k", count, dtype, keep, STREAM)
        got = drawn(target, emit, count, dtype, key, counter, 2)
        want = expected("dropout_mask", count, dtype, key, counter, keep=keep)
        assert np.array_equal(got, want)
        assert abs((got != 0).mean() - keep) < 0.03


def test_code_for_another_machine_is_emitted():
    target = narrowed("neon")
    module = Module(target.vector_bits)
    emit_dropout_mask(module, "k", 100, np.dtype(np.float32), 0.5, STREAM)
    module.functions["k"].internal = False
    assert compile_text(module.text(), target)[:4] == b"\x7fELF"


def test_a_compiled_step_draws_the_same_bits_again_and_again():
    layer = pb.nn.Dropout(0.3)

    def step(x):
        dropped = layer(x)
        return dropped, pb.random.uniform((5, 3)), pb.random.uniform((7,), dtype="float64")

    x = pb.tensor(np.random.default_rng(0).normal(size=(33, 9)).astype(np.float32))
    results = []
    for run in (step, pb.compile(step)):
        pb.random.manual_seed(11)
        results.append([[np.asarray(y) for y in run(x)] for _ in range(3)])
    assert draws.STREAM == STREAM
    for eager, compiled in zip(*results, strict=True):
        for a, b in zip(eager, compiled, strict=True):
            assert np.array_equal(a, b)
    assert not np.array_equal(results[0][0][0], results[0][1][0]), "the counter goes on"

"""Normal numbers, integers of a range and random orders: the bits of NumPy's generator, on every width."""

import ctypes

import numpy as np
import pytest

import pullback as pb
from pullback.compile.emit.bounded import emit_random_integers, emit_random_permutation
from pullback.compile.emit.function import Module
from pullback.compile.emit.machine import compile_text, host, load, narrowed
from pullback.compile.emit.normal import emit_random_normal
from pullback.compile.emit.philox import STREAM, WORDS
from pullback.core.mapping import CATALOGUE

OTHERS = [t for t in ("avx2", "scalar") if t != host().name and (t == "scalar" or host().vector_bits > 256)]
EACH = pytest.mark.parametrize("target", [host().name, *(pytest.param(t, marks=pytest.mark.slow) for t in OTHERS)])
DRAWS = [(7, 3), (0, 0), (2**64 - 1, 2**63 - 1), (0x0123456789ABCDEF, 12345)]


def check(target, name, emit, shape, dtype, **static):
    """Draw natively, and compare the bits."""
    dtype, count = np.dtype(dtype), int(np.prod(shape))
    target = narrowed(target)
    module = Module(target.vector_bits)
    assert emit(module, dtype) == 1
    module.functions["k"].internal = False
    code = load(compile_text(module.text(), target), target)
    function = code.function("k", *[ctypes.c_void_p] * 4, ctypes.c_int64, ctypes.c_int64)
    for key, counter in DRAWS:
        memory, state = np.full(count + 32, 7, dtype), np.full(WORDS + 2, 0x55, np.uint64)
        keys, counters = np.array([key], np.uint64), np.array([counter], np.int64)
        addresses = (a.ctypes.data for a in (memory[16:], state[1:], keys, counters))
        function(*addresses, 0, 1)
        assert (memory[:16] == 7).all() and (memory[16 + count :] == 7).all()
        assert state[0] == state[-1] == 0x55
        want = CATALOGUE[name].evaluate(keys[0], counters[0], shape=shape, dtype=dtype, **static)
        assert memory[16 : 16 + count].tobytes() == np.asarray(want).tobytes()


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1,), (33,), (300_000,)], ids=str)
def test_normal_numbers(target, dtype, shape):
    emit = lambda m, d: emit_random_normal(m, "k", shape[0], d, STREAM)
    check(target, "random_normal", emit, shape, dtype)


RANGES = [
    (0, 1, "int64"),
    (-3, 9, "int64"),
    (0, 3 * 2**30, "int64"),  # many words are refused
    (0, 2**32 - 1, "int64"),
    (0, 2**32, "int64"),
    (-5, 2**32, "int64"),
    (0, 3 * 2**61, "int64"),
    (-(2**63), 2**63, "int64"),
    (-(2**31), 2**31, "int32"),
    (0, 3 * 2**30, "uint32"),
]


@EACH
@pytest.mark.parametrize(("low", "high", "dtype"), RANGES, ids=str)
def test_integers(target, low, high, dtype):
    emit = lambda m, d: emit_random_integers(m, "k", 2003, d, low, high, STREAM)
    check(target, "random_integers", emit, (2003,), dtype, low=low, high=high)


@EACH
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("shape", [(1,), (2,), (100,), (7, 33), (2, 3, 20)], ids=str)
def test_orders(target, dtype, shape):
    rows = int(np.prod(shape[:-1]))
    emit = lambda m, d: emit_random_permutation(m, "k", rows, shape[-1], d, STREAM)
    check(target, "random_permutation", emit, shape, dtype)


def test_a_compiled_step_draws_what_eager_execution_draws():
    def step():
        noise = pb.random.normal((40, 30)) + pb.random.normal((), dtype="float64")
        wide = pb.random.normal((3,), dtype="float64")
        return noise, pb.random.randint(0, 100, (50,)), pb.random.permutation(20), wide

    pb.random.manual_seed(5)
    want = [step() for _ in range(4)]
    pb.random.manual_seed(5)
    compiled = pb.compile(step)
    for expected in want:
        for got, one in zip(compiled(), expected, strict=True):
            assert got.dtype == one.dtype and got.numpy().tobytes() == one.numpy().tobytes()
    assert all(kernel.native for kernel in compiled.report().kernels)


@pytest.mark.parametrize("dtype", ["int16", "bool", "uint64"])
def test_integers_of_other_dtypes_are_drawn_by_numpy(dtype):
    high = 2 if dtype == "bool" else 100
    draw = lambda key, counter: CATALOGUE["random_integers"](
        key, counter, shape=(40,), dtype=np.dtype(dtype), low=0, high=high
    )
    compiled = pb.compile(draw)
    assert np.array_equal(compiled(np.uint64(7), np.int64(3)), draw(np.uint64(7), np.int64(3)))


def test_code_for_another_machine_is_emitted():
    target = narrowed("neon")
    module = Module(target.vector_bits)
    emit_random_normal(module, "a", 100, np.dtype(np.float32), STREAM)
    emit_random_integers(module, "b", 100, np.dtype(np.int64), 0, 10, STREAM)
    emit_random_permutation(module, "c", 3, 100, np.dtype(np.int64), STREAM)
    for name in "abc":
        module.functions[name].internal = False
    assert compile_text(module.text(), target)[:4] == b"\x7fELF"

"""Copies between arrays of any strides against NumPy: permutations, slices, repetition, every size of element."""

import ctypes
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullback.compile.emit.function import Module
from pullback.compile.emit.machine import compile_text, host, load, narrowed
from pullback.compile.emit.moving import Move, emit_move, turns

OTHERS = [t for t in ("avx2", "scalar") if t != host().name and (t == "scalar" or host().vector_bits > 256)]
TARGETS = [host().name, *(pytest.param(t, marks=pytest.mark.slow) for t in OTHERS)]
DTYPES = ["float32", "float64", "int64", "int32", "int16", "uint8", "bool"]


def strides(x):
    return tuple(s // x.itemsize for s in x.strides)


def moved(target, to, source, parts=1):
    """Copy by an emitted kernel, in several shares."""
    target = narrowed(target)
    module = Module(target.vector_bits)
    move = Move(to.shape, strides(to), strides(source), to.itemsize)
    units = emit_move(module, "k", move)
    module.functions["k"].internal = False
    code = load(compile_text(module.text(), target), target)
    function = code.function("k", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    edges = sorted({units * part // parts for part in range(parts + 1)})
    for begin, end in itertools.pairwise(edges):
        function(to.ctypes.data, source.ctypes.data, begin, end)
    return move


def numbers(shape, dtype):
    x = np.random.default_rng(0).integers(0, 256, (*shape, np.dtype(dtype).itemsize), np.uint8)
    if dtype == "bool":
        return (x[..., 0] % 2).astype(bool)
    return x.view(dtype)[..., 0].copy()  # any bits, NaN among them


def guarded(shape, dtype):
    """An array between numbers that must stay, and a function that says whether they did."""
    size = int(np.prod(shape))
    memory = np.full((size + 128) * np.dtype(dtype).itemsize, 0x5A, np.uint8).view(dtype)
    before = memory.copy()
    inside = memory[64 : 64 + size].reshape(shape)
    return (
        inside,
        lambda: (
            memory[:64].tobytes() == before[:64].tobytes()
            and memory[64 + size :].tobytes() == before[64 + size :].tobytes()
        ),
    )


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(16, 16), (64, 48), (17, 33), (3, 50), (50, 3), (2, 2), (1, 7), (100, 16), (5, 4000)], ids=str
)
@pytest.mark.parametrize("parts", [1, 3])
def test_transposition(target, dtype, shape, parts):
    x = numbers(shape, dtype)
    to, untouched = guarded(shape[::-1], dtype)
    move = moved(target, to, x.T, parts)
    assert turns(move) == (min(shape) > 1)
    assert to.tobytes() == np.ascontiguousarray(x.T).tobytes()
    assert untouched()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_every_order_of_four_axes(target, order):
    x = numbers((3, 5, 18, 20), "float32")
    wanted = np.ascontiguousarray(x.transpose(order))
    to, untouched = guarded(wanted.shape, "float32")
    moved(target, to, x.transpose(order), 4)
    assert to.tobytes() == wanted.tobytes()
    assert untouched()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_slices_repetition_and_backwards(target, dtype):
    x = numbers((6, 40, 70), dtype)
    for source in (
        x[:, ::-1],
        x[..., ::-1],
        x[::2, 3:20, 5:68],
        x[:, :, ::3],
        np.broadcast_to(x[:, :1], x.shape),
        np.broadcast_to(x[..., :1], x.shape),
        x[1, 2, 3:4],
        np.broadcast_to(x[0, 0, 0], (5000,)),
        x.reshape(-1),
        x.transpose(2, 0, 1)[::-1, 1:4],
    ):
        to, untouched = guarded(source.shape, dtype)
        moved(target, to, source, 3)
        assert np.array_equal(to, source, equal_nan=dtype == "float32")
        assert untouched()


@pytest.mark.parametrize("target", TARGETS)
def test_into_a_part_of_an_array(target):
    x = numbers((9, 30), "int32")
    whole = np.full((40, 25), -5, np.int32)
    want = whole.copy()
    want[3:33, 2:20:2] = x.T
    moved(target, whole[3:33, 2:20:2], x.T, 2)
    assert np.array_equal(whole, want)
    want[4:13, :] = x[:, :25][:, ::-1]
    moved(target, whole[4:13, :], x[:, :25][:, ::-1])
    assert np.array_equal(whole, want)


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 19), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
    st.sampled_from(["float32", "float64", "int16"]),
)
def test_any_copy(shape, random, dtype):
    x = numbers(shape, dtype)
    to = np.zeros(shape, dtype)
    first, second = (random.sample(range(len(shape)), len(shape)) for _ in range(2))
    source = np.ascontiguousarray(x.transpose(first)).transpose(np.argsort(first))
    place = np.zeros([shape[a] for a in second], dtype).transpose(np.argsort(second))
    moved(host().name, place, source, random.randint(1, 3))
    to[...] = place
    assert to.tobytes() == x.tobytes()


def test_code_for_another_machine_is_emitted():
    target = narrowed("neon")
    module = Module(target.vector_bits)
    emit_move(module, "k", Move((64, 48), (1, 64), (48, 1), 4))
    module.functions["k"].internal = False
    assert compile_text(module.text(), target)[:4] == b"\x7fELF"

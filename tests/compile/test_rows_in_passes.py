"""Rows that are gone through several times, one or two at a time: the numbers of eager execution, at every length."""

import numpy as np
import pytest

import pullback as pb
from pullback.compile.emit.chunks import Cut
from pullback.compile.emit.function import Module
from pullback.compile.lowering import lowered
from pullback.compile.nest import analysed
from pullback.compile.recompute import economical

rng = np.random.default_rng(0)


def normalised(x):
    centred = x - pb.mean(x, axis=-1, keepdims=True)
    return centred / pb.sqrt(pb.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)


FUNCTIONS = {"softmax": lambda x: pb.softmax(x, axis=-1), "normalised": normalised}


def cuts(function, x):
    groups = economical(lowered(pb.compile(function).graph(x)))
    return [Cut(Module(512), analysed(g, set())) for g in groups if g.kind == "nest" and g.folded]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("length", [1, 7, 40, 130, 200, 600])
@pytest.mark.parametrize("rows", [(1,), (2,), (3,), (8,), (3, 4), (2, 5), (5, 2)])
def test_rows_of_every_length_and_number(rows, length, name):
    x = rng.normal(size=(*rows, length)).astype(np.float32) * 3
    want = np.asarray(FUNCTIONS[name](x))
    np.testing.assert_allclose(np.asarray(pb.compile(FUNCTIONS[name])(x)), want, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("rows", "length", "together"), [(8, 130, 2), (7, 130, 1), (8, 600, 1)])
def test_an_even_number_of_short_rows_is_done_two_at_a_time(rows, length, together):
    found = cuts(FUNCTIONS["softmax"], rng.normal(size=(rows, length)).astype(np.float32))
    assert [cut.together for cut in found] == [together]


@pytest.mark.parametrize("shape", [(16, 130), (6, 8, 130)])
def test_the_number_of_threads_changes_no_bit(shape):
    x = rng.normal(size=shape).astype(np.float32)
    before = pb.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            pb.set_num_threads(threads)
            compiled = pb.compile(FUNCTIONS["softmax"])
            results.append([np.asarray(compiled(x)) for _ in range(20)])
    finally:
        pb.set_num_threads(before)
    assert all(np.array_equal(results[0][0], y) for some in results for y in some)

"""Arrays read across their order in memory: compiled programs turn large ones by squares, and give eager's numbers."""

import numpy as np
import pytest

import pullback as pb
from pullback.compile.lowering import lowered
from pullback.compile.program import Special


def turned(x, *axes):
    return pb.permute_dims(x, axes)


CASES = {
    "a copy": (lambda x: pb.reshape(turned(x, 1, 0), (-1,)), (130, 70), 1),
    "beside what lies along it": (lambda x: pb.reshape(x, (70, 130)) + turned(x, 1, 0), (130, 70), 1),
    "twice the same": (lambda x: pb.reshape(x, (70, 130)) * turned(x, 1, 0) - turned(x, 1, 0), (130, 70), 2),
    "four axes": (lambda x: pb.reshape(turned(x, 0, 2, 3, 1), (-1,)) + 1.0, (3, 20, 9, 17), 1),
    "in parts": (lambda x: pb.concat([turned(x, 1, 0), pb.zeros((80, 4))], axis=1), (90, 80), 1),
    "small": (lambda x: pb.reshape(turned(x, 1, 0), (-1,)), (13, 7), 0),
    "a sum needs no order": (lambda x: pb.sum(pb.exp(turned(x, 1, 0)), axis=1), (130, 70), 0),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("name", CASES)
def test_a_program_that_turns_its_arrays(name, dtype):
    function, shape, most = CASES[name]
    x = pb.tensor((np.random.default_rng(0).normal(size=shape) * 9).astype(dtype))
    compiled = pb.compile(function)
    np.testing.assert_allclose(np.asarray(compiled(x)), np.asarray(function(x)), rtol=3e-6, atol=1e-5)
    program = lowered(pb.compile(function).graph(x))
    moves = [i for i in program.instructions if isinstance(i, Special) and i.kind == "move"]
    assert len(moves) <= most and bool(moves) == bool(most)


def test_what_is_repeated_is_turned_once():
    def function(x, y):
        return pb.reshape(x, (1, 40, 200)) * turned(y, 0, 2, 1) + 1.0

    rng = np.random.default_rng(0)
    x, y = (pb.tensor(rng.normal(size=s).astype(np.float32)) for s in ((40, 200), (1, 200, 40)))
    np.testing.assert_allclose(np.asarray(pb.compile(function)(x, y)), np.asarray(function(x, y)), rtol=1e-6, atol=1e-6)
    wide = lambda x, y: pb.reshape(x, (3, 40, 200)) * turned(y, 0, 2, 1)
    x = pb.tensor(rng.normal(size=(120, 200)).astype(np.float32))
    np.testing.assert_allclose(np.asarray(pb.compile(wide)(x, y)), np.asarray(wide(x, y)), rtol=1e-6, atol=1e-6)

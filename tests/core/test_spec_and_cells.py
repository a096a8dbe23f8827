"""Specs, families and cells: what the floors above rely on."""

import numpy as np
import pytest

import pullback as pb
from pullback.core import space
from pullback.core.cell import Cell, storing
from pullback.core.families import elementwise, linear
from pullback.core.mapping import CATALOGUE, declare, unsupported
from pullback.core.spec import Spec, operand, result_dtype, spec_of

F32, F64, I64 = np.dtype("float32"), np.dtype("float64"), np.dtype("int64")


def test_python_numbers_are_weak():
    assert result_dtype(Spec((), F32), spec_of(2.0)) == F32
    assert result_dtype(Spec((), F32), spec_of(np.float64(2.0))) == F64
    assert result_dtype(Spec((), I64), spec_of(True)) == I64
    assert operand(2.0).dtype == F32 and operand([1.0, 2.0]).dtype == F32 and operand(3).dtype == I64
    with pytest.raises(TypeError, match="got str"):
        operand("two")
    with pytest.raises(ValueError, match="ragged"):
        operand([[1.0], [1.0, 2.0]])


def test_dtypes_go_by_the_names_of_the_array_api():
    assert pb.zeros((2,), dtype=pb.float64).dtype == F64 and pb.ones(2, dtype=pb.int64).dtype == I64
    assert pb.result_type(pb.ones(2), 1.0) == F32 and pb.result_type("float32", np.ones(2)) == F64
    assert pb.result_type(1, 2.0) == F64 and pb.finfo(pb.float32).bits == 32 and pb.isdtype(F32, "real floating")
    assert pb.tensor([1.0, 2.0])[pb.newaxis].shape == (1, 2) and pb.cos(pb.tensor(pb.pi)).item() == -1.0
    with pytest.raises(TypeError, match="at least one"):
        pb.result_type()


def test_shapes_that_do_not_broadcast_name_the_arguments():
    with pytest.raises(pb.ShapeError, match=r"multiply.*a: \(2,\), b: \(3,\)"):
        pb.tensor(np.ones(2)) * np.ones(3)
    with pytest.raises(pb.DtypeError, match=r"bitwise_and.*float64"):
        pb.tensor(np.ones(2)) & np.ones(2)
    with pytest.raises(pb.ShapeError, match="matmul"):
        pb.grad(lambda x: pb.sum(x @ np.ones((4, 2))))(np.ones((2, 3)))
    with pytest.raises(pb.ShapeError, match=r"multiply.*a: \(2,\), b: \(3,\)"):
        pb.trace(lambda a, b: a * b)(np.ones(2), np.ones(3))


def test_a_family_derives_what_is_not_declared():
    cube = elementwise("cube", lambda x: x**3, lambda x, y: pb.multiply(3, pb.square(x)), enter=False)
    assert "cube" not in CATALOGUE
    x = np.array([1.0, 2.0])
    assert pb.grad(lambda x: pb.sum(cube(x)))(x).tolist() == [3.0, 12.0]
    assert pb.jvp(cube, (x,), (x,))[1].tolist() == [3.0, 24.0]
    assert pb.vmap(cube)(x).tolist() == [1.0, 8.0]
    assert pb.hessian(lambda x: pb.sum(cube(x)))(x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    assert pb.trace(cube)(x).tolist() == [1.0, 8.0]


def test_a_refused_facet_says_why():
    odd = linear("odd", lambda x: x, lambda x: x, unsupported("odd has no transpose"), None, enter=False)
    x = pb.value(1.0)
    with pytest.raises(pb.UnsupportedError, match="odd has no transpose"):
        odd(x).backward()


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="already has"):
        declare(pb.add)


def test_zero_stays_symbolic_and_constants_cost_nothing():
    g = np.ones(3)
    assert space.scale(g, 1) is g and space.scale(g, 0) is None
    assert space.add(None, g) is g and space.add(g, None) is g
    assert space.fit(np.ones((2, 3)), Spec((3,), F32)).tolist() == [2.0, 2.0, 2.0]
    assert space.fit(np.ones((2, 3)), Spec((1, 3), F32)).dtype == F32


def test_reads_and_writes_go_to_the_active_store():
    class Log:
        def __init__(self):
            self.events = []

        def read(self, cell):
            self.events.append("read")
            return 42

        def write(self, cell, value):
            self.events.append(value)

    cell, log = Cell(1, name="c"), Log()
    with storing(log):
        assert cell.read() == 42
        cell.write(7)
    assert cell.read() == 1 and log.events == ["read", 7] and repr(cell) == "Cell('c')"

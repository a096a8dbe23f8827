"""After each pass the program is looked at: what does not fit together is found there, with the name of the pass."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import pullback as pb
from pullback import nn
from pullback.compile.access import Access, Immediate, Iota
from pullback.compile.expand import expanded
from pullback.compile.lowering import lowered
from pullback.compile.program import Fold, Point, Product, RowMove
from pullback.compile.soundness import Soundness, UnsoundProgram
from pullback.core.spec import Spec
from pullback.transforms.graph import Symbol

rng = np.random.default_rng(0)
TABLE, WEIGHT = rng.normal(size=(6, 5)), rng.normal(size=(4, 5))
POSITIONS = np.array([0, 3, 5, 1])


def f(table, weight, i):
    y = nn.functional.linear(pb.take(table, i, axis=0), weight)
    return pb.sum(pb.tanh(y) * 2, axis=0), pb.max(y, axis=1)


@pytest.fixture
def program():
    return lowered(pb.compile(f).graph(TABLE, WEIGHT, POSITIONS)).instructions


def first(program, kind, **having):
    wanted = (i for i in program if isinstance(i, kind) and all(getattr(i, k) == v for k, v in having.items()))
    return next(wanted)


def refused(program, old, new, words):
    changed = [new if i is old else i for i in program]
    with pytest.raises(UnsoundProgram, match=words) as caught:
        Soundness().look("a pass", changed)
    assert "after 'a pass'" in str(caught.value) and "compile=False" in str(caught.value)


def test_a_sound_program_is_in_order(program):
    Soundness().look("lowered", program)


def test_a_result_of_another_shape(program):
    tanh = first(program, Point, name="tanh")
    smaller = replace(tanh.out, shape=(2, 4))
    refused(program, tanh, replace(tanh, out=smaller), r"result has shape \(2, 4\), the loops \(4, 4\)")


def test_an_operand_of_another_shape(program):
    tanh = first(program, Point, name="tanh")
    operand = replace(tanh.operands[0], shape=(2, 4))
    refused(program, tanh, replace(tanh, operands=(operand,)), r"operand has shape \(2, 4\)")


def test_an_element_written_twice(program):
    tanh = first(program, Point, name="tanh")
    refused(program, tanh, replace(tanh, out=replace(tanh.out, strides=(0, 1))), "written several times")
    Soundness(grouped=True).look("a pass", [replace(i, out=replace(i.out, strides=(0, 1))) if i is tanh else i
                                            for i in program])


def test_an_axis_that_is_not_there(program):
    tanh = first(program, Point, name="tanh")
    refused(program, tanh, replace(tanh, operands=(Iota(2, np.dtype(np.int64)),)), "no axis 2")


def test_what_reaches_out_of_its_array(program):
    tanh = first(program, Point, name="tanh")
    for change in ({"offset": 1}, {"strides": (5, 1)}, {"strides": (-4, 1)}):
        refused(program, tanh, replace(tanh, out=replace(tanh.out, **change)), "reaches out of its array")


def test_a_fold_that_moves_where_it_folds(program):
    fold = first(program, Fold, operation="add")
    moves = replace(fold, out=Access(first(program, Point, name="tanh").out.array, 0, (4, 4), (4, 1)))
    refused(program, fold, moves, "moves along axis 0")
    refused(program, fold, replace(fold, axes=()), "rests along axis 0")
    refused(program, fold, replace(fold, shape=(4, 2)), "another shape than the loops")


def test_matrices_that_do_not_fit(program):
    product = first(program, Product)
    refused(program, product, replace(product, b=replace(product.b, shape=(4, 4))), "times .* is not")
    single = lowered(pb.compile(f).graph(TABLE.astype(np.float32), WEIGHT, POSITIONS)).inputs[0]
    narrow = Access(single, 0, (4, 5), (5, 1))
    refused(program, product, replace(product, a=narrow), "dtypes float32, float64 meet")


def test_rows_that_are_not_the_tables(program):
    move = first(program, RowMove)
    refused(program, move, replace(move, positions=replace(move.positions, shape=(3,))), "are not the rows of")
    refused(program, move, replace(move, rows=replace(move.rows, strides=(1, 4))), "have gaps")
    other = replace(move.table, shape=(4,), strides=(1,))
    refused(program, move, replace(move, positions=other), "positions are float64")


def test_what_is_read_before_it_is_written(program):
    product = first(program, Product)
    with pytest.raises(UnsoundProgram, match="read before it is written"):
        Soundness().look("a pass", [i for i in program if i is not product])
    with pytest.raises(UnsoundProgram, match="read before it is written"):
        Soundness(closed=False).look("a pass", [*(i for i in program if i is not product), product])
    Soundness(closed=False).look("a pass", [i for i in program if i is not product])  # it may lie around a loop's body


def test_a_body_that_gives_something_else_than_its_composite():
    wide = pb.compile(lambda x: pb.softmax(x)).graph(np.ones(3))
    (equation,) = [e for e in wide.equations if e.mapping.name == "softmax"]
    (symbol,) = equation.outputs
    for shape, dtype in (((4,), np.float64), ((3,), np.float32)):
        broken = replace(equation, outputs=(Symbol(symbol.index, Spec(shape, np.dtype(dtype))),))
        with pytest.raises(UnsoundProgram, match="after 'expanded', the body of softmax"):
            expanded(replace(wide, equations=[broken]), lambda equation: equation.mapping.name != "softmax")


def test_a_pass_that_breaks_something_is_named(monkeypatch):
    def summed(lowering, instructions):
        return [replace(i, operands=(Immediate(1.0, np.dtype(np.float64)), Iota(7, np.dtype(np.int64))))
                if isinstance(i, Point) and i.name == "multiply" else i for i in instructions]

    monkeypatch.setattr("pullback.compile.lowering.summed", summed)
    with pytest.raises(UnsoundProgram, match=r"after 'summed', Point of multiply: there is no axis 7"):
        pb.compile(f)(TABLE, WEIGHT, POSITIONS)

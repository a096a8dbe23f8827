"""Products whose epilogue reads much: it is asked for row by row, once, before the sums; and nothing else changes."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import pullback as pb
from pullback.compile.emit.product import Product, emit_product
from pullback.compile.emit.types import FLOAT
from pullback.compile.lowering import lowered
from pullback.compile.planning import made

WIDTH = 150


class Noted:
    """An epilogue that counts in the table, instead of asking, and adds the counts that it finds."""

    def __init__(self, asks):
        self.asks = asks

    def ask(self, f, row, column, columns, table):
        place = f.at(table, f.plus(f.times(row, WIDTH), column))
        with f.loop(0, columns) as loop:
            here = f.at(place, loop.index)
            old = f.load(FLOAT, here)
            f.store(f.add(old, f.constant(old, 1.0)), here)

    def __call__(self, f, vector, row, column, lanes, table):
        place = f.at(table, f.plus(f.times(row, WIDTH), column))
        return f.add(vector, f.load(vector.type, place, lanes))


@pytest.mark.parametrize("kind", ["avx512", "avx2", "scalar"])
@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("depth", [7, 300, 900])
@pytest.mark.parametrize(("rows", "columns"), [(13, WIDTH), (32, 64), (1, 33)])
def test_every_element_is_asked_for_once_before_it_is_read(emitted, kind, asks, depth, rows, columns):
    product = Product(rows, columns, depth, depth, 1, columns, 1, columns)
    _, run = emitted.compiled(kind, emit_product, product, Noted(asks))
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal(shape).astype(np.float32) for shape in ((rows, depth), (depth, columns)))
    c, counts = emitted.Guarded(np.zeros((rows, columns), np.float32)), emitted.Guarded(np.zeros((rows, WIDTH)))
    run(c, emitted.Guarded(left), emitted.Guarded(right), table=counts)
    wanted = left.astype(np.float64) @ right + asks
    np.testing.assert_allclose(c.array, wanted, rtol=1e-4, atol=1e-4)
    assert (counts.array[:, :columns] == asks).all()
    assert not counts.array[:, columns:].any() and counts.untouched()


def step(x, w, y):
    return pb.tanh(x @ w + y) * y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "columns", "far"), [(67, 601, True), (300, 255, True), (5, 40, False)])
def test_a_compiled_product_with_a_large_operand_behind_it(dtype, rows, columns, far):
    rng = np.random.default_rng(1)
    shapes = (rows, 70), (70, columns), (rows, columns)
    arguments = [pb.tensor(rng.standard_normal(shape).astype(dtype)) for shape in shapes]
    compiled = pb.compile(step)
    np.testing.assert_allclose(
        np.asarray(compiled(*arguments)), np.asarray(step(*arguments)), rtol=2e-5 if dtype == "float32" else 1e-12,
        atol=1e-4 if dtype == "float32" else 1e-11,
    )
    plan = made(lowered(compiled.graph(*arguments)))
    assert ("call void @llvm.prefetch" in plan.text) == far

"""Emitted matrix products against NumPy in double precision: all strides, splits, epilogues, each target."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from pullback.compile.emit import cut
from pullback.compile.emit.function import Module
from pullback.compile.emit.machine import compile_text, narrowed
from pullback.compile.emit.product import Batch, Product, emit_batched_product, emit_product
from pullback.compile.emit.types import DOUBLE, FLOAT, Operand

TARGETS = ["avx512", "avx2", "scalar"]


@st.composite
def products(draw, type=FLOAT):
    size = st.one_of(st.integers(1, 20), st.integers(1, 150))
    rows, columns = draw(size), draw(size)
    depth = draw(st.one_of(st.integers(1, 40), st.integers(300, 900)))
    more = st.integers(0, 5)
    a = (1, rows + draw(more)) if draw(st.booleans()) else (depth + draw(more), 1)
    b = (1, depth + draw(more)) if draw(st.booleans()) else (columns + draw(more), 1)
    return Product(rows, columns, depth, *a, *b, columns + draw(more), draw(st.booleans()), type)


def view(flat, shape, strides):
    size = flat.itemsize
    return np.lib.stride_tricks.as_strided(flat, shape, tuple(s * size for s in strides))


def random_operands(product, seed, dtype=np.float32):
    p = product
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((p.rows - 1) * p.a_row + (p.depth - 1) * p.a_depth + 1).astype(dtype)
    b = rng.standard_normal((p.depth - 1) * p.b_depth + (p.columns - 1) * p.b_column + 1).astype(dtype)
    c = rng.standard_normal((p.rows - 1) * p.c_row + p.columns).astype(dtype)
    return a, b, c


def expected(p, a, b, c):
    """Return the product in double precision, and the bound on each element's error."""
    a = view(a, (p.rows, p.depth), (p.a_row, p.a_depth)).astype(np.float64)
    b = view(b, (p.depth, p.columns), (p.b_depth, p.b_column)).astype(np.float64)
    c = view(c, (p.rows, p.columns), (p.c_row, 1))
    eps = np.finfo(c.dtype).eps
    c = c.astype(np.float64) if p.accumulate else np.zeros(c.shape)
    return a @ b + c, (p.depth + 2) * eps * (np.abs(a) @ np.abs(b) + np.abs(c))


@pytest.mark.parametrize("kind", TARGETS)
@settings(max_examples=25, deadline=None)
@given(product=products(), seed=st.integers(0, 1000), where=st.floats(0, 1))
def test_every_shape_and_stride(emitted, kind, product, seed, where):
    kernel, run = emitted.compiled(kind, emit_product, product)
    a, b, old = random_operands(product, seed)
    c, a, b = emitted.Guarded(old), emitted.Guarded(a), emitted.Guarded(b)
    run(c, a, b)
    wanted, bound = expected(product, a.array, b.array, old)
    rows = view(c.array, (product.rows, product.columns), (product.c_row, 1))
    assert (np.abs(rows - wanted) <= bound).all()
    between = np.ones(len(old), bool)
    view(between, (product.rows, product.columns), (product.c_row, 1))[...] = False
    assert (c.array[between] == old[between]).all(), "the kernel wrote between C's rows"

    half = round(where * kernel.units)
    again = emitted.Guarded(old)
    run(again, a, b, 0, half)
    run(again, a, b, half, kernel.units)
    assert (again.array == c.array).all(), "splitting the work changed the result"


@pytest.mark.parametrize("shape", [(100, 300, 70), (257, 260, 300), (63, 129, 20), (300, 70, 260)])
@pytest.mark.parametrize("turned", ["neither", "a", "b", "both"])
@pytest.mark.parametrize("kind", TARGETS)
def test_what_only_large_matrices_need(emitted, kind, turned, shape, monkeypatch):
    """Blocks of rows, and copies of rows that are a page apart."""
    monkeypatch.setattr(cut, "BLOCK", 1 << 11)
    rows, columns, depth = shape
    left = (1, 1024) if turned in ("a", "both") else (1024, 1)
    right = (1, 1024) if turned in ("b", "both") else (1024, 1)
    product = Product(rows, columns, depth, *left, *right, columns, turned != "a")
    target = Module(narrowed(kind).vector_bits)
    assert cut.Cut(target, product).blocked or -(-columns // target.lanes(FLOAT)) < 9
    kernel, run = emitted.compiled(kind, emit_product, product)
    a, b, old = random_operands(product, 8)
    c, a, b = emitted.Guarded(old), emitted.Guarded(a), emitted.Guarded(b)
    run(c, a, b)
    wanted, bound = expected(product, a.array, b.array, old)
    assert (np.abs(c.array.reshape(rows, columns) - wanted) <= bound).all()
    again = emitted.Guarded(old)
    for edge in itertools.pairwise([0, kernel.units // 3, kernel.units]):
        run(again, a, b, *edge)
    assert (again.array == c.array).all()


@pytest.mark.parametrize("columns", [3, 4, 5, 8, 10, 12])
@pytest.mark.parametrize("depth", [64, 101, 784])
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("kind", ["avx512", "avx2"])
def test_narrow_products_of_rows_that_lie_along_the_depth(emitted, kind, columns, depth, accumulate):
    """Vectors of the depth, whose sums come to lie beside each other."""
    for rows in (9, 32):
        product = Product(rows, columns, depth, depth + 3, 1, 1, depth, columns + 2, accumulate)
        if columns in (3, 10) and depth == 784:
            assert cut.Cut(Module(narrowed(kind).vector_bits), product).dots
        for epilogue in (None, bias_and_square):
            kernel, run = emitted.compiled(kind, emit_product, product, *([epilogue] if epilogue else []))
            a, b, old = random_operands(product, columns)
            bias = np.random.default_rng(4).standard_normal(columns).astype(np.float32)
            c, a, b, table = (emitted.Guarded(x) for x in (old, a, b, bias))
            half = kernel.units // 2
            run(c, a, b, 0, half, table=table)
            run(c, a, b, half, kernel.units, table=table)
            wanted, bound = expected(product, a.array, b.array, old)
            if epilogue:
                bound = 1e-3 + 1e-4 * np.abs(wanted)
                wanted = (wanted + bias) ** 2 + 1000 * np.arange(rows)[:, None]
            found = view(c.array, (rows, columns), (columns + 2, 1))
            assert (np.abs(found - wanted) <= bound + 1e-6 * np.abs(wanted)).all()
            between = np.ones(len(old), bool)
            view(between, (rows, columns), (columns + 2, 1))[...] = False
            assert (c.array[between] == old[between]).all()
            assert c.untouched()


@settings(max_examples=20, deadline=None)
@given(product=products(DOUBLE), seed=st.integers(0, 1000), kind=st.sampled_from(TARGETS))
def test_double_precision(emitted, product, seed, kind):
    _, run = emitted.compiled(kind, emit_product, product)
    a, b, old = random_operands(product, seed, np.float64)
    c, a, b = (emitted.Guarded(x, np.float64) for x in (old, a, b))
    run(c, a, b)
    wanted, bound = expected(product, a.array, b.array, old)
    assert (np.abs(view(c.array, wanted.shape, (product.c_row, 1)) - wanted) <= bound).all()


def bias_and_square(f, vector, row, column, lanes, table):
    """Return (vector + table[column])², and add 1000·row so that a wrong row shows."""
    type = vector.type
    bias = f.load(type, f.at(table, column), lanes)
    total = f.add(vector, bias)
    number = f.value(FLOAT, f"uitofp i64 {row} to float")
    return f.add(f.mul(total, total), f.spread(f.mul(number, f.constant(number, 1000)), type.lanes))


def long_epilogue(f, vector, row, column, lanes, table):
    total = bias_and_square(f, vector, row, column, lanes, table)
    for _ in range(30):
        total = f.mul(f.add(total, f.constant(total, 1.0)), f.constant(total, 0.5))
    return total


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("epilogue", [bias_and_square, long_epilogue])
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("shape", [(13, 70, 20), (7, 3, 801), (64, 33, 784), (1, 200, 5), (200, 1, 70)])
@pytest.mark.parametrize("turned", ["neither", "a", "b"])
def test_the_epilogue_sees_each_finished_vector_once(emitted, kind, epilogue, accumulate, shape, turned):
    rows, columns, depth = shape
    left = (1, rows) if turned == "a" else (depth, 1)
    right = (1, depth) if turned == "b" else (columns, 1)
    product = Product(rows, columns, depth, *left, *right, columns, accumulate)
    _, run = emitted.compiled(kind, emit_product, product, epilogue)
    a, b, old = random_operands(product, 3)
    bias = np.random.default_rng(4).standard_normal(columns).astype(np.float32)
    c, a, b, table = emitted.Guarded(old), emitted.Guarded(a), emitted.Guarded(b), emitted.Guarded(bias)
    run(c, a, b, table=table)
    wanted, _ = expected(product, a.array, b.array, old)
    wanted = (wanted + bias) ** 2 + 1000 * np.arange(rows)[:, None]
    if epilogue is long_epilogue:
        for _ in range(30):
            wanted = (wanted + 1) * 0.5
    np.testing.assert_allclose(c.array.reshape(rows, columns), wanted, rtol=2e-5, atol=2e-3)


@pytest.mark.parametrize("kind", TARGETS)
def test_an_epilogue_that_stores_by_itself_leaves_c_alone(emitted, kind):
    def elsewhere(f, vector, row, column, lanes, table):
        f.store(f.neg(vector), f.at(table, f.plus(f.times(row, 70), column)), lanes)
        return None

    product = Product(13, 70, 20, 20, 1, 70, 1, 70)
    kernel, run = emitted.compiled(kind, emit_product, product, elsewhere)
    assert not kernel.needs_c
    a, b, old = random_operands(product, 5)
    c, a, b, table = emitted.Guarded(old), emitted.Guarded(a), emitted.Guarded(b), emitted.Guarded(np.zeros(13 * 70))
    run(c, a, b, table=table)
    assert (c.array == old).all()
    wanted, bound = expected(product, a.array, b.array, old)
    assert (np.abs(table.array.reshape(13, 70) + wanted) <= bound).all()
    assert table.untouched()


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("turned", [False, True])
def test_a_batch_with_broadcast_operands_and_any_split(emitted, kind, turned):
    rows, columns, depth, shape = 9, 21, 17, (3, 4)
    b = (1, depth) if turned else (columns, 1)
    product = Product(rows, columns, depth, depth * 4, 1, *b, columns)
    # A is (3, rows, 4, depth), as attention's heads lie; B is the same along the first axis of the batch.
    batch = Batch(shape, (rows * 4 * depth, depth), (0, depth * columns), (4 * rows * columns, rows * columns))
    rng = np.random.default_rng(6)
    left = rng.standard_normal((3, rows, 4, depth)).astype(np.float32)
    right = rng.standard_normal((4, columns, depth) if turned else (4, depth, columns)).astype(np.float32)

    def number_rows(f, vector, row, column, lanes, table) -> Operand:
        return f.add(vector, f.spread(f.value(FLOAT, f"uitofp i64 {row} to float"), vector.type.lanes))

    kernel, run = emitted.compiled(kind, emit_batched_product, product, batch, number_rows)
    wanted = np.einsum("irjk,jck->ijrc" if turned else "irjk,jkc->ijrc", left.astype(float), right.astype(float))
    wanted = wanted + np.arange(12 * rows).reshape(3, 4, rows, 1)
    a, right = emitted.Guarded(left), emitted.Guarded(right)
    whole = emitted.Guarded(np.zeros(wanted.shape))
    run(whole, a, right)
    np.testing.assert_allclose(whole.array.reshape(wanted.shape), wanted, atol=2e-5)
    pieces = emitted.Guarded(np.zeros(wanted.shape))
    edges = [0, 1, 1, kernel.units // 3, kernel.units // 2 + 1, kernel.units]
    for begin, end in itertools.pairwise(edges):
        run(pieces, a, right, begin, end)
    assert (pieces.array == whole.array).all()


@pytest.mark.parametrize("kind", TARGETS)
def test_nan_and_infinity_go_where_numpy_sends_them(emitted, kind):
    product = Product(13, 70, 20, 20, 1, 1, 20, 70)
    a, b, _ = random_operands(product, 7)
    a[5], a[47], b[200], b[333] = np.nan, np.inf, np.inf, np.nan
    _, run = emitted.compiled(kind, emit_product, product)
    c = emitted.Guarded(np.zeros(13 * 70))
    run(c, emitted.Guarded(a), emitted.Guarded(b))
    with np.errstate(invalid="ignore"):
        wanted = a.reshape(13, 20) @ b.reshape(70, 20).T
    np.testing.assert_allclose(c.array.reshape(13, 70), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("turned", [False, True])
def test_an_arm_processor_gets_its_code(turned):
    target = narrowed("neon")
    module = Module(target.vector_bits)
    emit_product(module, "kernel", Product(13, 70, 401, 401, 1, *((1, 401) if turned else (70, 1)), 70))
    module.functions["kernel"].internal = False
    assert compile_text(module.text(), target)[:4] == b"\x7fELF"


def test_a_product_without_a_unit_stride_is_refused():
    with pytest.raises(ValueError, match="one stride of B must be 1, got 7 and 2"):
        Product(3, 4, 5, 5, 1, 7, 2, 4)
    with pytest.raises(ValueError, match="at least one row"):
        Product(3, 4, 0, 5, 1, 4, 1, 4)

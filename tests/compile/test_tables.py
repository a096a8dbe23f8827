"""Rows of a table times a matrix: compiled, the table is multiplied, and nothing else changes."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import pullback as pb
from pullback import nn, optim
from pullback.compile.lowering import lowered
from pullback.compile.program import Product, RowMove

rng = np.random.default_rng(0)
ROWS, WIDTH, HIDDEN = 12, 24, 20


def parameters(dtype=np.float64):
    table, weight, bias = (rng.normal(size=s).astype(dtype) for s in ((ROWS, WIDTH), (HIDDEN, WIDTH), (HIDDEN,)))
    return [pb.tensor(x) for x in (table, weight, bias)]


def plain(table, weight, bias, i):
    return nn.functional.linear(pb.take(table, i, axis=0), weight, bias)


def time_first(table, weight, bias, i):
    rows = pb.permute_dims(pb.take(table, i, axis=0), (1, 0, 2))
    return nn.functional.linear(rows, weight, bias)


def two_layers_of_one_embedding(table, weight, bias, i):
    rows = pb.take(table, i, axis=0)
    return pb.tanh(rows @ weight.T + bias) * pb.sigmoid(2 * rows @ weight.T)


def used_otherwise_as_well(table, weight, bias, i):
    rows = pb.take(table, i, axis=0)
    return nn.functional.linear(rows, weight, bias) * pb.sum(rows, axis=-1, keepdims=True)


def scaled_before(table, weight, bias, i):
    return nn.functional.linear(pb.take(table, i, axis=0) * 4.9 + 1, weight, bias)


def told_apart_by_place(table, weight, bias, i):
    rows = pb.take(table, i, axis=0)
    return nn.functional.linear(rows + pb.reshape(np.arange(float(i.size)), (*i.shape, 1)), weight, bias)


def reversed_in_time(table, weight, bias, i):
    rows = pb.flip(pb.take(table, i, axis=0), axis=0)
    return nn.functional.linear(rows, weight, bias)


def from_the_left(table, weight, bias, i):
    rows = pb.reshape(pb.take(table, i, axis=0), (-1, WIDTH))
    return pb.permute_dims(weight @ pb.permute_dims(rows, (1, 0)), (1, 0)) + bias


def two_tables(table, weight, bias, i):
    one, other = pb.take(table, i, axis=0), pb.take(pb.tanh(table), (i + 3) % ROWS, axis=0)
    return one @ weight.T + other @ pb.sin(weight).T + bias


def half_of_each_row(table, weight, bias, i):
    rows = pb.take(table, i, axis=0)[..., : WIDTH // 2]
    return rows @ weight[:, : WIDTH // 2].T + bias


PROGRAMS = [
    plain,
    time_first,
    two_layers_of_one_embedding,
    used_otherwise_as_well,
    scaled_before,
    told_apart_by_place,
    reversed_in_time,
    from_the_left,
    two_tables,
    half_of_each_row,
]


def gradients(program):
    def f(table, weight, bias, i):
        def loss(table, weight, bias):
            y = program(table, weight, bias, i)
            return pb.sum(pb.cos(y) * np.linspace(1, 2, i.size).reshape(*y.shape[:-1], 1))

        return pb.value_and_grad(loss, argnums=(0, 1, 2))(table, weight, bias)

    return f


def arrays(result):
    value, found = result
    return [np.asarray(value), *(np.asarray(g) for g in found)]


def compare(program, operands, i, rtol=1e-11):
    f = gradients(program)
    with np.errstate(all="ignore"):
        for got, want in zip(arrays(pb.compile(f)(*operands, i)), arrays(f(*operands, i)), strict=True):
            np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * 10)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("shape", [(64,), (5, 7), (16, 8)], ids=str)
def test_values_and_gradients_equal_eager(program, shape):
    if program is time_first and len(shape) == 1:
        pytest.skip("needs two axes")
    compare(program, parameters(), rng.integers(0, ROWS - 2, shape))  # the last two rows are never named


@pytest.mark.parametrize("program", PROGRAMS[:2], ids=lambda p: p.__name__)
def test_positions_from_the_end(program):
    compare(program, parameters(), rng.integers(-ROWS, ROWS, (8, 9)))


def products(function, *args):
    program = lowered(pb.compile(function).graph(*args))
    found = [p for p in program.instructions if isinstance(p, Product)]
    return {n for p in found for n in (p.out.shape[-2], p.a.shape[-1])}, program


@pytest.mark.parametrize("program", [plain, time_first], ids=lambda p: p.__name__)
def test_no_product_is_longer_than_the_table(program):
    # Else the tests above would show nothing of it.
    lengths, made = products(gradients(program), *parameters(), rng.integers(0, ROWS, (16, 8)))
    assert lengths and max(lengths) <= max(ROWS, WIDTH, HIDDEN)
    wide = [i for i in made.instructions if isinstance(i, RowMove) and i.scatter and i.table.shape[-1] > 1]
    assert len(wide) == 1, "one sum over what came back, for the table's gradient and the weight's"


def test_a_table_of_as_many_rows_stays_as_it_is():
    lengths, _ = products(gradients(plain), *parameters(), rng.integers(0, ROWS, ROWS + 2))
    assert ROWS + 2 in lengths


@pytest.mark.parametrize("which", ["row", "weight", "bias"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_and_not_named_takes_no_part(which, value):
    table, weight, bias = (p.numpy().copy() for p in parameters())
    {"row": table[-1], "weight": weight[3], "bias": bias}[which][:2] = value
    i = rng.integers(0, ROWS - 1, (8, 9))
    f = gradients(plain)
    with np.errstate(all="ignore"):
        found, wanted = (arrays(g(*map(pb.tensor, (table, weight, bias)), i)) for g in (pb.compile(f), f))
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10)
    assert np.isfinite(found[1][-1]).all() and not found[1][-1].any(), "the row that nobody named has no gradient"


def test_a_position_outside_is_refused_and_nothing_changes():
    model = nn.Sequential(nn.Embedding(ROWS, WIDTH), nn.Linear(WIDTH, HIDDEN))
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @pb.compile
    def step(i):
        optimizer.zero_grad()
        loss = pb.sum(model(i) ** 2)
        loss.backward()
        optimizer.step()
        return loss.detach()

    i = rng.integers(0, ROWS, (4, 10))
    step(i)
    before = [p.numpy().copy() for p in model.parameters()]
    wrong = i.copy()
    wrong[-1, -1] = ROWS
    with pytest.raises(IndexError):
        step(wrong)
    for p, values in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.numpy(), values)


@pytest.mark.parametrize("frozen", [0, 1], ids=["embedding", "linear"])
def test_a_frozen_half(frozen):
    table, weight, bias = parameters()
    i = rng.integers(0, ROWS, (6, 11))

    def f(x, i):
        parts = [table, weight]
        parts[1 - frozen] = x
        return pb.grad(lambda x: pb.sum(pb.sin(plain(*[x if k == 1 - frozen else p for k, p in enumerate(parts)],
                                                     bias, i))))(x)

    x = (table, weight)[1 - frozen]
    np.testing.assert_allclose(np.asarray(pb.compile(f)(x, i)), np.asarray(f(x, i)), rtol=1e-11, atol=1e-11)


def drawn(seed):
    """A random way from one or two tables to a number: what is done to rows, in which order, and which products."""
    values = np.random.default_rng(seed)
    rows, width, hidden = int(values.integers(2, 9)), int(values.integers(15, 34)), int(values.integers(1, 40))
    lead = [int(n) for n in values.integers(2, 5, size=values.integers(1, 4))]
    lead[0] *= rows
    at = values.integers(-rows, rows, size=lead)
    alike = [lambda x: x * 1.7, lambda x: x + shift, pb.tanh, lambda x: pb.square(x) - x, lambda x: shift - x]
    unlike = lambda x: x + pb.reshape(pb.arange(float(x.shape[0])), (-1, *(1,) * (x.ndim - 1)))
    shift = pb.asarray(values.normal(size=width))
    before = [*values.choice(len(alike) + 1, size=values.integers(0, 3))]
    axes = (*(int(a) for a in values.permutation(len(lead))), len(lead))
    how = [bool(b) for b in values.integers(2, size=6)]

    def f(table, weight, bias):
        x = pb.take(table, at, axis=0)
        for number in before:
            x = ([*alike, unlike] if how[0] else [*alike, pb.sin])[number](x)
        x = pb.permute_dims(x, axes) if how[1] else x
        x = pb.reshape(x, (-1, width)) if how[2] else x
        y = pb.matrix_transpose(weight @ pb.matrix_transpose(x)) if how[3] else x @ pb.matrix_transpose(weight)
        y = pb.sin(y + bias)
        if how[4]:
            y = y + (pb.take(pb.cos(table), at % 2, axis=0).reshape((*y.shape[:-1], width)) @ weight.T)
        return pb.sum(pb.square(y) * (pb.sum(x, axis=-1, keepdims=True) if how[5] else 1.0))

    sizes = (rows, width), (hidden, width), (hidden,)
    return pb.value_and_grad(f, argnums=(0, 1, 2)), [values.normal(size=n) * 0.3 for n in sizes]


@pytest.mark.parametrize("ten", range(12))
def test_random_ways_through_a_table_equal_eager(ten):
    for seed in range(10 * ten, 10 * ten + 10):
        f, operands = drawn(seed)
        for got, want in zip(arrays(pb.compile(f)(*operands)), arrays(f(*operands)), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9 * np.abs(want).max(), err_msg=f"seed {seed}")


def test_training_a_recurrent_model_follows_eager_and_ignores_the_number_of_threads():
    def losses(compiled, threads=1):
        values = np.random.default_rng(1)
        embedding, lstm, head = nn.Embedding(20, 16), nn.LSTM(16, 24, batch_first=True), nn.Linear(24, 20)
        members = [*embedding.parameters(), *lstm.parameters(), *head.parameters()]
        for p in members:
            p.data = values.normal(size=p.shape, scale=0.3).astype(np.float32)
        optimizer = optim.Adam(members, lr=0.01)
        x = values.integers(0, 20, (8, 13))

        def step(x):
            optimizer.zero_grad()
            y = head(lstm(embedding(x))[0])
            loss = nn.functional.cross_entropy(pb.reshape(y[:, :-1], (-1, 20)), pb.reshape(x[:, 1:], (-1,)))
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = pb.compile(step) if compiled else step
        before = pb.get_num_threads()
        pb.set_num_threads(threads)
        try:
            return [float(run(x)) for _ in range(60)]
        finally:
            pb.set_num_threads(before)

    eager, one, two = losses(False), losses(True), losses(True, 2)
    np.testing.assert_allclose(one, eager, rtol=1e-3)
    assert one == two

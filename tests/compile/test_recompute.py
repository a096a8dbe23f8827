"""What is computed again where it is used, and what is stored: the cheaper of the two, and the same numbers."""

import numpy as np
import pytest

import pullback as pb
from pullback import optim
from pullback.compile import recompute
from pullback.compile.fuse import grouped
from pullback.compile.lowering import lowered
from pullback.compile.recompute import cost, economical

from .programs import training
from .random_programs import draw

rng = np.random.default_rng(0)
SIZE = 256
w = rng.normal(size=(SIZE, SIZE)).astype(np.float32) / 16


def program_of(function, *args):
    return lowered(pb.compile(function).graph(*args))


def kernels_with(groups, name):
    """In how many kernels a scalar operation is computed for every element."""
    return sum(any(getattr(i, "name", "") == name for i in group.instructions) for group in groups)


def softmax_backward(x, y):
    """Their product is wanted by a sum, and by what can begin only when the sum is known."""
    a = pb.matmul(x, w)
    return y * (a - pb.sum(a * y, axis=1, keepdims=True))


def costly(x, y):
    """What is dear to compute is wanted by two kernels that read little else."""
    a = pb.erfc(pb.matmul(x, w))
    return pb.sum(a * y, axis=0), pb.sum(a * y, axis=1)


FUNCTIONS = {"softmax_backward": softmax_backward, "costly": costly}
x, y = (rng.normal(size=(SIZE, SIZE)).astype(np.float32) for _ in range(2))


def test_what_is_cheap_and_made_of_what_is_read_anyway_is_computed_again():
    program = program_of(softmax_backward, x, y)
    plain, chosen = grouped(program), economical(program)
    # The product behind the matrix product would be written, and read by the sums.
    assert _stored(program, plain, "multiply") and not _stored(program, chosen, "multiply")
    assert cost(program, chosen) < cost(program, plain)


def test_what_is_costly_is_stored():
    program = program_of(costly, x, y)
    chosen = economical(program)
    assert kernels_with(chosen, "erfc") == 1
    assert _stored(program, chosen, "multiply")


def test_the_costs_decide(monkeypatch):
    program = program_of(softmax_backward, x, y)
    monkeypatch.setattr("pullback.compile.costs.CHEAP", 100.0)
    assert _stored(program, economical(program), "multiply")


def _stored(program, groups, name):
    """Whether an operation of the whole size behind the first product writes an array that another kernel reads."""
    first = next(g for g in groups if g.kind == "product")
    made = {i.out.array for i in first.instructions[1:] if i.name == name}
    return any(x.array in made for g in groups if g is not first for x in g.reads)


def test_the_report_says_what_is_computed_again():
    def f(x):
        a = pb.matmul(x, w)
        b = pb.sqrt(pb.abs(a))
        return pb.matmul(a, w) * b, pb.sum(b, axis=1)

    step = pb.compile(f)
    for _ in range(2):
        step(x)
    report = step.report()
    again = [k for k in report.kernels if k.again]
    assert again and all(set(k.again) <= set(k.mappings) for k in again)
    assert {"abs", "sqrt"} <= {name for k in again for name in k.again}
    assert "↻sqrt" in str(report) and "↻:" in str(report)
    plain = pb.compile(costly)
    for _ in range(2):
        plain(x, y)
    assert "↻" not in str(plain.report()) and not any(k.again for k in plain.report().kernels)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_numbers_are_those_of_eager_execution(name):
    function = FUNCTIONS[name]
    results, wanted = pb.core.tree.leaves(pb.compile(function)(x, y)), pb.core.tree.leaves(function(x, y))
    for got, want in zip(results, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("seed", range(30))
def test_a_choice_is_never_dearer_than_none(seed, monkeypatch):
    monkeypatch.setattr(recompute, "SMALL", 0)
    drawn = draw(seed, np.float32)
    program = program_of(drawn.function, *drawn.arguments)
    assert cost(program, economical(program)) <= cost(program, grouped(program))


@pytest.mark.parametrize("seed", range(100, 130))
def test_small_arrays_chosen_too_give_eagers_numbers(seed, monkeypatch):
    monkeypatch.setattr(recompute, "SMALL", 0)
    drawn = draw(seed, np.float64)
    with np.errstate(all="ignore"):
        want = drawn.function(*drawn.arguments)
    got = pb.compile(drawn.function)(*drawn.arguments)
    for g, e in zip(pb.core.tree.leaves(got), pb.core.tree.leaves(want), strict=True):
        e = np.asarray(e)
        size = max(0.1, float(np.abs(e[np.isfinite(e)]).max(initial=0)))
        np.testing.assert_allclose(np.asarray(g), e, rtol=1e-10, atol=1e-10 * size)


def test_a_program_is_grouped_a_few_times_only(monkeypatch):
    build, data = training("attention", lambda p: optim.AdamW(p, lr=1e-3))
    _, function = build()
    program = program_of(function, *data[0])
    calls = []

    def counted(*args):
        calls.append(args)
        return grouped(*args)

    monkeypatch.setattr(recompute, "grouped", counted)
    monkeypatch.setattr(recompute, "SMALL", 0)
    economical(program)
    assert 2 <= len(calls) <= 1 + recompute.ROUNDS

"""What refuses some values refuses them compiled too: the eager error, word for word, and no state is changed."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import pullback as pb
from pullback import nn, optim
from pullback.core.mapping import CATALOGUE
from pullback.mappings.embedding import embedding
from pullback.mappings.loss import binary_cross_entropy

GOOD = np.linspace(0.1, 0.9, 40, dtype=np.float32).reshape(5, 8)


def but(x, at, value):
    changed = np.array(x)
    changed[at] = value
    return changed


ROWS = np.arange(5)
TABLE = GOOD * 3
LOGITS = np.sin(np.arange(12.0).reshape(4, 1, 3))
# A function, its arguments, and arguments that it refuses.
REFUSED = {
    "a probability above 1": (binary_cross_entropy, (GOOD, GOOD), (but(GOOD, (3, 5), 1.5), GOOD)),
    "a probability below 0": (binary_cross_entropy, (GOOD, GOOD), (but(GOOD, (4, 7), -1e-3), GOOD)),
    "a probability in float64": (
        binary_cross_entropy, (GOOD.astype(float), GOOD), (but(GOOD.astype(float), (0, 0), 2), GOOD)
    ),
    "one probability": (binary_cross_entropy, (np.float32(0.5), np.float32(1)), (np.float32(1.5), np.float32(1))),
    "a slope without its value": (
        pb.grad(lambda p, t: pb.sum(binary_cross_entropy(p, t))), (GOOD, GOOD), (but(GOOD, (1, 1), 1.5), GOOD)
    ),
    "a negative variance": (
        nn.GaussianNLLLoss(), (GOOD, GOOD + 1, GOOD), (GOOD, GOOD + 1, but(GOOD, (2, 2), -0.5))
    ),
    "a class": (lambda x: pb.one_hot(x, 5), (ROWS,), (but(ROWS, 2, 5),)),
    "a negative class": (lambda x: pb.one_hot(x, 5), (ROWS,), (but(ROWS, 2, -1),)),
    "a label": (nn.CrossEntropyLoss(), (GOOD, ROWS), (GOOD, but(ROWS, 4, 8))),
    "a label with weights": (nn.CrossEntropyLoss(weight=np.arange(1.0, 9.0)), (GOOD, ROWS), (GOOD, but(ROWS, 4, -2))),
    "a label of a likelihood": (nn.NLLLoss(), (-GOOD, ROWS), (-GOOD, but(ROWS, 0, 9))),
    "the slope of a label": (
        pb.grad(lambda x, i: nn.CrossEntropyLoss()(x, i)), (GOOD, ROWS), (GOOD, but(ROWS, 4, 8))
    ),
    "the slope of a row": (
        pb.grad(lambda x, i: pb.sum(x[i] * 2)), (TABLE, ROWS), (TABLE, but(ROWS, 1, 5))
    ),
    "the slope of a word": (
        pb.grad(lambda w, i: pb.sum(embedding(i, w) * 2)), (TABLE, ROWS), (TABLE, but(ROWS, 1, 5))
    ),
    "a length": (
        lambda n: CATALOGUE["sequence_lengths"](n, steps=4) * 2, (np.array([3, 1]),), (np.array([3, 0]),)
    ),
    "a row": (lambda x, i: x[i] * 2, (TABLE, ROWS), (TABLE, but(ROWS, 1, 5))),
    "a row from behind": (lambda x, i: x[i] * 2, (TABLE, ROWS), (TABLE, but(ROWS, 1, -6))),
    "a column": (lambda x, i: x[:, i] * 2, (TABLE, ROWS), (TABLE, but(ROWS, 1, 8))),
    "a row and a column": (lambda x, i: x[i, i] * 2, (TABLE, ROWS), (TABLE, but(ROWS, 1, 5))),
    "taken": (lambda x, i: pb.take(x, i, axis=0), (TABLE, ROWS), (TABLE, but(ROWS, 1, 7))),
    "taken along": (
        lambda x, i: pb.take_along_axis(x, i, axis=-1), (TABLE, ROWS[:, None]), (TABLE, but(ROWS, 1, 8)[:, None])
    ),
    "written": (lambda x, i: pb.tensor(np.zeros(5)).at[i].add(x), (GOOD[0, :5], ROWS), (GOOD[0, :5], but(ROWS, 3, 9))),
    "set": (lambda x, i: pb.tensor(np.zeros(5)).at[i].set(x), (GOOD[0, :5], ROWS), (GOOD[0, :5], but(ROWS, 3, 9))),
    "a word": (
        lambda i, w: embedding(i, w), (ROWS, TABLE), (but(ROWS, 1, 5), TABLE),
    ),
    "an alignment": (
        nn.CTCLoss(), (LOGITS, np.array([[1, 2]]), np.array([4]), np.array([2])),
        (LOGITS, np.array([[1, 3]]), np.array([4]), np.array([2])),
    ),
    "a negative exponent": (
        lambda a, b: pb.pow(a, b), (np.arange(1, 4), np.arange(3)), (np.arange(1, 4), np.array([0, 1, -1]))
    ),
}  # fmt: skip


def raised(function, *args):
    with np.errstate(all="ignore"):
        try:
            function(*args)
        except (ValueError, IndexError) as error:
            return type(error), str(error)
    raise AssertionError("nothing was refused")


@pytest.mark.parametrize("name", REFUSED)
def test_the_error_is_the_eager_one(name):
    function, good, bad = REFUSED[name]
    step = pb.compile(function)
    with pb.no_grad():
        np.testing.assert_allclose(np.asarray(step(*good)), np.asarray(function(*good)), rtol=1e-5, atol=1e-6)
        assert raised(step, *bad) == raised(function, *bad)
        np.testing.assert_allclose(np.asarray(step(*good)), np.asarray(function(*good)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "loss_of"),
    [
        (2.0, lambda y: pb.mean(binary_cross_entropy(y, np.float32(0.5)))),
        (np.inf, lambda y: pb.mean(y)),
    ],
    ids=["a probability", "a norm"],
)
def test_nothing_is_changed_by_a_step_that_is_refused(wrong, loss_of):
    def build():
        weight = nn.Parameter(pb.tensor(np.full(8, 0.5, np.float32)))
        optimizer = optim.Adam([weight], lr=0.01)

        def step(x):
            optimizer.zero_grad()
            loss = loss_of(weight * x)
            loss.backward()
            nn.clip_grad_norm_([weight], 0.1, error_if_nonfinite=True)
            optimizer.step()
            return loss

        return weight, optimizer, step

    (weight, optimizer, function), (_, _, eager) = build(), build()
    step = pb.compile(function)
    for _ in range(3):
        assert float(step(GOOD)) == pytest.approx(float(eager(GOOD)), rel=1e-5)
    assert all(kernel.native for kernel in step.report().kernels)
    before = weight.numpy().copy(), weight.grad.numpy().copy(), repr(optimizer.state_dict())
    bad = but(GOOD, (2, 3), wrong)
    assert raised(step, bad) == raised(eager, bad)
    assert np.array_equal(weight.numpy(), before[0])
    assert repr(optimizer.state_dict()) == before[2]
    assert float(step(GOOD)) == pytest.approx(float(eager(GOOD)), rel=1e-5)


def test_not_a_number_is_no_negative_number():
    step = pb.compile(lambda p, t: binary_cross_entropy(p, t))
    got = np.asarray(step(but(GOOD, (0, 0), np.nan), GOOD))
    assert np.isnan(got[0, 0])
    assert np.isfinite(got.ravel()[1:]).all()


def test_positions_from_behind_that_are_known_are_native():
    step = pb.compile(lambda x: x[[0, -1, 2]] * 2)
    np.testing.assert_array_equal(np.asarray(step(TABLE)), TABLE[[0, -1, 2]] * 2)
    assert all(kernel.native for kernel in step.report().kernels)

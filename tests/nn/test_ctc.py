"""CTC beside PyTorch and beside a sum over every single path; lengths that do not fit; derivatives of all orders."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, ShapeError
from pullback.nn import functional as F


def log_softmax(x):
    z = x - x.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def draw(seed, steps=9, count=5, classes=5, longest=4, blank=0):
    """Scores, targets with repetitions, and lengths that fit."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(steps, count, classes))
    labels = [c for c in range(classes) if c != blank]
    targets = rng.choice(labels[:2] if seed % 2 else labels, (count, longest))
    target_lengths = rng.integers(0, longest + 1, count)
    needed = [n + sum(t[i] == t[i + 1] for i in range(n - 1)) for t, n in zip(targets, target_lengths, strict=True)]
    input_lengths = np.array([rng.integers(max(1, n), steps + 1) for n in needed])
    return logits, targets, input_lengths, target_lengths


def spelled(path, blank):
    merged = [c for c, _ in itertools.groupby(path)]
    return [c for c in merged if c != blank]


@given(seed=st.integers(0, 10**6), blank=st.integers(0, 2))
@settings(max_examples=25)
def test_the_sum_over_every_path(seed, blank):
    logits, targets, input_lengths, target_lengths = draw(seed, steps=5, count=2, classes=3, longest=2, blank=blank)
    log_p = log_softmax(logits)
    have = F.ctc_loss(log_p, targets, input_lengths, target_lengths, blank, reduction="none")
    for n in range(2):
        steps, target = input_lengths[n], targets[n, : target_lengths[n]].tolist()
        total = sum(
            math.exp(sum(log_p[t, n, c] for t, c in enumerate(path)))
            for path in itertools.product(range(3), repeat=int(steps))
            if spelled(path, blank) == target
        )
        assert float(have[n]) == pytest.approx(-math.log(total), rel=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("seed", range(6))
def test_values_and_gradients_are_those_of_pytorch(seed, reduction, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    blank = seed % 3
    logits, *others = draw(seed, blank=blank)
    x = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.CTCLoss(blank=blank, reduction=reduction)
    want = loss(torch.log_softmax(x, -1), *(torch.tensor(a) for a in others))
    want.sum().backward()
    ours = nn.CTCLoss(blank=blank, reduction=reduction)
    agreement.compare("loss", "CTCLoss", "value", ours(pb.log_softmax(logits), *others), want)
    g = pb.grad(lambda x: ours(pb.log_softmax(x), *others).sum())(logits)
    agreement.compare("loss", "CTCLoss", "gradient", g, x.grad)


def test_targets_one_behind_the_other_and_without_a_batch():
    logits, targets, input_lengths, target_lengths = draw(3)
    log_p = log_softmax(logits)
    want = np.asarray(F.ctc_loss(log_p, targets, input_lengths, target_lengths, reduction="none"))
    row = np.concatenate([t[:n] for t, n in zip(targets, target_lengths, strict=True)])
    for kind in (np.asarray, tuple):
        have = F.ctc_loss(log_p, row, kind(input_lengths), kind(target_lengths), reduction="none")
        np.testing.assert_array_equal(np.asarray(have), want)
    for n in range(5):
        one = F.ctc_loss(log_p[:, n], targets[n], input_lengths[n], target_lengths[n : n + 1], reduction="none")
        assert one.shape == () and float(one) == pytest.approx(want[n], rel=1e-14)


def test_what_stands_behind_the_lengths_does_not_count():
    logits, targets, input_lengths, target_lengths = draw(1)
    target_lengths = np.minimum(target_lengths, 2)
    changed, other = logits.copy(), targets.copy()
    for n in range(5):
        changed[input_lengths[n] :, n] = np.random.default_rng(n).normal(size=5) * 100
        other[n, target_lengths[n] :] = -7
    loss = lambda x, t: F.ctc_loss(pb.log_softmax(x), t, input_lengths, target_lengths)
    assert float(loss(logits, targets)) == float(loss(changed, other))
    np.testing.assert_array_equal(*(np.asarray(pb.grad(loss)(*xs)) for xs in ((logits, targets), (changed, other))))
    g = np.asarray(pb.grad(loss)(logits, targets))
    assert all((g[input_lengths[n] :, n] == 0).all() and (g[: input_lengths[n], n] != 0).any() for n in range(5))


def test_targets_longer_than_their_inputs():
    log_p = log_softmax(np.random.default_rng(0).normal(size=(3, 2, 4)))
    targets, lengths, target_lengths = np.array([[1, 1, 2], [1, 2, 3]]), np.array([3, 3]), np.array([3, 3])
    with pytest.raises(
        ValueError, match=r"index \(0,\) needs 4 times \(its 3 labels.*input has 3.(.|\n)*zero_infinity"
    ):
        F.ctc_loss(log_p, targets, lengths, target_lengths)
    with pytest.raises(ValueError, match="needs 4 times"):
        pb.trace(F.ctc_loss)(log_p, targets, lengths, target_lengths)
    loss = lambda x: F.ctc_loss(x, targets, lengths, target_lengths, zero_infinity=True, reduction="none")
    losses, g = np.asarray(loss(log_p)), np.asarray(pb.grad(lambda x: loss(x).sum())(log_p))
    assert losses[0] == 0 and losses[1] > 0 and (g[:, 0] == 0).all() and np.isfinite(g).all() and (g[:, 1] != 0).any()
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    theirs = (torch.tensor(x) for x in (log_p, targets, lengths, target_lengths))
    want = torch.nn.functional.ctc_loss(*theirs, zero_infinity=True, reduction="none")
    np.testing.assert_allclose(losses, want.numpy(), rtol=1e-13)


def by_recurrence(log_p, target):
    """Equation 6 of the paper in logarithms, for one target and scores (times, classes)."""
    places = [0, *(c for label in target for c in (label, 0))]
    before = [log_p[0, c] if s < 2 else -np.inf for s, c in enumerate(places)]
    for row in log_p[1:]:
        now = []
        for s, c in enumerate(places):
            ways = [before[s - by] for by in range(3) if by <= s]
            if len(ways) == 3 and (c == 0 or c == places[s - 2]):
                ways.pop()
            now.append(np.logaddexp.reduce(ways) + row[c])
        before = now
    return -np.logaddexp.reduce(before[-2:])


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_that_are_not_finite(dtype, native):
    """A path of infinite weight makes the sum infinite; where a score of −∞ forbids it at the same time, it is NaN."""
    if native:
        pytest.importorskip("llvmlite", reason="llvmlite, which compiled code is made with, is not installed")
    loss = lambda x, *others: F.ctc_loss(x, *others, reduction="none")
    both = pb.value_and_grad(lambda x, *others: pb.sum(loss(x, *others)))
    if native:
        loss, both = pb.compile(loss), pb.compile(both)
    kinds = set()
    for seed in range(20):
        logits, targets, input_lengths, target_lengths = draw(seed, steps=4, count=3, classes=3, longest=2)
        log_p, rng = log_softmax(logits).astype(dtype), np.random.default_rng(seed)
        for _ in range(3):
            log_p.flat[rng.integers(log_p.size)] = rng.choice([np.inf, np.inf, -np.inf, np.nan])
        losses = np.asarray(loss(log_p, targets, input_lengths, target_lengths))
        for n, have in enumerate(losses):
            target, scores = targets[n, : target_lengths[n]].tolist(), log_p[: input_lengths[n], n].astype(float)
            with np.errstate(invalid="ignore"):
                np.testing.assert_allclose(have, by_recurrence(scores, target), rtol=2e-6)
            kinds.add("NaN" if np.isnan(have) else str(have) if np.isinf(have) else "finite")
        if native:
            _, gradient = both(log_p, targets, input_lengths, target_lengths)
            with np.errstate(invalid="ignore"):
                wanted = pb.grad(lambda x, *others: pb.sum(F.ctc_loss(x, *others, reduction="none")))(
                    log_p, targets, input_lengths, target_lengths
                )
            np.testing.assert_allclose(np.asarray(gradient), np.asarray(wanted), rtol=1e-5, atol=1e-6)
    assert {"NaN", "-inf", "finite"} <= kinds


def test_a_class_of_probability_0():
    x = np.log(np.array([[[0.5, 0.5, 0.0]], [[1.0, 0.0, 0.0]]]))
    arguments = np.array([[1]]), [2], [1]
    assert F.ctc_loss(x, *arguments).item() == pytest.approx(math.log(2))
    assert np.isfinite(np.asarray(pb.grad(lambda x: F.ctc_loss(x, *arguments))(x))).all()
    assert F.ctc_loss(x, np.array([[2]]), [2], [1]).item() == math.inf
    assert F.ctc_loss(x, np.array([[2]]), [2], [1], zero_infinity=True).item() == 0


class TestDerivatives:
    logits, targets, input_lengths, target_lengths = draw(2, steps=5, count=2, classes=3, longest=2)

    def loss(self, x):
        return F.ctc_loss(pb.log_softmax(x), self.targets, self.input_lengths, self.target_lengths)

    def test_second_order_against_differences(self):
        v = np.random.default_rng(1).normal(size=self.logits.shape)
        g = lambda x: np.asarray(pb.grad(self.loss)(x))
        want = (g(self.logits + 1e-5 * v) - g(self.logits - 1e-5 * v)) / 2e-5
        np.testing.assert_allclose(np.asarray(pb.hvp(self.loss, (self.logits,), (v,))), want, rtol=1e-6, atol=1e-9)

    def test_forward_mode(self):
        v = np.random.default_rng(2).normal(size=self.logits.shape)
        _, t = pb.jvp(self.loss, (self.logits,), (v,))
        assert float(t) == pytest.approx(float((np.asarray(pb.grad(self.loss)(self.logits)) * v).sum()), rel=1e-12)

    def test_in_the_log_probabilities_themselves(self):
        arguments = self.targets, self.input_lengths, self.target_lengths
        g = np.asarray(pb.grad(lambda x: F.ctc_loss(x, *arguments, reduction="sum"))(self.logits))
        for place in list(np.ndindex(*self.logits.shape))[::3]:
            step = np.zeros_like(self.logits)
            step[place] = 1e-6
            ends = [float(F.ctc_loss(self.logits + s * step, *arguments, reduction="sum")) for s in (-1, 1)]
            assert g[place] == pytest.approx((ends[1] - ends[0]) / 2e-6, abs=1e-8)

    def test_vmap_equals_a_loop(self):
        several = np.stack([self.logits, 2 * self.logits, -self.logits])
        for f in (self.loss, pb.grad(self.loss)):
            want = np.stack([np.asarray(f(x)) for x in several])
            np.testing.assert_allclose(np.asarray(pb.vmap(f)(several)), want, rtol=1e-13)

    def test_traced_equals_eager_bit_for_bit(self):
        both = pb.value_and_grad(self.loss)
        for a, b in zip(both(self.logits), pb.trace(both)(self.logits), strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))

    def test_inputs_may_be_read_only_and_strided(self):
        x = np.repeat(self.logits, 2, axis=-1)[..., ::2]
        x.flags.writeable = False
        assert float(self.loss(x)) == float(self.loss(self.logits))

    def test_float32_stays_float32(self):
        y = self.loss(self.logits.astype(np.float32))
        assert y.dtype == np.float32 and float(y) == pytest.approx(float(self.loss(self.logits)), rel=1e-5)


LOG_P, TARGETS, INPUTS, LABELS = log_softmax(np.zeros((4, 2, 3))), np.array([[1, 2], [2, 1]]), [4, 4], [2, 2]


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: F.ctc_loss(LOG_P[0, 0], TARGETS, INPUTS, LABELS), ShapeError, r"log_probs \(T, N, C\)"),
        (lambda: F.ctc_loss(LOG_P[:0], TARGETS, INPUTS, LABELS), ShapeError, "none of them 0"),
        (lambda: F.ctc_loss(LOG_P.astype(int), TARGETS, INPUTS, LABELS), DtypeError, "floating log_probs"),
        (lambda: F.ctc_loss(LOG_P, TARGETS * 1.0, INPUTS, LABELS), DtypeError, "integer targets, got float64"),
        (lambda: F.ctc_loss(LOG_P, TARGETS, [4], LABELS), ShapeError, r"input_lengths of shape \(2,\).*got \(1,\)"),
        (lambda: F.ctc_loss(LOG_P, TARGETS[:1], INPUTS, LABELS), ShapeError, r"targets of shape \(2, 'S'\)"),
        (lambda: F.ctc_loss(LOG_P, TARGETS[0], INPUTS, LABELS), ShapeError, r"\(Σ target_lengths,\) = \(4,\)"),
        (lambda: F.ctc_loss(LOG_P, TARGETS, [4, 5], LABELS), ValueError, r"input_lengths in 1, …, 4, got 5 at index"),
        (lambda: F.ctc_loss(LOG_P, TARGETS, [0, 4], LABELS), ValueError, "input_lengths in 1"),
        (lambda: F.ctc_loss(LOG_P, TARGETS, INPUTS, [3, 2]), ValueError, "target_lengths in 0, …, 2, got 3"),
        (lambda: F.ctc_loss(LOG_P, TARGETS + 1, INPUTS, LABELS), IndexError, r"label 3 at index \(0, 1\)"),
        (lambda: F.ctc_loss(LOG_P, TARGETS - 1, INPUTS, LABELS), IndexError, r"label 0 .* without the blank 0"),
        (lambda: F.ctc_loss(LOG_P, TARGETS, INPUTS, LABELS, blank=3), ValueError, "blank in 0, …, 2, got 3"),
        (lambda: nn.CTCLoss(reduction="average"), ValueError, "reduction"),
    ],
)
def test_refusals(act, error, words):
    with pytest.raises(error, match=words):
        act()

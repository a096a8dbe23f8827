"""Metrics beside scikit-learn's, on the whole data set, whatever the batches."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pullback as pb
from pullback.core.errors import ShapeError
from pullback.metrics import (
    F1,
    MAE,
    MSE,
    R2,
    ROCAUC,
    Accuracy,
    ConfusionMatrix,
    Perplexity,
    Precision,
    Recall,
    TopKAccuracy,
)
from pullback.train.metrics import named_metric

sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn, the oracle of these tests, is not installed")

BATCHES = {
    "seed": st.integers(0, 10**6),
    "count": st.integers(1, 40),
    "cuts": st.lists(st.integers(0, 40), max_size=4).map(sorted),
}


def in_batches(metric, outputs, targets, cuts):
    for part, wanted in zip(np.split(outputs, cuts), np.split(targets, cuts), strict=True):
        metric.update(part, wanted)
    return metric.result()


def skewed(rng, classes, count):
    """Labels of which some classes may be missing."""
    return rng.choice(classes, count, p=rng.dirichlet(np.ones(classes) / 2))


KINDS = [(Precision, "precision_score"), (Recall, "recall_score"), (F1, "f1_score")]


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize(("kind", "oracle"), KINDS)
@given(**BATCHES, classes=st.integers(2, 6), zero=st.sampled_from([0.0, 1.0]))
def test_precision_recall_f1_of_several_classes(kind, oracle, average, seed, count, cuts, classes, zero):
    rng = np.random.default_rng(seed)
    targets, answers = skewed(rng, classes, count), skewed(rng, classes, count)
    want = getattr(sklearn, oracle)(targets, answers, average=average, zero_division=zero)
    have = in_batches(kind(average, zero_division=zero), answers, targets, cuts)
    assert have == pytest.approx(want, rel=1e-12)
    outputs = rng.normal(size=(count, classes)) + 5 * np.eye(classes)[answers]
    want = getattr(sklearn, oracle)(targets, outputs.argmax(1), average=average, zero_division=zero)
    assert in_batches(kind(average, zero_division=zero), outputs, targets, cuts) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize(("kind", "oracle"), KINDS)
@given(**BATCHES)
def test_precision_recall_f1_of_yes_and_no(kind, oracle, seed, count, cuts):
    rng = np.random.default_rng(seed)
    targets, p = skewed(rng, 2, count), rng.uniform(size=count)
    for outputs, threshold in ((p, 0.5), (p - 0.3, 0.0)):
        want = getattr(sklearn, oracle)(targets, outputs > threshold, zero_division=0.0)
        assert in_batches(kind(threshold=threshold), outputs, targets, cuts) == pytest.approx(want, rel=1e-12)
    columns = in_batches(kind(), np.stack([1 - p, p], 1), targets, cuts)
    assert columns == pytest.approx(getattr(sklearn, oracle)(targets, p > 0.5, zero_division=0.0), rel=1e-12)


@given(**BATCHES, classes=st.integers(2, 6))
def test_confusion_matrix(seed, count, cuts, classes):
    rng = np.random.default_rng(seed)
    targets, answers = skewed(rng, classes, count), skewed(rng, classes, count)
    want = sklearn.confusion_matrix(targets, answers, labels=range(classes))
    have = in_batches(ConfusionMatrix(classes), answers, targets, cuts)
    np.testing.assert_array_equal(have, want)
    seen = max(targets.max(), answers.max()) + 1
    np.testing.assert_array_equal(in_batches(ConfusionMatrix(), answers, targets, cuts), want[:seen, :seen])


@given(**BATCHES, classes=st.integers(3, 6), k=st.integers(1, 7))
def test_top_k(seed, count, cuts, classes, k):
    rng = np.random.default_rng(seed)
    targets, outputs = rng.integers(0, classes, count), rng.normal(size=(count, classes))
    have = in_batches(TopKAccuracy(k), outputs, targets, cuts)
    if k < classes:
        assert have == sklearn.top_k_accuracy_score(targets, outputs, k=k, labels=range(classes))
    else:
        assert have == 1.0


@given(seed=st.integers(0, 10**6))
def test_top_1_is_the_accuracy_also_with_ties(seed):
    rng = np.random.default_rng(seed)
    targets, outputs = rng.integers(0, 4, 20), rng.integers(0, 3, (20, 4)) * 1.0
    assert in_batches(TopKAccuracy(1), outputs, targets, []) == in_batches(Accuracy(), outputs, targets, [])


@given(**BATCHES, digits=st.integers(0, 3))
def test_auc_of_yes_and_no_with_ties(seed, count, cuts, digits):
    rng = np.random.default_rng(seed)
    targets, scores = skewed(rng, 2, count), rng.normal(size=count).round(digits)
    have = in_batches(ROCAUC(), scores, targets, cuts)
    if len(np.unique(targets)) < 2:
        assert math.isnan(have)
        return
    assert have == pytest.approx(sklearn.roc_auc_score(targets, scores), rel=1e-12)
    p = 1 / (1 + np.exp(-scores))
    columns = np.stack([1 - p, p], 1)
    assert in_batches(ROCAUC(), columns, targets, cuts) == pytest.approx(
        sklearn.roc_auc_score(targets, columns[:, 1] - columns[:, 0]), rel=1e-12
    )


@pytest.mark.parametrize("average", ["macro", "weighted"])
@given(**BATCHES)
def test_auc_of_several_classes(average, seed, count, cuts):
    rng = np.random.default_rng(seed)
    targets = np.concatenate([np.arange(4), rng.integers(0, 4, count)])
    p = rng.dirichlet(np.ones(4), count + 4)
    want = sklearn.roc_auc_score(targets, p, multi_class="ovr", average=average)
    assert in_batches(ROCAUC(average), p, targets, cuts) == pytest.approx(want, rel=1e-12)


@given(**BATCHES)
def test_perplexity(seed, count, cuts):
    rng = np.random.default_rng(seed)
    logits, targets = 3 * rng.normal(size=(count, 5, 2)), rng.integers(0, 5, (count, 2))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    rows = p.transpose(0, 2, 1).reshape(-1, 5)
    want = math.exp(sklearn.log_loss(targets.ravel(), rows / rows.sum(1, keepdims=True), labels=range(5)))
    assert in_batches(Perplexity(), logits, targets, cuts) == pytest.approx(want, rel=1e-11)
    kept = targets.ravel() != 2
    have = in_batches(Perplexity(ignore_index=2), logits, targets, cuts)
    if kept.any():
        rows = rows[kept] / rows[kept].sum(1, keepdims=True)
        loss = sklearn.log_loss(targets.ravel()[kept], rows, labels=range(5))
        assert have == pytest.approx(math.exp(loss), rel=1e-11)
    else:
        assert math.isnan(have)


def test_logits_of_any_size():
    perplexity = Perplexity()
    perplexity.update(np.array([[1e4, -1e4]]), np.array([0]))
    assert perplexity.result() == 1.0
    perplexity.update(np.array([[1e4, -1e4]]), np.array([1]))
    assert perplexity.result() == math.inf


def test_tensors_are_taken_and_reset_forgets():
    for metric in (Precision("macro"), TopKAccuracy(1), ROCAUC(), Perplexity()):
        metric.update(pb.tensor([[0.1, 0.9], [0.8, 0.2]]), pb.tensor([1, 0]))
        first = metric.result()
        metric.reset()
        assert math.isnan(metric.result())
        metric.update(np.array([[0.1, 0.9], [0.8, 0.2]], np.float32), np.array([1, 0]))
        assert metric.result() == pytest.approx(first)


def test_each_class():
    f1 = F1("macro")
    f1.update(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]))
    np.testing.assert_allclose(f1.per_class(), sklearn.f1_score([0, 1, 2, 2], [0, 1, 1, 2], average=None))


def test_by_name():
    for name in ("precision", "recall", "f1", "auc", "perplexity"):
        metric = named_metric(name, threshold=0.0)
        assert metric.name == name and getattr(getattr(metric, "confusion", metric), "threshold", 0.0) == 0.0
    assert TopKAccuracy(3).name == "top3_accuracy" and F1("macro").name == "f1_macro"


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (lambda: Precision("mean"), ValueError, "average to be one of ('binary', 'micro', 'macro', 'weighted')"),
        (lambda: Precision().update(np.array([2]), np.array([1])), ValueError, "average='binary' is for two classes"),
        (lambda: Recall().update(np.zeros((3, 3)), np.zeros(3, int)), ValueError, "choose 'macro'"),
        (lambda: F1("macro").update(np.zeros((3, 4)), np.zeros(3)), TypeError, "targets expected integers"),
        (lambda: F1("macro").update(np.zeros((3, 4)), np.zeros(2, int)), ShapeError, "(3, 4) and targets (2,)"),
        (lambda: ConfusionMatrix(2).update(np.array([2]), np.array([0])), ValueError, "class 2 is not one of 0, …, 1"),
        (lambda: ConfusionMatrix().update(np.array([-1]), np.array([0])), ValueError, "class -1 is not one of 0, 1, …"),
        (lambda: TopKAccuracy(0), ValueError, "k to be a positive integer"),
        (lambda: TopKAccuracy().update(np.zeros((1, 3)), np.array([3])), ValueError, "target 3 is not one of the 3"),
        (lambda: TopKAccuracy().update(np.zeros((1, 3)), np.array([1.0])), TypeError, "float64"),
        (lambda: Perplexity().update(np.zeros((2, 3)), np.array([0, -1])), ValueError, "target -1"),
        (lambda: ROCAUC("micro"), ValueError, "'macro' or 'weighted'"),
        (lambda: ROCAUC().update(np.array([np.nan]), np.array([0])), ValueError, "a score is NaN"),
        (lambda: ROCAUC().update(np.array([0.0]), np.array([2])), ValueError, "target 2 is not one of the 2"),
        (lambda: ROCAUC().update(np.zeros((2, 3)), np.zeros((2, 2))), ShapeError, "(2, 3) and targets (2, 2)"),
    ],
)
def test_errors_say_what_was_expected(act, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        act()


def test_a_metric_of_ones_own_that_lacks_its_figure_says_which_method():
    from pullback.metrics.confusion import _FromCounts
    from pullback.metrics.regression import _Errors

    class Half(_FromCounts):
        name = "half"

    class Worst(_Errors):
        name = "worst"

    half, worst = Half(), Worst()
    half.update(np.array([1, 0]), np.array([1, 1]))
    with pytest.raises(NotImplementedError, match=r"Half must define _of\(self, right, answered, wanted\)"):
        half.result()
    with pytest.raises(NotImplementedError, match=r"Worst must define _of\(self, errors\)"):
        worst.update(np.array([1.0]), np.array([2.0]))


@given(**BATCHES, width=st.integers(0, 3))
def test_regression_errors(seed, count, cuts, width):
    rng = np.random.default_rng(seed)
    shape = (count + 1, width) if width else (count + 1,)
    targets, outputs = rng.normal(3, 2, shape), rng.normal(3, 2, shape)
    for kind, oracle in ((MAE, "mean_absolute_error"), (MSE, "mean_squared_error"), (R2, "r2_score")):
        want = getattr(sklearn, oracle)(targets, outputs)
        assert in_batches(kind(), outputs, targets, cuts) == pytest.approx(want, rel=1e-11)

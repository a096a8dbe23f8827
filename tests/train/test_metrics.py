"""Metrics: whatever the batches, the figure is the one that the whole data set has."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback.core.errors import ShapeError
from pullback.train.metrics import MAE, MSE, R2, Accuracy, MeanLoss, Metric, named_metric


def in_batches(metric: Metric, outputs, targets, cuts) -> float:
    for part, wanted in zip(np.split(outputs, cuts), np.split(targets, cuts), strict=True):
        metric.update(part, wanted)
    return metric.result()


def in_one(name: str, outputs, targets) -> float:
    """The textbook's formula over all items."""
    o, t = outputs.astype(np.longdouble), targets.astype(np.longdouble)
    if name == "mae":
        return float(np.mean(np.abs(o - t)))
    if name == "mse":
        return float(np.mean((o - t) ** 2))
    shares = 1 - ((o - t) ** 2).sum(axis=0) / ((t - t.mean(axis=0)) ** 2).sum(axis=0)
    return float(np.mean(shares))


@pytest.mark.parametrize("name", ["mae", "mse", "r2"])
@given(
    seed=st.integers(0, 1000),
    count=st.integers(2, 40),
    cuts=st.lists(st.integers(0, 40), max_size=4).map(sorted),
    offset=st.sampled_from([0.0, 1e3, -1e6]),
    columns=st.sampled_from([(), (1,), (3,)]),
)
def test_regression_figures_do_not_depend_on_the_batches(name, seed, count, cuts, offset, columns):
    draw = np.random.default_rng(seed)
    targets = offset + draw.normal(size=(count, *columns))
    outputs = targets + draw.normal(size=targets.shape)
    got = in_batches(named_metric(name), outputs, targets, cuts)
    assert got == pytest.approx(in_one(name, outputs, targets), rel=1e-9, abs=1e-9)


@given(seed=st.integers(0, 1000), count=st.integers(1, 40), cuts=st.lists(st.integers(0, 40), max_size=4).map(sorted))
def test_accuracy_counts_the_rows_whose_largest_output_is_the_label(seed, count, cuts):
    draw = np.random.default_rng(seed)
    outputs, labels = draw.normal(size=(count, 4)), draw.integers(0, 4, count)
    expected = sum(max(range(4), key=lambda c: outputs[i, c]) == labels[i] for i in range(count)) / count
    assert in_batches(Accuracy(), outputs, labels, cuts) == expected


def test_accuracy_of_images_and_of_yes_or_no():
    pixels = np.zeros((1, 2, 2, 2))
    pixels[0, 1, 0, 0] = 1
    accuracy = Accuracy()
    accuracy.update(pixels, np.array([[[1, 0], [0, 1]]]))
    assert accuracy.result() == 0.75
    for threshold, expected in ((0.5, 1 / 3), (0.0, 2 / 3)):
        accuracy = Accuracy(threshold)
        accuracy.update(np.array([[0.2], [-3.0], [0.7]]), np.array([[1.0], [0.0], [0.0]]))
        assert accuracy.result() == pytest.approx(expected)


def test_the_first_batch_says_nothing_and_reset_forgets():
    for metric in (Accuracy(), MeanLoss(), MAE(), MSE(), R2()):
        assert math.isnan(metric.result())
    accuracy = Accuracy()
    accuracy.update(np.array([[0.0, 1.0]]), np.array([0]))
    accuracy.reset()
    accuracy.update(np.array([[0.0, 1.0]]), np.array([1]))
    assert accuracy.result() == 1.0


def test_r2_of_targets_that_do_not_vary_is_nan():
    r2 = R2()
    r2.update(np.array([1.0, 2.0]), np.array([3.0, 3.0]))
    assert math.isnan(r2.result())


def test_mean_loss_weighs_batches_by_their_items():
    mean, summed = MeanLoss(), MeanLoss(summed=True)
    mean.add(1.0, 3), mean.add(5.0, 1)
    summed.add(3.0, 3), summed.add(5.0, 1)
    assert mean.result() == summed.result() == 2.0


@pytest.mark.parametrize(
    "act, kind, message",
    [
        (lambda: Accuracy().update(np.zeros((3, 4)), np.zeros(3)), TypeError, "targets expected integers"),
        (lambda: Accuracy().update(np.zeros((3, 4)), np.zeros((3, 1), int)), ShapeError, "(3, 4) and targets (3, 1)"),
        (lambda: MSE().update(np.zeros((3, 1)), np.zeros(3)), ShapeError, "targets of shape (n, 1)"),
        (lambda: named_metric("acuracy"), ValueError, "'accuracy', 'mae', 'mse', 'r2'"),
    ],
)
def test_errors_say_what_was_expected(act, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        act()

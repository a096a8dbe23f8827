"""Samplers: what is drawn, how often, and by which process."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pullback.data import (
    ArrayDataset,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    WeightedRandomSampler,
)


def test_a_loader_follows_its_sampler_epoch_by_epoch():
    sampler = RandomSampler(10, seed=3)
    loader = DataLoader(ArrayDataset(np.arange(10)), 4, sampler=sampler)
    for epoch in range(2):
        assert np.concatenate([np.asarray(x) for (x,) in loader]).tolist() == sampler.order(epoch).tolist()
    shuffling = DataLoader(ArrayDataset(np.arange(10)), 10, shuffle=True, seed=3)
    assert np.asarray(next(iter(shuffling))[0]).tolist() == sampler.order(0).tolist()
    assert SequentialSampler(range(4)).order(9).tolist() == [0, 1, 2, 3]


def test_a_plain_iterable_of_indices_is_a_sampler():
    loader = DataLoader(ArrayDataset(np.arange(10)), 2, sampler=[9, 0, 9])
    assert [np.asarray(x).tolist() for (x,) in loader] == [[9, 0], [9]]
    assert len(loader) == 2


@pytest.mark.parametrize("replacement", [True, False])
def test_weighted_draws_have_the_probabilities_of_their_weights(replacement):
    weights = np.array([1.0, 0.0, 2.0, 5.0])
    if replacement:
        drawn = WeightedRandomSampler(weights, 20_000, seed=1).order(0)
    else:  # the first of draws without replacement has the same distribution
        drawn = np.array([WeightedRandomSampler(weights, 3, False, seed=1).order(e)[0] for e in range(4_000)])
    counts = np.bincount(drawn, minlength=4)
    assert counts[1] == 0
    assert stats.chisquare(counts[[0, 2, 3]], weights[[0, 2, 3]] / 8 * len(drawn)).pvalue > 1e-3


def test_weighted_draws_without_replacement_take_every_item_once():
    drawn = WeightedRandomSampler([3.0, 0.0, 1e-30, 1e30], 3, replacement=False, seed=0).order(5)
    assert sorted(drawn.tolist()) == [0, 2, 3]


def test_draws_with_replacement():
    drawn = RandomSampler(5, replacement=True, num_samples=5_000, seed=0).order(0)
    assert stats.chisquare(np.bincount(drawn, minlength=5)).pvalue > 1e-3
    assert (RandomSampler(5, True, 50, seed=0).order(1) != drawn[:50]).any()


@given(n=st.integers(1, 30), replicas=st.integers(1, 6), shuffle=st.booleans(), epoch=st.integers(0, 3))
def test_the_processes_share_the_items(n, replicas, shuffle, epoch):
    for drop in (False, True):
        if drop and n < replicas:
            continue
        shares = [DistributedSampler(n, replicas, r, shuffle, seed=1, drop_last=drop) for r in range(replicas)]
        orders = [share.order(epoch) for share in shares]
        assert {len(order) for order in orders} == {len(shares[0])}
        counts = np.bincount(np.concatenate(orders), minlength=n)
        if drop:
            assert counts.max() == 1 and counts.sum() == n - n % replicas
        else:
            assert counts.min() >= 1 and counts.sum() == -(-n // replicas) * replicas


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: RandomSampler(3, num_samples=4), "at most the 3 items without replacement"),
        (lambda: RandomSampler(0), "at least one item"),
        (lambda: WeightedRandomSampler([1, -1], 1), "finite numbers >= 0"),
        (lambda: WeightedRandomSampler([1, np.nan], 1), "finite numbers >= 0"),
        (lambda: WeightedRandomSampler([0, 0], 1), "at least one above 0"),
        (lambda: WeightedRandomSampler([0, 1], 2, False), "at most the 1 items with a weight above 0"),
        (lambda: WeightedRandomSampler([1], 0), "num_samples expected at least 1"),
        (lambda: DistributedSampler(4, 2, 2), r"rank expected in \[0, 2\), got 2"),
        (lambda: DistributedSampler(1, 2, 0, drop_last=True), "leaves nothing of 1 items for 2"),
        (lambda: DataLoader([1.0], sampler=[0], shuffle=True), "expected one of them"),
        (lambda: DataLoader([1.0], sampler=[]), "gives no item"),
        (lambda: iter(DataLoader([1.0], sampler=[1])), "index 1 for a data set of 1 items"),
        (lambda: iter(DataLoader([1.0], sampler=["a"])), "invalid literal"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, message):
    with pytest.raises((ValueError, IndexError), match=message):
        make()


def test_a_sampler_of_ones_own_must_keep_its_word():
    class Short(Sampler):
        def __len__(self):
            return 3

        def order(self, epoch):
            return np.arange(2)

    with pytest.raises(ValueError, match=r"expected to give integers of shape \(3,\)"):
        iter(DataLoader([1.0, 2.0, 3.0], sampler=Short()))
    with pytest.raises(NotImplementedError, match="order"):
        Sampler().order(0)

"""The loader: which items in which order, stacked how, and what it refuses."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pullback.data import ArrayDataset, DataLoader, Dataset, Subset
from pullback.tensor import Tensor


class Items(Dataset):
    """The items of a list, one by one."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def numbers(n):
    return ArrayDataset(np.arange(n))


def seen(loader):
    """The items of one epoch in their order."""
    return np.concatenate([np.asarray(batch) for (batch,) in loader]).tolist()


class TestBatches:
    @given(
        n=st.integers(1, 40), batch_size=st.integers(1, 50), shuffle=st.booleans(), drop_last=st.booleans()
    )
    def test_an_epoch_has_every_item_once(self, n, batch_size, shuffle, drop_last):
        assume(not drop_last or batch_size <= n)
        loader = DataLoader(numbers(n), batch_size, shuffle, seed=0, drop_last=drop_last)
        batches = [np.asarray(batch) for (batch,) in loader]
        assert len(batches) == len(loader)
        assert all(len(batch) == batch_size for batch in batches[:-1])
        items = np.sort(np.concatenate(batches))
        if drop_last:
            assert len(items) == n - n % batch_size
            assert len(np.unique(items)) == len(items)
        else:
            np.testing.assert_array_equal(items, np.arange(n))

    def test_a_batch_is_a_tuple_of_tensors_with_the_dtypes_of_the_arrays(self):
        loader = DataLoader(ArrayDataset(np.zeros((5, 2), np.float64), np.zeros(5, np.uint8)), batch_size=2)
        for batch in loader:
            assert type(batch) is tuple
            assert all(isinstance(part, Tensor) for part in batch)
            assert [part.dtype for part in batch] == [np.float64, np.uint8]

    def test_a_batch_larger_than_the_data_is_one_smaller_batch(self):
        assert [batch.shape for (batch,) in DataLoader(numbers(3), batch_size=10)] == [(3,)]

    def test_without_shuffling_nothing_is_copied(self):
        x = np.arange(6.0)
        (batch,) = next(iter(DataLoader(ArrayDataset(x), batch_size=4)))
        assert np.shares_memory(np.asarray(batch), x)

    @pytest.mark.parametrize("shuffle", [False, True])
    def test_gathered_batches_equal_batches_collated_one_by_one(self, shuffle):
        x, y = np.random.default_rng(0).normal(size=(11, 3)), np.arange(11)
        fast = DataLoader(ArrayDataset(x, y), 4, shuffle, seed=5)
        slow = DataLoader(Items(list(zip(x, y, strict=True))), 4, shuffle, seed=5)
        for one, other in zip(fast, slow, strict=True):
            for a, b in zip(one, other, strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(np.asarray(a), np.asarray(b))

    def test_a_subset_of_arrays_is_gathered_too(self):
        loader = DataLoader(Subset(numbers(10), [9, 8, 7]), batch_size=2)
        assert seen(loader) == [9, 8, 7]

    def test_a_gather_of_ones_own_is_called_once_per_batch(self):
        class Doubled(Items):
            calls = 0

            def gather(self, indices):
                self.calls += 1
                return {"twice": np.asarray(self.items)[indices] * 2}

        data = Doubled([1, 2, 3, 4])
        batches = list(DataLoader(data, batch_size=2))
        assert data.calls == 2
        assert isinstance(batches[1]["twice"], Tensor)
        np.testing.assert_array_equal(np.asarray(batches[1]["twice"]), [6, 8])


class TestOrder:
    def test_the_order_is_the_documented_function_of_seed_and_epoch(self):
        loader = DataLoader(numbers(100), 7, shuffle=True, seed=12)
        for epoch in range(3):
            bits = np.random.Philox(key=12, counter=[0, 0, 0, epoch])
            assert seen(loader) == np.random.Generator(bits).permutation(100).tolist()

    def test_epochs_differ_and_set_epoch_goes_back(self):
        loader = DataLoader(numbers(50), 8, shuffle=True, seed=1)
        first, second = seen(loader), seen(loader)
        assert first != second
        loader.set_epoch(1)
        assert seen(loader) == second
        assert loader.epoch == 2

    def test_an_epoch_counts_when_its_loop_begins(self):
        loader = DataLoader(numbers(5), 2)
        iter(loader)
        assert loader.epoch == 1

    def test_two_loops_at_once_do_not_disturb_each_other(self):
        loader = DataLoader(numbers(9), 1, shuffle=True, seed=0)
        a, b = iter(loader), iter(loader)
        pairs = [(int(np.asarray(x)[0]), int(np.asarray(y)[0])) for (x,), (y,) in zip(a, b, strict=True)]
        loader.set_epoch(0)
        assert [x for x, _ in pairs] == seen(loader)
        assert [y for _, y in pairs] == seen(loader)

    def test_without_a_seed_the_library_s_stream_gives_one(self, monkeypatch):
        import pullback.random

        drawn = iter([111, 222])
        monkeypatch.setattr(pullback.random, "draw_seed", lambda: next(drawn))
        assert DataLoader(numbers(4), shuffle=True).seed == 111
        assert DataLoader(numbers(4), shuffle=True).seed == 222

    def test_without_shuffling_no_seed_is_drawn(self, monkeypatch):
        import pullback.random

        monkeypatch.setattr(pullback.random, "draw_seed", lambda: pytest.fail("drew a seed"))
        assert DataLoader(numbers(4)).seed is None

    def test_epochs_are_non_negative_integers(self):
        loader = DataLoader(numbers(4), shuffle=True, seed=0)
        with pytest.raises(ValueError, match="got -1"):
            loader.set_epoch(-1)
        with pytest.raises(TypeError):
            loader.set_epoch(0.5)


class Point(NamedTuple):
    x: float
    y: int


class TestCollation:
    def batch(self, items, **options):
        return next(iter(DataLoader(Items(items), batch_size=len(items), **options)))

    def test_python_numbers(self):
        x, y, z = self.batch([(0.5, 1, True), (1.5, 2, False)])
        assert [x.dtype, y.dtype, z.dtype] == [np.float32, np.int64, np.bool_]
        np.testing.assert_array_equal(np.asarray(x), [0.5, 1.5])

    def test_a_bare_item_gives_a_bare_tensor(self):
        batch = self.batch([np.zeros((2, 3)), np.ones((2, 3))])
        assert isinstance(batch, Tensor)
        assert batch.shape == (2, 2, 3)

    def test_tensors_are_stacked(self):
        from pullback.tensor import asarray

        assert self.batch([asarray(np.zeros(3)), asarray(np.ones(3))]).shape == (2, 3)

    def test_dictionaries_named_tuples_lists_and_strings(self):
        items = [
            {"p": Point(1.0, 2), "name": "a", "l": [1, 2]},
            {"p": Point(3.0, 4), "name": "b", "l": [3, 4]},
        ]
        batch = self.batch(items)
        assert isinstance(batch["p"], Point)
        np.testing.assert_array_equal(np.asarray(batch["p"].x), [1, 3])
        assert batch["name"] == ["a", "b"]
        np.testing.assert_array_equal(np.asarray(batch["l"][1]), [2, 4])

    def test_the_items_are_not_written_to_or_shared(self):
        item = np.ones(3)
        assert not np.shares_memory(np.asarray(self.batch([item, item])), item)

    def test_a_collate_fn_gets_the_items_and_its_result_is_handed_on(self):
        result = object()
        got = []

        def collate_fn(items):
            got.append(items)
            return result

        assert self.batch([1, "b", None], collate_fn=collate_fn) is result
        assert got == [[1, "b", None]]
        assert next(iter(DataLoader(numbers(2), 2, collate_fn=len))) == 2

    @pytest.mark.parametrize(
        ("items", "error", "message"),
        [
            (
                [(np.zeros(2), 0), (np.zeros(3), 0)],
                ValueError,
                r"dataset\[1\]\[0\] has shape \(3,\), but dataset\[0\]\[0\], .* has shape \(2,\)",
            ),
            ([{"a": 1}, {"a": 1, "b": 2}], ValueError, r"dataset\[1\] has keys .*'b'.* has keys \[\"'a'\"\]"),
            ([(1, 2), (1,)], ValueError, r"dataset\[1\] has length 1, but dataset\[0\], .* has length 2"),
            ([(1, 2), 1], ValueError, r"dataset\[1\] has type int, but dataset\[0\], .* has length 2"),
            ([{"a": 1}, {"a": None}], TypeError, r"dataset\[1\]\['a'\] expected .* got None \(NoneType\)"),
            ([1, "a"], TypeError, r"dataset\[1\] expected numbers, .* got 'a' \(str\)"),
        ],
    )
    def test_items_that_do_not_fit_are_named(self, items, error, message):
        with pytest.raises(error, match=message):
            self.batch(items)

    def test_the_index_in_a_message_is_the_one_in_the_data_set(self):
        items = [np.zeros(1)] * 5 + [np.zeros(2)]
        with pytest.raises(ValueError, match=r"dataset\[5\] has .*, but dataset\[4\], the first of its"):
            list(DataLoader(Items(items), batch_size=2))


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"batch_size": 0}, ValueError, "batch_size expected at least 1, got 0"),
            ({"batch_size": -3}, ValueError, "got -3"),
            ({"batch_size": 2.0}, TypeError, r"batch_size expected an integer, got 2.0 \(float\)"),
            ({"batch_size": True}, TypeError, r"got True \(bool\)"),
            ({"batch_size": None}, TypeError, r"got None \(NoneType\)"),
            ({"batch_size": 11, "drop_last": True}, ValueError, "batch_size=11 with .* 10 items"),
            ({"seed": -1}, ValueError, "seed: expected an integer"),
            ({"seed": "a"}, TypeError, "seed: expected an integer"),
        ],
    )
    def test_options(self, options, error, message):
        with pytest.raises(error, match=message):
            DataLoader(numbers(10), **options)

    def test_an_empty_data_set(self):
        with pytest.raises(ValueError, match="dataset is empty"):
            DataLoader(ArrayDataset(np.zeros((0, 3))))

    def test_what_is_no_data_set(self):
        with pytest.raises(TypeError, match="__len__ and __getitem__.* got generator"):
            DataLoader(i for i in range(3))

    def test_a_plain_list_is_one(self):
        assert np.asarray(next(iter(DataLoader([1.0, 2.0], batch_size=2)))).tolist() == [1.0, 2.0]


def test_repr_says_what_a_person_asks():
    text = repr(DataLoader(numbers(10), 4, shuffle=True, seed=3))
    assert "10 items in 3 batches of 4" in text
    assert "seed=3" in text

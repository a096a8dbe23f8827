"""Data sets: what an index gives, what is kept, what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullback.data import ArrayDataset, DataLoader, Dataset, Subset, random_split

X = np.arange(24.0, dtype=np.float32).reshape(6, 2, 2)
Y = np.arange(6)


class TestArrayDataset:
    def test_an_integer_gives_the_tuple_of_rows(self):
        x, y = ArrayDataset(X, Y)[4]
        np.testing.assert_array_equal(x, X[4])
        assert y == 4
        assert len(ArrayDataset(X, Y)) == 6

    @pytest.mark.parametrize(
        "index", [slice(1, 5, 2), slice(None, None, -1), [5, 0, 0], np.array([-1, 2], np.int8), []]
    )
    def test_slices_and_integer_arrays_give_what_numpy_gives(self, index):
        x, y = ArrayDataset(X, Y)[index]
        wanted = np.asarray(index, dtype=np.int64) if isinstance(index, list) else index
        np.testing.assert_array_equal(x, X[wanted])
        np.testing.assert_array_equal(y, Y[wanted])

    @given(st.lists(st.integers(-6, 5)))
    def test_gathering_equals_one_by_one(self, indices):
        data = ArrayDataset(X, Y)
        x, y = data[np.array(indices, dtype=np.int64)]
        assert len(x) == len(y) == len(indices)
        for row, label, index in zip(x, y, indices, strict=True):
            np.testing.assert_array_equal(row, data[index][0])
            assert label == data[index][1]

    def test_one_array_still_gives_a_tuple(self):
        assert len(ArrayDataset(X)[0]) == 1

    def test_native_arrays_are_shared_and_cannot_be_written_through(self):
        x = X.copy()
        held = ArrayDataset(x).arrays[0]
        assert np.shares_memory(held, x)
        assert x.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            held[0] = 0

    @pytest.mark.parametrize(
        "x",
        [
            X[::2],
            X[::-1],
            X.transpose(2, 1, 0),
            np.broadcast_to(X[0], (6, 2, 2)),
            X.astype(">f4"),
            X.astype(">i2"),
        ],
        ids=["strided", "reversed", "transposed", "broadcast", "big-endian floats", "big-endian integers"],
    )
    def test_any_layout_is_accepted_and_left_alone(self, x):
        before, dtype = x.copy(), x.dtype
        x.flags.writeable = False
        data = ArrayDataset(x)
        gathered = data[np.arange(len(x))[::-1]][0]
        np.testing.assert_array_equal(gathered, before[::-1])
        assert gathered.dtype.isnative
        assert gathered.flags.c_contiguous
        assert x.dtype == dtype
        np.testing.assert_array_equal(x, before)

    def test_lists_of_python_floats_take_the_default_dtype(self):
        x, y = ArrayDataset([[1.0, 2.0], [3.0, 4.0]], [0, 1]).arrays
        assert x.dtype == np.float32
        assert y.dtype == np.int64

    def test_lists_of_numpy_floats_keep_theirs(self):
        assert ArrayDataset([np.float64(1.0), np.float64(2.0)]).arrays[0].dtype == np.float64
        assert ArrayDataset([np.zeros(2), np.ones(2)]).arrays[0].dtype == np.float64

    @pytest.mark.parametrize(
        ("arrays", "error", "message"),
        [
            ((), ValueError, "at least one array"),
            (
                (X, Y[:5]),
                ValueError,
                r"one length: arrays\[0\] has shape \(6, 2, 2\), arrays\[1\] has shape \(5,\)",
            ),
            ((X, 3.0), ValueError, r"arrays\[1\]: expected shape \(n, …\), got the single value 3.0"),
            (([[1, 2], [3]],), ValueError, r"arrays\[0\]: .* ragged"),
            ((["a", "b"],), TypeError, r"arrays\[0\]: expected numbers, got dtype <U1"),
            (([None],), TypeError, "expected numbers, got dtype object"),
        ],
    )
    def test_refusals(self, arrays, error, message):
        with pytest.raises(error, match=message):
            ArrayDataset(*arrays)

    @pytest.mark.parametrize(
        ("index", "error", "message"),
        [
            (6, IndexError, "index 6 is out of range for a data set of 6 items"),
            (-7, IndexError, "index -7 is out of range"),
            ([0, 9], IndexError, "index 9 is out of range"),
            (1.0, TypeError, r"got 1.0 \(float\)"),
            ("a", TypeError, r"got 'a' \(str\)"),
            (np.ones(6, bool), TypeError, "got an array of bool"),
        ],
    )
    def test_wrong_indices(self, index, error, message):
        with pytest.raises(error, match=message):
            ArrayDataset(X, Y)[index]

    def test_a_for_loop_over_it_ends(self):
        assert [int(y) for (y,) in ArrayDataset(Y)] == [0, 1, 2, 3, 4, 5]


class Letters(Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        return "abcde"[index]


class TestSubset:
    def test_items_and_length(self):
        part = Subset(Letters(), [4, -5, 4])
        assert len(part) == 3
        assert [part[i] for i in range(3)] == ["e", "a", "e"]
        assert part[-1] == "e"
        assert part.indices.tolist() == [4, 0, 4]
        assert part.gather is None

    def test_a_subset_of_a_subset_gathers_from_the_arrays(self):
        part = Subset(Subset(ArrayDataset(X, Y), [5, 4, 3, 2]), [3, 0])
        np.testing.assert_array_equal(part.gather(np.array([1, 0, 1]))[1], [5, 2, 5])
        np.testing.assert_array_equal(part.gather(slice(0, 2))[1], [2, 5])
        np.testing.assert_array_equal(part[:][1], [2, 5])
        np.testing.assert_array_equal(part[[1]][0], X[[5]])

    def test_an_empty_subset(self):
        assert len(Subset(Letters(), [])) == 0

    @pytest.mark.parametrize(
        ("indices", "error", "message"),
        [
            ([5], IndexError, "indices 5 is out of range for a data set of 5 items"),
            ([0.5], TypeError, "indices: expected .* integers"),
            ([[0]], ValueError, r"one-dimensional indices, got shape \(1, 1\)"),
        ],
    )
    def test_refusals(self, indices, error, message):
        with pytest.raises(error, match=message):
            Subset(Letters(), indices)

    def test_an_index_outside(self):
        with pytest.raises(IndexError, match="index 2 is out of range for a data set of 2 items"):
            Subset(Letters(), [0, 1])[2]


class TestRandomSplit:
    @given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(0, 2**128 - 1))
    def test_lengths_give_parts_that_cover_everything_once(self, lengths, seed):
        parts = random_split(ArrayDataset(np.zeros(sum(lengths))), lengths, seed=seed)
        assert [len(part) for part in parts] == lengths
        everything = np.concatenate([part.indices for part in parts])
        np.testing.assert_array_equal(np.sort(everything), np.arange(sum(lengths)))

    @given(st.integers(0, 200), st.integers(1, 6))
    def test_fractions_cover_everything_and_are_off_by_less_than_one_item(self, n, k):
        parts = random_split(ArrayDataset(np.zeros(n)), [1 / k] * k)
        assert sum(len(part) for part in parts) == n
        assert all(abs(len(part) - n / k) <= 1 for part in parts)

    def test_the_parts_do_not_follow_the_order_of_a_loader_with_the_same_seed(self):
        (part,) = random_split(ArrayDataset(np.arange(100)), [100], seed=3)
        (batch,) = next(iter(DataLoader(ArrayDataset(np.arange(100)), 100, shuffle=True, seed=3)))
        assert (part.indices != np.asarray(batch)).any()

    def test_the_seed_decides(self):
        data = ArrayDataset(np.arange(100))
        first, again, other = (random_split(data, [50, 50], seed=seed)[0].indices for seed in (3, 3, 4))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()

    @pytest.mark.parametrize(
        ("lengths", "error", "message"),
        [
            ([3, 2], ValueError, r"add up to the 6 items of the data set, got \[3, 2\], together 5"),
            ([0.8, 0.1], ValueError, "fractions that add up to 1, .* together 0.9"),
            ([7, -1], ValueError, "none below 0"),
            ([1.5, -0.5], ValueError, "none below 0"),
            ([float("nan"), 1.0], ValueError, "none below 0"),
            ([], TypeError, "sequence of integers or of fractions"),
            (6, TypeError, "sequence of integers or of fractions, got 6"),
            (["6"], TypeError, "sequence of integers or of fractions"),
        ],
    )
    def test_refusals(self, lengths, error, message):
        with pytest.raises(error, match=message):
            random_split(ArrayDataset(Y), lengths)

    @pytest.mark.parametrize(
        ("seed", "error"), [(-1, ValueError), (2**128, ValueError), (0.5, TypeError), (None, TypeError)]
    )
    def test_what_is_no_seed(self, seed, error):
        with pytest.raises(error, match="seed: expected an integer"):
            random_split(ArrayDataset(Y), [6], seed=seed)


def test_a_subclass_that_forgot_a_method_is_told_which():
    class Forgetful(Dataset):
        pass

    with pytest.raises(NotImplementedError, match=r"Forgetful must define __len__\(self\)"):
        len(Forgetful())
    with pytest.raises(NotImplementedError, match=r"Forgetful must define __getitem__\(self, index\)"):
        Forgetful()[0]

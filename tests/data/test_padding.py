"""Padding: what stands where, and what cannot be padded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pullback.data import DataLoader, pad_collate, pad_sequence


@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    multiple=st.integers(1, 4),
    more=hnp.array_shapes(max_dims=2),
)
def test_every_sequence_stands_at_the_beginning_and_the_filling_behind_it(lengths, multiple, more):
    arrays = [np.full((n, *more), i + 1.0) for i, n in enumerate(lengths)]
    padded = pad_sequence(arrays, padding_value=-7, multiple_of=multiple)
    assert padded.shape[1] % multiple == 0 and max(lengths) <= padded.shape[1] < max(lengths) + multiple
    for i, (row, n) in enumerate(zip(padded, lengths, strict=True)):
        assert (row[:n] == i + 1).all() and (row[n:] == -7).all()


def test_dtypes():
    assert pad_sequence([[1, 2], [3]]).dtype == np.int64
    assert pad_sequence([[1.5], []]).dtype == np.float32
    assert pad_sequence([[1], []]).dtype == np.int64
    assert pad_sequence([np.zeros(1, np.float64), np.zeros(2, np.float32)]).dtype == np.float64


def test_a_loader_pads_its_batches():
    items = [(list(range(n)), n % 2, str(n)) for n in (3, 1, 2, 5)]
    (x, lengths, y, names), (x2, *_) = DataLoader(items, batch_size=2, collate_fn=pad_collate)
    assert x.tolist() == [[0, 1, 2], [0, 0, 0]] and lengths.tolist() == [3, 1]
    assert y.tolist() == [1, 1] and names == ["3", "1"] and x2.shape == (2, 5)
    assert pad_collate([[1], [1, 2]], lengths=False).tolist() == [[1, 0], [1, 2]]


@pytest.mark.parametrize(
    "sequences, options, message",
    [
        ([], {}, "at least one sequence"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], {}, r"got \(2, 3\) for sequence 0 and \(2, 4\) for sequence 1"),
        ([1, 2], {}, "differ in the first axis only"),
        ([[1]], {"padding_value": 0.5}, "does not fit into int64"),
        ([[1]], {"multiple_of": 0}, "multiple_of expected at least 1"),
    ],
)
def test_what_cannot_be_padded_is_refused(sequences, options, message):
    with pytest.raises(ValueError, match=message):
        pad_sequence(sequences, **options)
    with pytest.raises(ValueError, match="2 parts|number"):
        pad_collate([(1, 2), (1,)])

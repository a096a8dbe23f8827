"""The loader's position, transforms as functions of seed, epoch and batch, streams, and the background thread."""

import json
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullback import random
from pullback.data import ArrayDataset, DataLoader, Dataset, IterableDataset, WeightedRandomSampler
from pullback.data.prefetch import prefetched


def noisy(batch, generator):
    return tuple(part + generator.normal(size=part.shape).astype(part.dtype) for part in batch)


def loader_of(n=11, **options):
    return DataLoader(ArrayDataset(np.arange(n, dtype=np.float64)), **({"batch_size": 3, "seed": 4} | options))


def stream(n=11):
    return IterableDataset(lambda: (float(i) for i in range(n)))


def seen(batches):
    return [np.asarray(batch[0] if isinstance(batch, tuple) else batch).tolist() for batch in batches]


KINDS = {
    "in order": loader_of,
    "shuffled": lambda **o: loader_of(shuffle=True, **o),
    "sampled": lambda **o: loader_of(sampler=WeightedRandomSampler(np.arange(11.0), 8, seed=2), **o),
    "transformed": lambda **o: loader_of(shuffle=True, transform=noisy, **o),
    "streamed": lambda **o: DataLoader(stream(), 3, **o),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("drop_last", [False, True])
def test_a_saved_position_continues_with_the_same_batches_in_the_same_and_the_following_epochs(
    kind, prefetch, drop_last
):
    options = {"prefetch": prefetch, "drop_last": drop_last}
    whole = KINDS[kind](**options)
    epochs = [seen(whole) for _ in range(3)]
    for stop in range(len(epochs[1]) + 1):
        first = KINDS[kind](**options)
        first.set_epoch(1)
        batches = iter(first)
        for _ in range(stop):
            next(batches)
        state = json.loads(json.dumps(first.state_dict()))
        assert (state["epoch"], state["batch"]) == (1, stop)
        second = KINDS[kind](**options)
        second.load_state_dict(state)
        assert seen(second) == epochs[1][stop:]
        assert seen(second) == epochs[2]


def test_the_position_counts_what_was_handed_out_and_not_what_was_made_ahead():
    loader = loader_of(n=50, prefetch=8)
    batches = iter(loader)
    next(batches)
    assert loader.state_dict()["batch"] == 1


def test_after_the_end_of_an_epoch_the_next_one_is_meant():
    loader = loader_of()
    list(loader)
    assert (loader.state_dict()["epoch"], loader.state_dict()["batch"]) == (1, 0)


def test_the_seed_comes_back_with_the_position():
    random.manual_seed(0)
    one = loader_of(shuffle=True, seed=None)
    batches = iter(one)
    next(batches)
    other = loader_of(shuffle=True, seed=None)
    assert other.seed != one.seed
    other.load_state_dict(one.state_dict())
    assert seen(other) == seen(batches)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"items": 12}, "items was 12 when the state was saved and is 11 now"),
        ({"batch_size": 4}, "batch_size was 4"),
        ({"shuffle": True}, "shuffle was True"),
        ({"batch": 9}, r"batch expected in \[0, 4\], got 9"),
        ({"batch": -1}, "got -1"),
    ],
)
def test_a_position_of_other_data_is_refused_and_changes_nothing(change, message):
    loader = loader_of()
    before = loader.state_dict()
    with pytest.raises(ValueError, match=message):
        loader.load_state_dict(before | change)
    with pytest.raises(ValueError, match="expected a dict with"):
        loader.load_state_dict({"epoch": 1})
    assert loader.state_dict() == before


def test_transforms_are_the_documented_function_of_seed_epoch_and_batch():
    loader = loader_of(transform=noisy)
    loader.set_epoch(2)
    for number, (x,) in enumerate(loader):
        bits = np.random.Philox(key=4, counter=[0, number, 3, 2])
        base = np.arange(11.0)[3 * number : 3 * number + 3]
        np.testing.assert_array_equal(np.asarray(x), base + np.random.Generator(bits).normal(size=len(base)))


# ---------------------------------------------------------------------------------------------- streams


@given(n=st.integers(0, 20), size=st.integers(1, 7), drop=st.booleans())
def test_a_stream_gives_every_item_once_in_every_epoch(n, size, drop):
    loader = DataLoader(stream(n), size, drop_last=drop)
    kept = n - n % size if drop else n
    for _ in range(2):
        assert [x for batch in seen(loader) for x in batch] == list(range(kept))


def test_a_stream_of_ones_own_hears_of_the_epoch():
    class Shifted(IterableDataset):
        epoch = None

        def set_epoch(self, epoch):
            self.epoch = epoch

        def __iter__(self):
            return iter([self.epoch, self.epoch + 10])

    loader = DataLoader(Shifted(), 2)
    assert [seen(loader), seen(loader)] == [[[0, 10]], [[1, 11]]]


def test_what_a_stream_cannot_do_is_said():
    with pytest.raises(ValueError, match="comes in its own order"):
        DataLoader(stream(), shuffle=True)
    with pytest.raises(TypeError, match=r"wrong:  IterableDataset\(lines\(\)\)"):
        IterableDataset(iter([1]))
    with pytest.raises(TypeError):
        len(DataLoader(stream()))
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(IterableDataset())


# ----------------------------------------------------------------------------------- the background thread


class Failing(Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 10

    def __getitem__(self, index):
        if index == 6:
            raise self.error
        return float(index)


def no_thread_is_left():
    return not [t for t in threading.enumerate() if t.name == "pullback-prefetch"]


@pytest.mark.parametrize("error", [OSError("the disk is gone"), SystemExit(3), MemoryError("full")])
def test_an_error_of_the_worker_arrives_where_its_batch_was_expected(error):
    loader = DataLoader(Failing(error), 2, prefetch=3)
    got = []
    with pytest.raises(type(error)) as caught:
        for batch in loader:
            got.append(np.asarray(batch).tolist())
    assert caught.value is error
    assert got == [[0, 1], [2, 3], [4, 5]]
    assert any(entry.name == "__getitem__" for entry in caught.traceback), "the place of the failure is shown"
    assert no_thread_is_left()


@settings(max_examples=20)
@given(depth=st.integers(1, 5), leave=st.integers(0, 30))
def test_leaving_the_loop_ends_the_thread(depth, leave):
    for i, _ in enumerate(loader_of(n=90, prefetch=depth)):
        if i == leave:
            break
    assert no_thread_is_left()


def test_a_worker_that_vanishes_is_noticed(monkeypatch):
    monkeypatch.setattr("pullback.data.prefetch._work", lambda *_: None)
    with pytest.raises(RuntimeError, match="ended without handing over"):
        list(prefetched(lambda: iter([1]), 1))


def test_prefetch_is_a_number_of_batches():
    with pytest.raises(ValueError, match="prefetch expected 0 or more"):
        loader_of(prefetch=-1)

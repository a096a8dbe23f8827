"""Packed sequences: PyTorch's layout, in and out of the recurrent layers, with gradients; what does not fit."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, ShapeError

rng = np.random.default_rng(31)
LENGTHS = np.array([3, 5, 1, 4])
X = rng.normal(size=(5, 4, 2))


@pytest.fixture
def theirs():
    reason = "PyTorch, the oracle of this test, is not installed"
    torch = pytest.importorskip("torch", reason=reason)
    torch.manual_seed(0)  # the layers' weights: the same each time, so that no sum happens to cancel
    return pytest.importorskip("torch.nn.utils.rnn", reason=reason)


def same(a, b):
    np.testing.assert_allclose(np.asarray(a), b.detach().numpy(), rtol=1e-13)


def same_packed(a, b):
    same(a.data, b.data)
    np.testing.assert_array_equal(a.batch_sizes, b.batch_sizes)
    for ours, other in zip(a[2:], b[2:], strict=True):
        assert (ours is None) == (other is None)
        assert ours is None or np.asarray(ours).tolist() == other.tolist()


@pytest.mark.parametrize("batch_first", [False, True])
def test_packing_and_padding_are_those_of_pytorch(theirs, batch_first):
    import torch

    x = X.swapaxes(0, 1).copy() if batch_first else X
    have = nn.pack_padded_sequence(x, LENGTHS, batch_first, enforce_sorted=False)
    want = theirs.pack_padded_sequence(torch.tensor(x), torch.tensor(LENGTHS), batch_first, enforce_sorted=False)
    same_packed(have, want)
    for options in ({}, {"padding_value": -2.0, "total_length": 7}):
        y, lengths = nn.pad_packed_sequence(have, batch_first, **options)
        z, their_lengths = theirs.pad_packed_sequence(want, batch_first, **options)
        same(y, z)
        assert lengths.tolist() == their_lengths.tolist() == LENGTHS.tolist()
    in_order = np.sort(LENGTHS)[::-1].copy()
    same_packed(
        nn.pack_padded_sequence(x, in_order, batch_first),
        theirs.pack_padded_sequence(torch.tensor(x), torch.tensor(in_order), batch_first),
    )


def test_lists_of_sequences(theirs):
    import torch

    sequences = [rng.normal(size=(n, 2)) for n in (4, 2, 1)]
    others = [torch.tensor(x) for x in sequences]
    for options in ({}, {"batch_first": True, "padding_value": 9.0}, {"padding_side": "left"}):
        same(nn.pad_sequence(sequences, **options), theirs.pad_sequence(others, **options))
    packed = nn.pack_sequence(sequences)
    same_packed(packed, theirs.pack_sequence(others))
    for a, b in zip(nn.unpack_sequence(packed), sequences, strict=True):
        np.testing.assert_array_equal(np.asarray(a), b)
    padded = nn.pad_sequence(sequences)
    for a, b in zip(nn.unpad_sequence(padded, [4, 2, 1]), sequences, strict=True):
        np.testing.assert_array_equal(np.asarray(a), b)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("settings", [{}, {"bidirectional": True, "num_layers": 2, "batch_first": True}])
def test_the_layers_take_and_return_them_as_in_pytorch(theirs, name, settings, agreement):
    import torch

    layer = getattr(torch.nn, name)(2, 3, **settings).double()
    ours = getattr(nn, name)(2, 3, **settings).double()
    ours.load_state_dict({path: x.numpy() for path, x in layer.state_dict().items()})
    mine, other = pb.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    have, state = ours(nn.pack_padded_sequence(mine, LENGTHS, enforce_sorted=False))
    want, their_state = layer(theirs.pack_padded_sequence(other, torch.tensor(LENGTHS), enforce_sorted=False))
    agreement.compare("layer", f"{name} of packed sequences", "value", have.data, want.data)
    pairs = [(state, their_state)] if name != "LSTM" else list(zip(state, their_state, strict=True))
    for a, b in pairs:
        agreement.compare("layer", f"{name} of packed sequences", "value", a, b)
    g = rng.normal(size=have.data.shape)
    ((have.data * g).sum() + pairs[0][0].sum()).backward()
    ((want.data * torch.tensor(g)).sum() + pairs[0][1].sum()).backward()
    agreement.compare("layer", f"{name} of packed sequences", "gradient", mine.grad, other.grad)
    for p, q in zip(ours.parameters(), layer.parameters(), strict=True):
        agreement.compare("layer", f"{name} of packed sequences", "gradient", p.grad, q.grad)
    back, _ = nn.pad_packed_sequence(have)
    same(back, theirs.pad_packed_sequence(want)[0])


def test_a_traced_step_packs_as_the_eager_one():
    layer = nn.GRU(2, 3).double()
    run = lambda x: layer(nn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False))[0].data
    for _ in range(2):
        np.testing.assert_array_equal(np.asarray(pb.trace(run)(X)), np.asarray(run(X)))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: nn.pack_padded_sequence(X, LENGTHS), ValueError, r"longest to the shortest, got \[3, 5, 1, 4\]"),
        (lambda: nn.pack_padded_sequence(X, [6, 1, 1, 1]), ShapeError, r"between 1 and 5.*got 6 for sequence 0"),
        (lambda: nn.pack_padded_sequence(X, [5, 4, 3, 0]), ShapeError, "got 0 for sequence 3"),
        (lambda: nn.pack_padded_sequence(X, [5, 4]), ShapeError, r"shape \(4,\).*got \(2,\)"),
        (lambda: nn.pack_padded_sequence(X, [5.0, 4.0, 3.0, 1.0]), DtypeError, "integer lengths, got float64"),
        (lambda: nn.pack_padded_sequence(X[0, 0], [5]), ShapeError, r"\(T, N, …\)"),
        (lambda: nn.pad_packed_sequence(nn.pack_sequence([X[:, 0]]), total_length=3), ShapeError, "at least 5, got 3"),
        (lambda: nn.pad_sequence([]), ValueError, "at least one sequence"),
        (lambda: nn.pad_sequence([X[0], X[0, :, :1]]), ShapeError, r"\(4, 2\) for sequence 0 and \(4, 1\)"),
        (lambda: nn.pad_sequence([X], padding_side="both"), ValueError, "padding_side"),
        (lambda: nn.RNN(2, 3).double()(nn.pack_sequence([X[:, 0]]), None, [5]), ValueError, "own lengths"),
    ],
)
def test_wrong_use(call, error, text):
    with pytest.raises(error, match=text):
        call()

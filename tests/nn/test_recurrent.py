"""Recurrent layers and cells against PyTorch, packed sequences included; the laws of every layer; wrong use."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, ShapeError

rng = np.random.default_rng(8)
T, N, F, H = 5, 3, 4, 3
X = rng.normal(size=(T, N, F))

LAYERS = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "bias": False}),
    ("RNN", {"num_layers": 2, "bidirectional": True}),
    ("LSTM", {}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("LSTM", {"num_layers": 2, "proj_size": 2, "bias": False}),
    ("GRU", {}),
    ("GRU", {"num_layers": 2, "bidirectional": True}),
    ("GRU", {"bias": False, "batch_first": True}),
]


def states(name, options, size=N, seed=1):
    r = np.random.default_rng(seed)
    count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    h = r.normal(size=(count, size, options.get("proj_size") or H))
    return (h, r.normal(size=(count, size, H))) if name == "LSTM" else h


class Called:
    """A layer under a calling convention of its own: the initial state, flattened to plain arguments."""

    def wrap(self, layer, torch, lengths=None, batch_first=False):
        base = torch.nn.Module if torch else nn.Module

        class Wrapped(base):
            def __init__(self):
                super().__init__()
                self.layer = layer

            def forward(self, x, *state):
                state = (state if len(state) > 1 else state[0]) if state else None
                if torch is None:
                    return self.layer(x, state, lengths)
                if lengths is None:
                    return self.layer(x, state)
                pack = torch.nn.utils.rnn
                packed = pack.pack_padded_sequence(x, torch.tensor(lengths), batch_first, enforce_sorted=False)
                y, last = self.layer(packed, state)
                return pack.pad_packed_sequence(y, batch_first, total_length=x.shape[1 if batch_first else 0])[0], last

        Wrapped.__name__ = type(layer).__name__
        return Wrapped()


@pytest.mark.parametrize("lengths", [None, [2, 5, 3], [1, 1, 4]])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(("name", "options"), LAYERS)
def test_layers_are_those_of_pytorch(like_torch, name, options, given, lengths):
    import torch

    first = options.get("batch_first", False)
    ours = Called().wrap(getattr(nn, name)(F, H, **options), None, lengths)
    theirs = Called().wrap(getattr(torch.nn, name)(F, H, **options), torch, lengths, first)
    state = states(name, options) if given else ()
    inputs = [X.swapaxes(0, 1).copy() if first else X, *(state if isinstance(state, tuple) else [state])]
    like_torch(ours, theirs, inputs, second=lengths is None and not given, name=name)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("bias", [True, False])
def test_cells_are_those_of_pytorch(like_torch, name, bias):
    import torch

    ours, theirs = (getattr(library, name + "Cell")(F, H, bias=bias) for library in (nn, torch.nn))
    like_torch(ours, theirs, [X[0]])
    h = states(name, {})
    pair = [part[0] for part in h] if name == "LSTM" else [h[0]]
    ours, theirs = Called().wrap(ours, None), Called().wrap(theirs, torch)
    ours.forward = lambda x, *state: ours.layer(x, state if name == "LSTM" else state[0])
    like_torch(ours, theirs, [X[0], *pair], name=name + "Cell")


def test_a_single_sequence_and_a_single_step(like_torch):
    import torch

    for name, options in LAYERS:
        if not options.get("batch_first"):
            like_torch(getattr(nn, name)(F, H, **options), getattr(torch.nn, name)(F, H, **options), [X[:, 0]])
    like_torch(nn.LSTMCell(F, H), torch.nn.LSTMCell(F, H), [X[0, 0]])
    like_torch(nn.GRU(F, H), torch.nn.GRU(F, H), [X[:1]])


@pytest.mark.parametrize(("name", "options"), [LAYERS[i] for i in (1, 2, 3, 5, 6)])
def test_layers_keep_the_laws(laws, name, options):
    laws(getattr(nn, name)(F, H, **options), X[:3])


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_layers_with_lengths_and_cells_keep_the_laws(laws, name):
    laws(getattr(nn, name)(F, H, bidirectional=True), X[:3], options={"lengths": np.array([2, 3, 1])})
    laws(getattr(nn, name + "Cell")(F, H), X[0])


def test_the_layer_is_the_cell_step_by_step():
    layer, cell = nn.LSTM(F, H).double(), nn.LSTMCell(F, H).double()
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(cell, name).assign_(getattr(layer, name + "_l0"))
    state, ys = None, []
    for x in X:
        state = cell(x, state)
        ys.append(np.asarray(state[0]))
    y, (h, c) = layer(X)
    np.testing.assert_allclose(np.asarray(y), ys, rtol=1e-12)
    np.testing.assert_allclose(np.asarray(c[0]), np.asarray(state[1]), rtol=1e-12)
    np.testing.assert_array_equal(np.asarray(h[0]), np.asarray(y[-1]))


class TestLengths:
    @pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
    def test_what_lies_behind_the_end_is_neither_read_nor_written(self, name):
        layer = getattr(nn, name)(F, H, num_layers=2, bidirectional=True).double()
        lengths = np.array([2, 5, 3])
        y, last = layer(X, lengths=lengths)
        changed = X.copy()
        for i, n in enumerate(lengths):
            changed[n:, i] = 1e9
            assert not np.asarray(y)[n:, i].any()
        again, last_again = layer(changed, lengths=lengths)
        np.testing.assert_array_equal(np.asarray(y), np.asarray(again))
        for a, b in zip(np.asarray(last), np.asarray(last_again), strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
        alone, _ = layer(X[:2, :1])
        np.testing.assert_allclose(np.asarray(y)[:2, :1], np.asarray(alone), rtol=1e-12)

    def test_a_traced_step_takes_other_lengths(self):
        layer = nn.GRU(F, H).double()
        step = pb.trace(lambda x, lengths: layer(x, None, lengths)[0])
        for lengths in ([2, 5, 3], [5, 1, 1]):
            have = step(pb.tensor(X), pb.tensor(np.array(lengths)))
            np.testing.assert_array_equal(np.asarray(have), np.asarray(layer(X, lengths=lengths)[0]))
        assert sum(map(len, step.graphs.values())) == 1

    @pytest.mark.parametrize(
        ("lengths", "error", "text"),
        [
            ([2, 6, 3], ShapeError, r"between 1 and 5.*got 6 for sequence 1"),
            ([2, 5, 0], ShapeError, r"between 1 and 5.*got 0 for sequence 2"),
            ([2, 5], ShapeError, r"lengths of shape \(3,\).*got \(2,\)"),
            ([2.0, 5.0, 3.0], DtypeError, "integer lengths"),
        ],
    )
    def test_lengths_that_do_not_fit(self, lengths, error, text):
        with pytest.raises(error, match=r"(?s)LSTM\(4, 3\).*" + text):
            nn.LSTM(F, H)(X, lengths=lengths)

    def test_a_single_sequence_has_no_lengths(self):
        with pytest.raises(ShapeError, match="single one"):
            nn.LSTM(F, H)(X[:, 0], lengths=[5])


def test_dropout_stands_between_the_layers():
    pb.random.manual_seed(0)
    layer = nn.LSTM(F, H, num_layers=2, dropout=1.0).double()
    zeros = nn.LSTM(F, H, num_layers=2).double()
    zeros.load_state_dict(layer.state_dict())
    zeros.weight_ih_l1.assign_(0)  # what dropout with p = 1 leaves of the first layer
    np.testing.assert_allclose(np.asarray(layer(X)[0]), np.asarray(zeros(X)[0]), rtol=1e-12)
    full = nn.LSTM(F, H, num_layers=2).double()
    full.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(np.asarray(layer.eval()(X)[0]), np.asarray(full(X)[0]))


class TestWrongUse:
    @pytest.mark.parametrize(
        ("call", "text"),
        [
            (lambda: nn.LSTM(F, H)(X[..., :3]), r"LSTM\(4, 3\).*\(T, N, 4\) or \(T, 4\).*input_size = 4.*\(5, 3, 3\)"),
            (lambda: nn.GRU(F, H, batch_first=True)(X[..., :3]), r"GRU.*\(N, T, 4\)"),
            (lambda: nn.RNN(F, H)(X[:0]), r"at least one step.*\(0, 3, 4\)"),
            (lambda: nn.GRU(F, H)(X, np.zeros((1, 2, H))), r"h_0 of shape \(1, 3, 3\), got \(1, 2, 3\)"),
            (
                lambda: nn.LSTM(F, H, 2)(X, (np.zeros((2, N, H)), np.zeros((1, N, H)))),
                r"c_0 of shape \(2, 3, 3\), got \(1, 3, 3\)",
            ),
            (lambda: nn.LSTMCell(F, H)(X), r"LSTMCell\(4, 3\).*\(N, 4\) or \(4,\).*\(5, 3, 4\)"),
            (lambda: nn.GRUCell(F, H)(X[0], np.zeros((2, H))), r"hx of shape \(3, 3\).*got \(2, 3\)"),
        ],
    )
    def test_shapes(self, call, text):
        with pytest.raises(ShapeError, match=f"(?s){text}"):
            call()

    def test_an_lstm_takes_a_pair(self):
        with pytest.raises(TypeError, match=r"pair \(h, c\)"):
            nn.LSTM(F, H)(X, np.zeros((1, N, H)))

    @pytest.mark.parametrize(
        "make",
        [
            lambda: nn.LSTM(0, 3),
            lambda: nn.GRU(3, -1),
            lambda: nn.RNN(3, 3, num_layers=0),
            lambda: nn.RNN(3, 3, nonlinearity="sigmoid"),
            lambda: nn.LSTM(3, 3, dropout=1.5),
            lambda: nn.LSTM(3, 3, proj_size=3),
            lambda: nn.RNNCell(3, 3, nonlinearity="gelu"),
        ],
    )
    def test_settings(self, make):
        with pytest.raises(ValueError):
            make()

    def test_integers(self):
        with pytest.raises(DtypeError, match="int64"):
            nn.GRU(F, H)(np.ones((T, N, F), np.int64))


def test_they_show_their_settings():
    assert repr(nn.LSTM(4, 3, num_layers=2, bidirectional=True)) == "LSTM(4, 3, num_layers=2, bidirectional=True)"
    assert repr(nn.GRUCell(4, 3, bias=False)) == "GRUCell(4, 3, bias=False)"

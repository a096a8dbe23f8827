"""Embedding against PyTorch in float64; the padding row; indices that do not exist."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, ShapeError
from pullback.nn import functional as F

rng = np.random.default_rng(13)
W = rng.normal(size=(6, 3))


@pytest.mark.parametrize("shape", [(7,), (2, 5), (2, 2, 3), (), (0,)])
@pytest.mark.parametrize("padding_idx", [None, 2, -1])
def test_values_and_gradients_are_those_of_pytorch(shape, padding_idx, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    indices = rng.integers(0, 6, shape)
    mine, other = pb.tensor(W, requires_grad=True), torch.tensor(W, requires_grad=True)
    y = F.embedding(indices, mine, padding_idx)
    t = torch.nn.functional.embedding(torch.tensor(indices), other, padding_idx)
    agreement.compare("layer", "Embedding", "value", y, t)
    g = rng.normal(size=y.shape)
    y.backward(g)
    t.backward(torch.tensor(g))
    agreement.compare("layer", "Embedding", "gradient", mine.grad, other.grad)


def test_the_layer():
    pb.random.manual_seed(0)
    layer = nn.Embedding(1000, 50, padding_idx=-1)
    w = np.asarray(layer.weight)
    assert w.shape == (1000, 50) and w.dtype == np.float32
    assert w[:-1].mean() == pytest.approx(0, abs=0.02) and w[:-1].std() == pytest.approx(1, abs=0.02)
    assert not w[-1].any()
    assert repr(layer) == "Embedding(1000, 50, padding_idx=999)"
    layer(np.array([[0, 999], [999, 3]])).sum().backward()
    assert np.flatnonzero(np.asarray(layer.weight.grad).any(axis=1)).tolist() == [0, 3]


def test_a_table_that_is_there_already():
    frozen = nn.Embedding.from_pretrained(W)
    assert not frozen.weight.requires_grad
    np.testing.assert_array_equal(np.asarray(frozen(np.array([4]))), W[[4]])
    assert nn.Embedding.from_pretrained(pb.tensor(W), freeze=False).weight.requires_grad
    with pytest.raises(ShapeError, match="two axes"):
        nn.Embedding.from_pretrained(W[0])


@pytest.mark.parametrize(("indices", "wrong", "place"), [([[0, 6]], 6, "(0, 1)"), ([-1], -1, "(0,)"), (9, 9, "")])
def test_an_index_out_of_range_names_itself_and_the_number_of_rows(indices, wrong, place):
    layer = nn.Embedding(6, 2)
    with pytest.raises(IndexError) as caught:
        layer(np.array(indices))
    assert f"index {wrong}" in str(caught.value) and "num_embeddings = 6" in str(caught.value)
    assert place in str(caught.value)


def test_other_wrong_use():
    with pytest.raises(DtypeError, match="float64"):
        F.embedding(np.array([1.0]), W)
    with pytest.raises(ShapeError, match="num_embeddings, width"):
        F.embedding(np.array([1]), W[0])
    with pytest.raises(IndexError, match="padding_idx 6"):
        F.embedding(np.array([1]), W, padding_idx=6)
    with pytest.raises(ValueError, match="padding_idx 6"):
        nn.Embedding(6, 2, padding_idx=6)
    with pytest.raises(ValueError, match="num_embeddings"):
        nn.Embedding(0, 2)


def test_other_interpreters():
    indices, g = rng.integers(0, 6, (4, 5)), rng.normal(size=(5, 3))
    one = lambda w, i: pb.sum(g * pb.sin(F.embedding(i, w, padding_idx=1)))
    per_sample = np.asarray(pb.vmap(pb.grad(one), in_axes=(None, 0))(W, indices))
    np.testing.assert_allclose(per_sample, np.stack([np.asarray(pb.grad(one)(W, i)) for i in indices]), rtol=1e-12)
    several = rng.normal(size=(4, 6, 3))
    tables = np.asarray(pb.vmap(pb.grad(one), in_axes=(0, None))(several, indices[0]))
    np.testing.assert_allclose(tables, np.stack([np.asarray(pb.grad(one)(w, indices[0])) for w in several]), rtol=1e-12)
    traced = pb.trace(pb.grad(one))
    for _ in range(2):
        np.testing.assert_array_equal(np.asarray(traced(W, indices[0])), np.asarray(pb.grad(one)(W, indices[0])))
    whole = lambda w: pb.sum(g * pb.sin(F.embedding(indices[0], w)))
    v = rng.normal(size=W.shape)
    second = np.asarray(pb.jvp(pb.grad(whole), (W,), (v,))[1])
    want = np.zeros_like(W)
    np.add.at(want, indices[0], -g * np.sin(W[indices[0]]) * v[indices[0]])
    np.testing.assert_allclose(second, want, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(np.asarray(F.embedding(indices[::2, ::-1], W)), W[indices[::2, ::-1]])


OPTIONS = [
    {"max_norm": 1.0},
    {"max_norm": 0.8, "norm_type": 1.0, "padding_idx": 1},
    {"max_norm": 0.9, "norm_type": 3.0},
    {"scale_grad_by_freq": True},
    {"scale_grad_by_freq": True, "padding_idx": 1, "max_norm": 1.0},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_options_are_those_of_pytorch(options, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    indices = np.array([[0, 1, 1], [5, 2, 1]])
    ours = nn.Embedding(6, 3, **options).double()
    theirs = torch.nn.Embedding(6, 3, dtype=torch.float64, **options)
    ours.weight.assign_(W)
    theirs.weight.data = torch.tensor(W)
    have, want = ours(indices), theirs(torch.tensor(indices))
    agreement.compare("layer", "Embedding", "value", have, want)
    agreement.compare("layer", "Embedding", "state", ours.weight, theirs.weight)  # shorter rows stay
    g = rng.normal(size=have.shape)
    have.backward(g)
    want.backward(torch.tensor(g))
    agreement.compare("layer", "Embedding", "gradient", ours.weight.grad, theirs.weight.grad)


@pytest.mark.parametrize("options", OPTIONS[:3])
def test_the_laws_hold_where_rows_are_short(options, laws):
    layer = nn.Embedding(6, 3, **options).double()
    layer.weight.assign_(W / 10)
    laws(layer, np.array([[0, 1, 1], [5, 2, 1]]))


@pytest.mark.parametrize("options", OPTIONS)
def test_a_traced_step_gives_the_same_bits(options):
    def run(wrap):
        layer = nn.Embedding(6, 3, **options).double()
        layer.weight.assign_(W)

        @wrap
        def step(indices):
            layer.zero_grad()
            (layer(indices) ** 2).sum().backward()
            return layer.weight.grad

        gradients = [np.asarray(step(pb.tensor(i))) for i in ([0, 1, 1], [5, 2, 1])]
        return [*gradients, np.asarray(layer.weight)]

    for a, b in zip(run(lambda f: f), run(pb.trace), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_table_of_the_caller_stays_and_has_the_gradient_of_the_shortened_one():
    table = W.copy()
    y = F.embedding(np.array([1, 2]), table, max_norm=0.5)
    np.testing.assert_array_equal(table, W)
    np.testing.assert_allclose(np.linalg.norm(np.asarray(y), axis=1), 0.5, rtol=1e-6)
    gradient = pb.grad(lambda w: F.embedding(np.array([1, 2]), w, max_norm=0.5).sum())(table)
    assert np.asarray(gradient).tolist() == [[0.0] * 3, [1.0] * 3, [1.0] * 3, *[[0.0] * 3] * 3]
    alone = pb.vmap(lambda i: F.embedding(i, table, max_norm=0.5))(np.array([[1], [2]]))
    np.testing.assert_array_equal(np.asarray(alone)[:, 0], np.asarray(y))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.Embedding(6, 2, sparse=True), "Embedding: expected sparse=False.*dense"),
        (lambda: F.embedding(np.array([1]), W, sparse=True), "expected sparse=False"),
        (lambda: nn.Embedding(6, 2, max_norm=0.0), "max_norm > 0.*got max_norm=0.0"),
        (lambda: nn.Embedding(6, 2, max_norm=1.0, norm_type=-1.0), "norm_type=-1.0"),
    ],
)
def test_options_that_make_no_sense(call, text):
    with pytest.raises(ValueError, match=f"(?s){text}"):
        call()


def test_inside_vmap_a_parameter_is_not_shortened():
    layer = nn.Embedding(6, 3, max_norm=0.5).double()
    before = layer.weight.tolist()
    with pytest.raises(pb.PullbackError, match="max_norm=None"):
        pb.vmap(layer)(np.array([[1], [2]]))
    with pytest.raises(IndexError):
        layer(np.array([2, 6]))
    assert layer.weight.tolist() == before

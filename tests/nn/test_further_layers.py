"""Layers, losses and functions that PyTorch has besides the common ones, held against PyTorch; wrong use."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, ShapeError
from pullback.nn import functional as F

rng = np.random.default_rng(41)
IMAGES = rng.normal(size=(2, 4, 5, 6))
SEQUENCES = rng.normal(size=(2, 6, 9))
VOLUMES = rng.normal(size=(2, 2, 4, 5, 3))
TABLE = rng.normal(size=(7, 3))
BAGS = np.array([[1, 2, 2, 5], [0, 6, 6, 3]])
FLAT, OFFSETS = np.array([1, 2, 4, 5, 4, 3]), np.array([0, 2, 2, 5])
X, T = rng.normal(size=(5, 4)), np.array([[3, 0, -1, 1], [0, -1, 2, 2], [1, 2, 3, 0], [-1, 0, 0, 0], [2, 2, -1, 0]])
A, B, C = rng.normal(size=(3, 5, 3))


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")


CASES = [
    ("Unfold", (2,), {}, IMAGES),
    ("Unfold", ((3, 2),), {"dilation": (1, 2), "padding": (2, 1), "stride": (2, 1)}, IMAGES),
    ("Fold", ((5, 4), 2), {}, rng.normal(size=(2, 8, 12))),
    ("Fold", ((5, 6), (3, 2)), {"dilation": (1, 2), "padding": (2, 1), "stride": (2, 1)}, rng.normal(size=(2, 12, 24))),
    ("LocalResponseNorm", (3,), {"alpha": 0.7, "beta": 0.6, "k": 1.5}, IMAGES),
    ("LocalResponseNorm", (4,), {"alpha": 0.7}, SEQUENCES),
    ("ChannelShuffle", (2,), {}, IMAGES),
    ("ChannelShuffle", (3,), {}, SEQUENCES),
    ("LPPool3d", (2, 2), {}, np.abs(VOLUMES)),
    ("LPPool3d", (3.0, (2, 1, 2)), {"stride": 1, "ceil_mode": True}, np.abs(VOLUMES)),
]


@pytest.mark.parametrize(("name", "sizes", "settings", "x"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_layers_are_those_of_pytorch(torch, like_torch, name, sizes, settings, x):
    second = not name.startswith("LPPool")
    theirs = getattr(torch.nn, name)(*sizes, **settings)
    like_torch(getattr(nn, name)(*sizes, **settings), theirs, [x], second=second)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("options", [{}, {"padding_idx": 2}, {"max_norm": 1.0}])
@pytest.mark.parametrize("bags", [(BAGS,), (FLAT, OFFSETS)])
def test_bags_are_those_of_pytorch(torch, like_torch, mode, options, bags):
    # PyTorch's maxima have neither second derivatives nor the first of an empty bag in float64 only.
    theirs = torch.nn.EmbeddingBag(7, 3, mode=mode, **options).double()
    theirs.weight.data = torch.tensor(TABLE)
    like_torch(nn.EmbeddingBag(7, 3, mode=mode, **options), theirs, list(bags), second=False)


def test_bags_with_factors_and_a_last_offset(torch, like_torch):
    theirs = torch.nn.EmbeddingBag(7, 3, mode="sum", include_last_offset=True)
    ours = nn.EmbeddingBag(7, 3, mode="sum", include_last_offset=True)
    like_torch(ours, theirs, [FLAT, np.append(OFFSETS, 6), rng.normal(size=6)], second=False)
    like_torch(nn.EmbeddingBag(7, 3, mode="sum"), torch.nn.EmbeddingBag(7, 3, mode="sum"), [BAGS], second=False)


def test_gradients_of_bags_divided_by_frequencies_are_those_of_pytorchs_embedding(torch):
    # PyTorch's embedding_bag divides by the frequencies of other rows; its embedding by those of the row itself.
    g = rng.normal(size=(2, 3))
    other = torch.tensor(TABLE, requires_grad=True)
    torch.nn.functional.embedding(torch.tensor(BAGS), other, scale_grad_by_freq=True).mean(1).backward(torch.tensor(g))
    ours = nn.EmbeddingBag(7, 3, scale_grad_by_freq=True).double()
    ours.weight.assign_(TABLE)
    ours(BAGS).backward(g)
    np.testing.assert_allclose(np.asarray(ours.weight.grad), other.grad.numpy(), rtol=1e-13)


@pytest.mark.parametrize(("axes", "x"), [(1, SEQUENCES), (2, IMAGES), (3, VOLUMES)])
@pytest.mark.parametrize("settings", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 1, "padding": 1}])
def test_unpooling_is_that_of_pytorch(torch, agreement, axes, x, settings):
    name = f"MaxUnpool{axes}d"
    pool = getattr(torch.nn, f"MaxPool{axes}d")(**settings, return_indices=True)
    y, indices = pool(torch.tensor(x))
    mine, other = pb.tensor(y.numpy(), requires_grad=True), y.clone().requires_grad_()
    sizes = (None, x.shape) if settings["kernel_size"] == 2 else (x.shape,)
    for size in sizes if axes < 3 else (x.shape,):
        want = getattr(torch.nn, name)(**settings)(other, indices, output_size=size)
        have = getattr(nn, name)(**settings)(mine, indices.numpy(), output_size=size)
        agreement.compare("layer", name, "value", have, want)
        alone = getattr(F, f"max_unpool{axes}d")(y.numpy()[0], indices.numpy()[0], **settings, output_size=size)
        np.testing.assert_array_equal(np.asarray(alone), np.asarray(have)[0])
    if settings["kernel_size"] == 2:  # each place once
        g = rng.normal(size=have.shape)
        have.backward(g)
        want.backward(torch.tensor(g))
        agreement.compare("layer", name, "gradient", mine.grad, other.grad)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_losses_are_those_of_pytorch(torch, agreement, reduction):
    squared = lambda x, y: ((x - y) ** 2).sum(-1)
    options = {"distance_function": squared, "margin": 4.0, "swap": True, "reduction": reduction}
    cases = [
        ("MultiLabelMarginLoss", {"reduction": reduction}, [X, T]),
        ("TripletMarginWithDistanceLoss", options, [A, B, C]),
        ("TripletMarginWithDistanceLoss", {"reduction": reduction}, [A, B, C]),
    ]
    for name, settings, inputs in cases:
        mine = [pb.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
        other = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
        have, want = getattr(nn, name)(**settings)(*mine), getattr(torch.nn, name)(**settings)(*other)
        agreement.compare("loss", name, "value", have, want)
        g = rng.normal(size=have.shape)
        have.backward(g)
        want.backward(torch.tensor(g))
        for a, b in zip(mine, other, strict=True):
            if b.requires_grad:
                agreement.compare("loss", name, "gradient", a.grad, b.grad)


@pytest.mark.parametrize(
    ("name", "inputs", "settings"),
    [
        ("normalize", [X], {}),
        ("normalize", [IMAGES], {"p": 3.0, "dim": -1, "eps": 0.5}),
        ("normalize", [X], {"p": 1, "dim": 0}),
        ("pdist", [X], {}),
        ("pdist", [X], {"p": 3.0}),
        ("pdist", [X], {"p": float("inf")}),
    ],
)
def test_functions_are_those_of_pytorch(torch, agreement, name, inputs, settings):
    mine, other = pb.tensor(inputs[0], requires_grad=True), torch.tensor(inputs[0], requires_grad=True)
    have, want = getattr(F, name)(mine, **settings), getattr(torch.nn.functional, name)(other, **settings)
    agreement.compare("layer", name, "value", have, want)
    g = rng.normal(size=have.shape)
    have.backward(g)
    want.backward(torch.tensor(g))
    agreement.compare("layer", name, "gradient", mine.grad, other.grad)


class TestChance:
    def test_whole_channels_are_dropped(self):
        pb.random.manual_seed(0)
        x = rng.normal(size=(200, 50, 3))
        y = np.asarray(nn.FeatureAlphaDropout(0.3)(x))
        scale = (y[..., 1] - y[..., 0]) / (x[..., 1] - x[..., 0])  # a for what stays, 0 for what is dropped
        dropped = np.abs(scale) < 1e-9
        assert dropped.mean() == pytest.approx(0.3, abs=0.02)
        assert y.mean() == pytest.approx(0.0, abs=0.02) and y.std() == pytest.approx(1.0, abs=0.02)
        np.testing.assert_array_equal(np.asarray(nn.FeatureAlphaDropout(0.3).eval()(x)), x)

    def test_gumbel_softmax_draws_by_the_softmax(self):
        pb.random.manual_seed(0)
        logits = np.tile(np.log([0.2, 0.5, 0.3]), (20_000, 1))
        hard = np.asarray(F.gumbel_softmax(logits, hard=True))
        assert set(np.unique(hard)) == {0.0, 1.0} and (hard.sum(1) == 1).all()
        np.testing.assert_allclose(hard.mean(0), [0.2, 0.5, 0.3], atol=0.01)
        soft = np.asarray(F.gumbel_softmax(logits, tau=0.5))
        np.testing.assert_allclose(soft.sum(1), 1, rtol=1e-12)

    def test_the_hard_sample_has_the_gradient_of_the_soft_one(self):
        x, g = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))

        def gradient(hard):
            pb.random.manual_seed(3)
            return np.asarray(pb.grad(lambda x: (F.gumbel_softmax(x, 0.7, hard) * g).sum())(x))

        np.testing.assert_array_equal(gradient(True), gradient(False))


class TestWrongUse:
    @pytest.mark.parametrize(
        ("call", "error", "text"),
        [
            (lambda: F.unfold(X, 2), ShapeError, r"unfold: expected x of shape \(N, C, H, W\).*got \(5, 4\)"),
            (lambda: F.unfold(IMAGES, 7), ShapeError, "unfold: a kernel of size"),
            (lambda: F.fold(X, (5, 4), 2), ShapeError, r"fold: expected x of shape \(N, C·4, 12\).*got \(5, 4\)"),
            (lambda: nn.Unfold(0), ValueError, "Unfold: expected kernel_size"),
            (lambda: nn.ChannelShuffle(3)(IMAGES), ShapeError, r"C a multiple of 3, got \(2, 4, 5, 6\)"),
            (lambda: nn.LocalResponseNorm(2)(X), ShapeError, "axis behind C"),
            (lambda: nn.LocalResponseNorm(0)(IMAGES), ValueError, "size to be a positive integer, got 0"),
            (lambda: nn.EmbeddingBag(7, 3, mode="min"), ValueError, "mode to be one of"),
            (lambda: nn.EmbeddingBag(7, 3, padding_idx=7), ValueError, "padding_idx 7"),
            (lambda: nn.EmbeddingBag(7, 3)(FLAT), ShapeError, r"got \(6,\) without offsets"),
            (lambda: nn.EmbeddingBag(7, 3)(FLAT, np.array([0, 7])), ShapeError, "rise to at most 6"),
            (lambda: nn.EmbeddingBag(7, 3)(FLAT, np.array([1, 2])), ShapeError, "begin with 0"),
            (lambda: nn.EmbeddingBag(7, 3)(FLAT, np.array([0.0])), DtypeError, "integer offsets"),
            (lambda: nn.EmbeddingBag(7, 3)(BAGS, OFFSETS), ValueError, "need none"),
            (lambda: nn.EmbeddingBag(7, 3)(BAGS + 3), IndexError, r"index 8 at \(0, 3\)"),
            (lambda: nn.EmbeddingBag(7, 3)(BAGS, None, np.ones((2, 4))), ValueError, "mode='sum', got mode='mean'"),
            (lambda: nn.EmbeddingBag(7, 3, mode="sum")(BAGS, None, np.ones(4)), ShapeError, r"\(2, 4\), got \(4,\)"),
            (lambda: nn.MaxUnpool1d(2)(X, X[:1]), ShapeError, r"got x \(5, 4\) and indices \(1, 4\)"),
            (lambda: nn.MaxUnpool1d(2)(X, np.full(X.shape, 9)), IndexError, "9"),
            (lambda: F.pdist(IMAGES), ShapeError, r"\(N, D\)"),
            (lambda: F.normalize(X, p=0), ValueError, "p > 0"),
            (lambda: F.multilabel_margin_loss(X, T[:2]), ShapeError, "one shape"),
            (lambda: F.multilabel_margin_loss(X, X), DtypeError, "integer labels"),
            (lambda: F.multilabel_margin_loss(X, T + 1), IndexError, "4"),
            (lambda: nn.TripletMarginWithDistanceLoss(margin=0), ValueError, "margin > 0"),
            (lambda: F.gumbel_softmax(X, tau=0), ValueError, "tau > 0"),
            (lambda: F.feature_alpha_dropout(X[0]), ShapeError, r"\(N, C, …\), got \(4,\)"),
        ],
    )
    def test_it_is_refused(self, call, error, text):
        with pytest.raises(error, match=f"(?s){text}"):
            call()

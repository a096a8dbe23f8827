"""Every loss beside PyTorch's: values, gradients in all inputs, second order; and the laws that every loss keeps."""

import math

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, ShapeError
from pullback.nn import functional as F

rng = np.random.default_rng(8)
X, T = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
A, B, C = rng.normal(size=(3, 6, 5))
ROW, OTHER = rng.normal(size=(2, 6))
SIGNS = np.array([1.0, -1.0, 1.0, 1.0, -1.0, -1.0])
LABELS = np.array([0, 3, 1, 1, 2, 0])
P, Q = rng.dirichlet(np.ones(4), (2, 6))
COUNTS = np.array([[0.0, 1.0, 2.0, 5.0]] * 6)
POSITIVE = rng.uniform(0.5, 3.0, (6, 4))
WEIGHT = np.array([0.5, 2.0, 1.0, 0.25])
BINARY = np.sign(T)

# name, inputs, options; PyTorch has a function of the name.
CASES = [
    ("mse_loss", (X, T), {}),
    ("l1_loss", (X, T), {}),
    ("mse_loss", (X, T), {"weight": POSITIVE}),
    ("l1_loss", (X, T), {"weight": POSITIVE}),
    ("huber_loss", (X, T), {}),
    ("huber_loss", (X, T), {"delta": 0.4}),
    ("huber_loss", (X, T), {"weight": POSITIVE}),
    ("smooth_l1_loss", (X, T), {}),
    ("smooth_l1_loss", (X, T), {"beta": 0.3}),
    ("smooth_l1_loss", (X, T), {"beta": 0.0}),
    ("poisson_nll_loss", (X, COUNTS), {}),
    ("poisson_nll_loss", (X, COUNTS), {"full": True}),
    ("poisson_nll_loss", (POSITIVE, COUNTS), {"log_input": False, "eps": 1e-3, "full": True}),
    ("gaussian_nll_loss", (X, T, POSITIVE), {}),
    ("gaussian_nll_loss", (X, T, POSITIVE[:, :1]), {"full": True}),
    ("gaussian_nll_loss", (X, T, POSITIVE[:, 0]), {"eps": 1.5}),
    ("hinge_embedding_loss", (POSITIVE, BINARY), {"margin": 2.0}),
    ("margin_ranking_loss", (ROW, OTHER, SIGNS), {"margin": 0.5}),
    ("multi_margin_loss", (X, LABELS), {}),
    ("multi_margin_loss", (X, LABELS), {"p": 2, "margin": 0.7, "weight": WEIGHT}),
    ("soft_margin_loss", (X, BINARY), {}),
    ("multilabel_soft_margin_loss", (X, (T > 0).astype(float)), {"weight": WEIGHT}),
    ("kl_div", (np.log(P), Q), {}),
    ("kl_div", (np.log(P), np.log(Q)), {"log_target": True}),
    ("cosine_embedding_loss", (A, B, SIGNS), {"margin": -0.3}),
    ("triplet_margin_loss", (A, B, C), {}),
    ("triplet_margin_loss", (A, B, C), {"p": 1, "margin": 3.0, "swap": True}),
    ("triplet_margin_loss", (A, B, C), {"p": 3, "margin": 2.0, "eps": 1e-3}),
    ("cross_entropy", (X, LABELS), {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.1}),
    ("nll_loss", (np.log(P), LABELS), {"weight": WEIGHT}),
    ("binary_cross_entropy", (P, Q), {}),
    ("binary_cross_entropy_with_logits", (X, Q), {"pos_weight": WEIGHT}),
]
IDS = [f"{name}-{i}" for i, (name, _, _) in enumerate(CASES)]
CLASSES = {
    "mse_loss": "MSELoss",
    "l1_loss": "L1Loss",
    "huber_loss": "HuberLoss",
    "smooth_l1_loss": "SmoothL1Loss",
    "poisson_nll_loss": "PoissonNLLLoss",
    "gaussian_nll_loss": "GaussianNLLLoss",
    "hinge_embedding_loss": "HingeEmbeddingLoss",
    "margin_ranking_loss": "MarginRankingLoss",
    "multi_margin_loss": "MultiMarginLoss",
    "soft_margin_loss": "SoftMarginLoss",
    "multilabel_soft_margin_loss": "MultiLabelSoftMarginLoss",
    "kl_div": "KLDivLoss",
    "cosine_embedding_loss": "CosineEmbeddingLoss",
    "triplet_margin_loss": "TripletMarginLoss",
    "cross_entropy": "CrossEntropyLoss",
    "nll_loss": "NLLLoss",
    "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
}


# In these inputs PyTorch has gradients; of the others, in all floating ones.
ACTIVE = {
    "soft_margin_loss": [0],
    "hinge_embedding_loss": [0],
    "margin_ranking_loss": [0, 1],
    "cosine_embedding_loss": [0, 1],
}
# In these it has second derivatives, too; of the others, in the first.
TWICE = {"gaussian_nll_loss": [0, 1, 2], "margin_ranking_loss": [0, 1], "cosine_embedding_loss": [0, 1]}
TWICE |= {"triplet_margin_loss": [0, 1, 2], "multi_margin_loss": [], "multilabel_soft_margin_loss": []}


def active(name, inputs):
    return ACTIVE.get(name, [i for i, x in enumerate(inputs) if x.dtype.kind == "f"])


def torchs(torch, name, inputs, options, reduction, wanted, second=False):
    xs = [torch.tensor(x, requires_grad=i in wanted) for i, x in enumerate(inputs)]
    options = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    y = getattr(torch.nn.functional, name)(*xs, reduction=reduction, **options)
    total = (y * torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).reshape(y.shape)).sum() if y.shape else y
    leaves = [xs[i] for i in wanted]
    gradients = torch.autograd.grad(total, leaves, create_graph=second)
    if second:
        total = sum((g * (torch.arange(g.numel()).reshape(g.shape) % 3 - 1.0)).sum() for g in gradients)
        if not total.requires_grad:
            return y, [torch.zeros_like(x) for x in leaves]
        gradients = torch.autograd.grad(total, leaves, materialize_grads=True)
    return y, [g + torch.zeros_like(g) for g in gradients]


def loss_of(name, options, reduction):
    function = getattr(F, name)

    def loss(*xs):
        y = function(*xs, reduction=reduction, **options)
        return (y * np.linspace(0.5, 1.5, math.prod(y.shape)).reshape(y.shape)).sum() if y.shape else y

    return loss


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "inputs", "options"), CASES, ids=IDS)
def test_values_and_gradients_are_those_of_pytorch(name, inputs, options, reduction, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    wanted = active(name, inputs)
    want, want_gradients = torchs(torch, name, inputs, options, reduction, wanted)
    have = getattr(F, name)(*inputs, reduction=reduction, **options)
    agreement.compare("loss", CLASSES[name], "value", have, want)
    gradients = pb.grad(loss_of(name, options, reduction), argnums=tuple(wanted))(*inputs)
    for i, have, want in zip(wanted, gradients, want_gradients, strict=True):
        if name == "poisson_nll_loss" and i == 1 and options.get("full"):
            continue  # in counts of 0 PyTorch's gradient is NaN
        agreement.compare("loss", CLASSES[name], "gradient", have, want)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize(("name", "inputs", "options"), CASES, ids=IDS)
def test_second_derivatives_are_those_of_pytorch(name, inputs, options, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    wanted = TWICE.get(name, [0])
    if not wanted:
        pytest.skip("PyTorch has no second derivative of this loss")
    loss = loss_of(name, options, "mean")

    def weighed(*xs):
        full = list(inputs)
        for i, x in zip(wanted, xs, strict=True):
            full[i] = x
        gradients = pb.grad(loss, argnums=tuple(wanted))(*full)
        return sum((g * (np.arange(math.prod(g.shape)).reshape(g.shape) % 3 - 1.0)).sum() for g in gradients)

    _, want = torchs(torch, name, inputs, options, "mean", wanted, second=True)
    have = pb.grad(weighed, argnums=tuple(range(len(wanted))))(*(inputs[i] for i in wanted))
    notes = {}
    if name == "binary_cross_entropy":
        notes = {"target": 1e-9, "reason": "PyTorch adds 1e-12 to the denominators of the second derivative"}
    for a, b in zip(have, want, strict=True):
        agreement.compare("loss", CLASSES[name], "second order", a, b, **notes)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
def test_batchmean():
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    want = torch.nn.functional.kl_div(torch.tensor(np.log(P)), torch.tensor(Q), reduction="batchmean")
    np.testing.assert_allclose(F.kl_div(np.log(P), Q, reduction="batchmean").item(), want.item(), rtol=1e-13)
    np.testing.assert_allclose(nn.KLDivLoss(reduction="batchmean")(np.log(P), Q).item(), want.item(), rtol=1e-13)


class TestFormulas:
    """Losses that PyTorch has not, against their formulas in NumPy, and their gradients against differences."""

    @staticmethod
    def check(agreement, name, loss, formula, *inputs):
        agreement.compare("loss", name, "value", loss(*inputs), formula(*inputs), reference="its formula in NumPy")
        for i, x in enumerate(inputs):
            if x.dtype.kind != "f":
                continue
            g = np.asarray(pb.grad(loss, argnums=i)(*inputs))
            for place in list(np.ndindex(*x.shape))[:: max(1, x.size // 5)]:
                step = np.zeros_like(x)
                step[place] = 1e-6
                ends = (formula(*(z + s * step if j == i else z for j, z in enumerate(inputs))) for s in (1, -1))
                assert g[place] == pytest.approx(-np.diff(list(ends))[0] / 2e-6, rel=1e-5, abs=1e-7)

    @pytest.mark.parametrize("q", [0.5, 0.1, 0.9])
    def test_quantile(self, q, agreement):
        formula = lambda x, t: np.mean(
            [q * (b - a) if b >= a else (1 - q) * (a - b) for a, b in zip(x, t, strict=True)]
        )
        x, t = X.ravel(), T.ravel()
        self.check(agreement, "QuantileLoss", lambda x, t: F.quantile_loss(x, t, q), formula, x, t)
        sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn, the oracle, is not installed")
        want = sklearn.mean_pinball_loss(t, x, alpha=q)
        agreement.compare("loss", "QuantileLoss", "value", nn.QuantileLoss(q)(x, t), want, reference="scikit-learn")

    def test_quantiles_by_column(self):
        qs = np.array([0.1, 0.4, 0.5, 0.9])
        have = nn.QuantileLoss(qs, reduction="none")(X, T)
        for i, q in enumerate(qs):
            np.testing.assert_array_equal(have[:, i], F.quantile_loss(X[:, i], T[:, i], float(q), reduction="none"))

    @pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
    def test_focal(self, gamma, agreement):
        def formula(x, labels):
            p = np.exp(x - x.max(-1, keepdims=True))
            p = (p / p.sum(-1, keepdims=True))[np.arange(6), labels]
            w = WEIGHT[labels]
            return (-w * (1 - p) ** gamma * np.log(p)).sum() / w.sum()

        loss = lambda x, labels: F.focal_loss(x, labels, WEIGHT, gamma=gamma)
        self.check(agreement, "FocalLoss", loss, formula, X, LABELS)

    def test_focal_with_gamma_0_is_the_cross_entropy(self):
        for options in ({}, {"ignore_index": 1}, {"weight": WEIGHT, "ignore_index": 0}):
            np.testing.assert_allclose(
                F.focal_loss(X, LABELS, gamma=0.0, **options).item(),
                F.cross_entropy(X, LABELS, **options).item(),
                rtol=1e-14,
            )

    @pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
    def test_focal_of_a_certain_answer_has_a_gradient(self, gamma):
        g = np.asarray(pb.grad(lambda x: F.focal_loss(x, np.array([0, 1]), gamma=gamma))(np.array([[900.0, 0.0]] * 2)))
        assert np.isfinite(g).all() and g[0].tolist() == [0.0, 0.0] and g[1, 0] > 0

    @pytest.mark.parametrize("alpha", [0.25, -1.0])
    def test_sigmoid_focal(self, alpha, agreement):
        def formula(x, t):
            p = 1 / (1 + np.exp(-x))
            losses = -t * (1 - p) ** 2 * np.log(p) * (alpha if alpha >= 0 else 1)
            losses -= (1 - t) * p**2 * np.log(1 - p) * (1 - alpha if alpha >= 0 else 1)
            return losses.mean()

        t = (T > 0).astype(np.int64) * 1.0
        loss = lambda x: F.sigmoid_focal_loss(x, t, alpha, reduction="mean")
        self.check(agreement, "sigmoid_focal_loss", loss, lambda x: formula(x, t), X)

    def test_info_nce(self, agreement):
        unit = lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)

        def against(scores):
            return np.mean(np.log(np.exp(scores).sum(-1)) - scores[:, 0])

        def in_batch(q, k):
            scores = unit(q) @ unit(k).T / 0.2
            order = [[i, *(j for j in range(6) if j != i)] for i in range(6)]
            return against(np.take_along_axis(scores, np.array(order), 1))

        def shared(q, k, n):
            return against(np.c_[(unit(q) * unit(k)).sum(-1), unit(q) @ unit(n).T] / 0.2)

        def own(q, k, n):
            return against(np.c_[(unit(q) * unit(k)).sum(-1), (unit(q)[:, None] * unit(n)).sum(-1)] / 0.2)

        loss = nn.InfoNCELoss(0.2)
        self.check(agreement, "InfoNCELoss", loss, in_batch, A, B)
        self.check(agreement, "InfoNCELoss", loss, shared, A, B, C[:4])
        self.check(agreement, "InfoNCELoss", loss, own, A, B, rng.normal(size=(6, 3, 5)))

    def test_nt_xent(self, agreement):
        def formula(a, b):
            z = np.concatenate([a, b])
            z /= np.linalg.norm(z, axis=-1, keepdims=True)
            scores = np.exp(z @ z.T / 0.3)
            losses = [-np.log(scores[i, (i + 6) % 12] / (scores[i].sum() - scores[i, i])) for i in range(12)]
            return np.mean(losses)

        self.check(agreement, "NTXentLoss", nn.NTXentLoss(0.3), formula, A, B)


SMALL = [*CASES, ("quantile_loss", (X, T), {"quantile": 0.3}), ("focal_loss", (X, LABELS), {"gamma": 1.5})]
SMALL += [("info_nce_loss", (A, B), {}), ("nt_xent_loss", (A, B), {}), ("sigmoid_focal_loss", (X, P), {})]
SMALL_IDS = [f"{name}-{i}" for i, (name, _, _) in enumerate(SMALL)]


@pytest.mark.parametrize(("name", "inputs", "options"), SMALL, ids=SMALL_IDS)
class TestLaws:
    def test_forward_mode_agrees_with_reverse(self, name, inputs, options):
        loss = loss_of(name, options, "mean")
        xs = active(name, inputs)
        tangents = [np.random.default_rng(i).normal(size=inputs[i].shape) for i in xs]

        def of_active(*values):
            full = list(inputs)
            for i, x in zip(xs, values, strict=True):
                full[i] = x
            return loss(*full)

        _, t = pb.jvp(of_active, tuple(inputs[i] for i in xs), tuple(tangents))
        gs = pb.grad(of_active, argnums=tuple(range(len(xs))))(*(inputs[i] for i in xs))
        total = sum(float((np.asarray(g) * v).sum()) for g, v in zip(gs, tangents, strict=True))
        assert float(t) == pytest.approx(total, rel=1e-12, abs=1e-14)

    def test_vmap_equals_a_loop(self, name, inputs, options):
        loss = lambda *xs: getattr(F, name)(*xs, reduction="sum", **options)
        several = [np.stack([x, x[::-1], np.roll(x, 1, 0)]) for x in inputs]
        want = [float(loss(*(x[i] for x in several))) for i in range(3)]
        np.testing.assert_allclose(np.asarray(pb.vmap(loss)(*several)), want, rtol=1e-13)

    def test_traced_equals_eager_bit_for_bit(self, name, inputs, options):
        xs = tuple(active(name, inputs))
        both = pb.value_and_grad(loss_of(name, options, "mean"), argnums=xs)
        for a, b in zip(tree(both(*inputs)), tree(pb.trace(both)(*inputs)), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_read_only_and_strided_inputs(self, name, inputs, options):
        loss = loss_of(name, options, "mean")
        want = float(loss(*inputs))
        strided = [np.repeat(x, 2, axis=-1)[..., ::2] for x in inputs]
        for x in strided:
            x.flags.writeable = False
        copies = [x.copy() for x in strided]
        assert float(loss(*strided)) == want
        for a, b in zip(strided, copies, strict=True):
            np.testing.assert_array_equal(a, b)

    def test_float32_stays_float32(self, name, inputs, options):
        single = [x.astype(np.float32) if x.dtype.kind == "f" else x for x in inputs]
        options = {k: v.astype(np.float32) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        y = getattr(F, name)(*single, reduction="mean", **options)
        assert y.dtype == np.float32
        np.testing.assert_allclose(float(y), float(getattr(F, name)(*inputs, reduction="mean", **options)), rtol=1e-4)


def tree(x):
    return [np.asarray(v) for part in x for v in (part if isinstance(part, tuple | list) else [part])]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("HuberLoss", {"delta": 0.4}),
        ("SmoothL1Loss", {"beta": 0.3}),
        ("PoissonNLLLoss", {"full": True}),
        ("SoftMarginLoss", {}),
        ("HingeEmbeddingLoss", {"margin": 0.5}),
        ("MultiLabelSoftMarginLoss", {"weight": WEIGHT}),
        ("KLDivLoss", {"log_target": True}),
    ],
)
def test_modules_are_those_of_pytorch(module, options):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    theirs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    for reduction in ("mean", "sum", "none"):
        want = getattr(torch.nn, module)(reduction=reduction, **theirs)(torch.tensor(X), torch.tensor(BINARY))
        have = getattr(nn, module)(reduction=reduction, **options)(X, BINARY)
        np.testing.assert_allclose(np.asarray(have), want.numpy(), rtol=1e-12)


def test_modules_of_several_inputs_are_the_functions():
    pairs = [
        (nn.GaussianNLLLoss(full=True)(X, T, POSITIVE), F.gaussian_nll_loss(X, T, POSITIVE, full=True)),
        (nn.MarginRankingLoss(0.5)(ROW, OTHER, SIGNS), F.margin_ranking_loss(ROW, OTHER, SIGNS, margin=0.5)),
        (nn.MultiMarginLoss(2, weight=WEIGHT)(X, LABELS), F.multi_margin_loss(X, LABELS, 2, weight=WEIGHT)),
        (nn.CosineEmbeddingLoss(0.1)(A, B, SIGNS), F.cosine_embedding_loss(A, B, SIGNS, margin=0.1)),
        (nn.TripletMarginLoss(2.0, swap=True)(A, B, C), F.triplet_margin_loss(A, B, C, margin=2.0, swap=True)),
        (nn.FocalLoss(WEIGHT, gamma=1.0)(X, LABELS), F.focal_loss(X, LABELS, WEIGHT, gamma=1.0)),
    ]
    for a, b in pairs:
        assert float(a) == float(b)


def test_a_divergence_with_zeros_in_the_target():
    p = np.array([[1.0, 0.0], [0.5, 0.5]])
    log_q = np.log(np.array([[0.5, 0.5], [0.5, 0.5]]))
    assert F.kl_div(log_q, p, reduction="sum").item() == pytest.approx(math.log(2))
    assert np.isfinite(np.asarray(pb.grad(lambda t: F.kl_div(log_q, t))(p))).all()


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: F.huber_loss(X, T[:, :1]), ShapeError, r"huber_loss: .*input \(6, 4\) and target \(6, 1\)"),
        (lambda: F.huber_loss(X, T, delta=0), ValueError, "delta > 0, got 0"),
        (lambda: nn.HuberLoss(delta=-1.0), ValueError, "delta > 0"),
        (lambda: F.smooth_l1_loss(X, T, beta=-1.0), ValueError, "beta"),
        (lambda: F.quantile_loss(X, T, 1.0), ValueError, r"quantile in \(0, 1\), got 1.0"),
        (lambda: F.quantile_loss(X, T, np.ones(3) / 2), ShapeError, r"input \(6, 4\), quantile \(3,\)"),
        (lambda: F.poisson_nll_loss(X, T[:3]), ShapeError, r"poisson_nll_loss: .*input \(6, 4\), target \(3, 4\)"),
        (lambda: F.gaussian_nll_loss(X, T, POSITIVE[:3]), ShapeError, r"input \(6, 4\), var \(3, 4\)"),
        (lambda: F.gaussian_nll_loss(X, T, -POSITIVE), ValueError, r"var must not be negative, got .* at index \(0, 0"),
        (lambda: pb.trace(F.gaussian_nll_loss)(X, T, -POSITIVE), ValueError, "var must not be negative"),
        (lambda: pb.vmap(F.gaussian_nll_loss)(X, T, -POSITIVE), ValueError, "var must not be negative"),
        (lambda: F.gaussian_nll_loss(X, T, POSITIVE, eps=0), ValueError, "eps > 0"),
        (lambda: F.multi_margin_loss(X, LABELS, 3), ValueError, "p to be 1 or 2, got 3"),
        (lambda: F.multi_margin_loss(X, LABELS + 1), IndexError, "label 4 at index"),
        (lambda: F.multi_margin_loss(X, LABELS * 1.0), DtypeError, "integer labels, got float64"),
        (lambda: F.multi_margin_loss(X, LABELS, weight=np.ones(3)), ShapeError, r"weight of shape \(4,\).*got \(3,\)"),
        (lambda: F.cross_entropy(X, P, weight=np.ones(3)), ShapeError, r"weight of shape \(4,\).*got \(3,\)"),
        (lambda: F.focal_loss(X, LABELS, gamma=-1.0), ValueError, "gamma >= 0"),
        (lambda: F.focal_loss(X, LABELS[:3]), ShapeError, r"labels of shape \(6,\)"),
        (lambda: F.kl_div(X, T, reduction="batch"), ValueError, "'batchmean'"),
        (lambda: F.kl_div(1.0, 1.0, reduction="batchmean"), ShapeError, "first axis"),
        (lambda: F.cosine_embedding_loss(A, B, SIGNS[:3]), ShapeError, r"target \(N,\)"),
        (lambda: F.triplet_margin_loss(A, B, C, margin=0), ValueError, "margin > 0"),
        (lambda: F.triplet_margin_loss(A, B, C[:, :2]), ShapeError, r"anchor \(6, 5\).*negative \(6, 2\)"),
        (lambda: F.pairwise_distance(A, B, p=0), ValueError, "p > 0"),
        (lambda: F.info_nce_loss(A, B[:3]), ShapeError, r"\(6, 5\) and \(3, 5\)"),
        (lambda: F.info_nce_loss(A, B, C[:, :2]), ShapeError, r"negative_keys \(M, 5\)"),
        (lambda: F.nt_xent_loss(A, B, temperature=0), ValueError, "temperature > 0"),
        (lambda: nn.MultiMarginLoss(p=3), ValueError, "p to be 1 or 2"),
        (lambda: nn.SoftMarginLoss(reduction="average"), ValueError, "'mean', 'sum' or 'none'"),
    ],
)
def test_refusals(act, error, words):
    with pytest.raises(error, match=words):
        act()

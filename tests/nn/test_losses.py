"""Losses against their formulas and against PyTorch, at ordinary and at extreme numbers."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, ShapeError
from pullback.nn import functional as F

rng = np.random.default_rng(5)
LOGITS = rng.normal(size=(6, 4)) * 3
LABELS = np.array([0, 3, 1, 1, 2, 0])
SOFT = rng.dirichlet(np.ones(4), 6)
IMAGE_LOGITS, IMAGE_LABELS = rng.normal(size=(2, 4, 3, 5)), rng.integers(0, 4, (2, 3, 5))
P, T = rng.uniform(0.01, 0.99, (5, 3)), rng.uniform(0, 1, (5, 3))
WEIGHT = np.array([0.5, 2.0, 1.0, 0.25])


def close(a, b, rtol=1e-12):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-14)


def log_softmax(x):
    z = x - x.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


class TestFormulas:
    """Each loss against its formula, written out."""

    def test_cross_entropy(self):
        losses = -log_softmax(LOGITS)[np.arange(6), LABELS]
        close(F.cross_entropy(LOGITS, LABELS), losses.mean())
        close(F.cross_entropy(LOGITS, LABELS, reduction="sum"), losses.sum())
        close(F.cross_entropy(LOGITS, LABELS, reduction="none"), losses)
        close(F.cross_entropy(LOGITS[0], LABELS[0]), losses[0])

    def test_cross_entropy_with_probabilities(self):
        close(F.cross_entropy(LOGITS, SOFT), -(SOFT * log_softmax(LOGITS)).sum(-1).mean())

    def test_the_gradient_of_cross_entropy_is_softmax_minus_one_hot(self):
        g = pb.grad(lambda x: F.cross_entropy(x, LABELS))(LOGITS)
        close(g, (np.exp(log_softmax(LOGITS)) - np.eye(4)[LABELS]) / 6)

    def test_errors_squared_and_absolute(self):
        close(F.mse_loss(P, T), ((P - T) ** 2).mean())
        close(F.l1_loss(P, T, reduction="sum"), np.abs(P - T).sum())

    def test_binary_cross_entropy(self):
        want = -(T * np.log(P) + (1 - T) * np.log(1 - P))
        close(F.binary_cross_entropy(P, T, reduction="none"), want)
        close(F.binary_cross_entropy_with_logits(np.log(P / (1 - P)), T, reduction="none"), want)

    def test_negative_log_likelihood(self):
        close(F.nll_loss(log_softmax(LOGITS), LABELS), F.cross_entropy(LOGITS, LABELS))


CASES = [
    ("cross_entropy", LOGITS, LABELS, {}),
    ("cross_entropy", LOGITS, LABELS, {"weight": WEIGHT}),
    ("cross_entropy", LOGITS, LABELS, {"ignore_index": 1}),
    ("cross_entropy", LOGITS, LABELS, {"label_smoothing": 0.2}),
    ("cross_entropy", LOGITS, LABELS, {"label_smoothing": 0.2, "weight": WEIGHT, "ignore_index": 3}),
    ("cross_entropy", LOGITS, SOFT, {}),
    ("cross_entropy", LOGITS, SOFT, {"label_smoothing": 0.1, "weight": WEIGHT}),
    ("cross_entropy", IMAGE_LOGITS, IMAGE_LABELS, {}),
    ("cross_entropy", IMAGE_LOGITS, IMAGE_LABELS, {"weight": WEIGHT, "ignore_index": 2}),
    ("nll_loss", log_softmax(LOGITS), LABELS, {}),
    ("nll_loss", log_softmax(LOGITS), LABELS, {"weight": WEIGHT, "ignore_index": 0}),
    ("mse_loss", P, T, {}),
    ("l1_loss", P, T, {}),
    ("binary_cross_entropy", P, T, {}),
    ("binary_cross_entropy", P, T, {"weight": T + 1}),
    ("binary_cross_entropy", np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0]), {}),
    ("binary_cross_entropy_with_logits", LOGITS, SOFT, {}),
    ("binary_cross_entropy_with_logits", LOGITS, SOFT, {"pos_weight": WEIGHT, "weight": WEIGHT}),
    ("binary_cross_entropy_with_logits", np.array([800.0, -800.0, 0.0]), np.array([0.0, 1.0, 0.5]), {}),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "x", "t", "options"), CASES)
def test_value_and_gradient_are_those_of_pytorch(name, x, t, options, reduction):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    theirs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    want_x = torch.tensor(x, requires_grad=True)
    want = getattr(torch.nn.functional, name)(want_x, torch.tensor(t), reduction=reduction, **theirs)
    want.backward(torch.ones_like(want))
    have_x = pb.tensor(x, requires_grad=True)
    have = getattr(F, name)(have_x, t, reduction=reduction, **options)
    have.backward(np.ones(have.shape))
    close(have, want.detach().numpy())
    # At p = 0 and p = 1 PyTorch bounds the denominator by 1e-12 rounded to float32.
    close(have_x.grad, want_x.grad.numpy(), rtol=1e-8 if name == "binary_cross_entropy" and 0.0 in x else 1e-12)


@pytest.mark.parametrize("options", [{}, {"weight": WEIGHT}, {"ignore_index": 1, "label_smoothing": 0.1}])
def test_the_module_is_the_function(options):
    close(nn.CrossEntropyLoss(**options)(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS, **options))
    close(nn.BCEWithLogitsLoss()(LOGITS, SOFT), F.binary_cross_entropy_with_logits(LOGITS, SOFT))
    close(nn.BCELoss(reduction="sum")(P, T), F.binary_cross_entropy(P, T, reduction="sum"))
    close(nn.MSELoss()(P, T), F.mse_loss(P, T))
    close(nn.L1Loss()(P, T), F.l1_loss(P, T))
    close(nn.NLLLoss()(LOGITS, LABELS), F.nll_loss(LOGITS, LABELS))


class TestExtremes:
    def test_logits_of_any_size_neither_overflow_nor_lose_the_loss(self):
        x = np.array([[1e4, -1e4], [0.0, 1e4]])
        close(F.cross_entropy(x, np.array([1, 1]), reduction="none"), [2e4, 0.0])
        close(F.cross_entropy(np.array([[0.0, -np.inf]]), np.array([0])), 0.0)

    def test_a_class_of_probability_zero(self):
        assert F.cross_entropy(np.array([[0.0, -np.inf]]), np.array([1])).item() == np.inf

    def test_nan_passes_through(self):
        assert np.isnan(F.cross_entropy(np.array([[np.nan, 1.0]]), np.array([0])).item())
        assert np.isnan(F.binary_cross_entropy(np.array([np.nan]), np.array([1.0])).item())

    def test_float32_stays_float32(self):
        x, t = LOGITS.astype(np.float32), SOFT.astype(np.float32)
        for loss in (
            F.cross_entropy(x, LABELS),
            F.cross_entropy(x, LABELS, label_smoothing=0.1),
            F.cross_entropy(x, t),
            F.mse_loss(x, t),
            F.binary_cross_entropy(t, t),
            F.binary_cross_entropy_with_logits(x, t),
        ):
            assert loss.dtype == np.float32

    def test_float16_logits(self):
        assert F.cross_entropy(LOGITS.astype(np.float16), LABELS).dtype == np.float16


class TestRefusals:
    @pytest.mark.parametrize("wrong", [4, -1, -100])
    def test_a_label_out_of_range_is_named_with_the_number_of_classes(self, wrong):
        labels = LABELS.copy()
        labels[2] = wrong
        with pytest.raises(IndexError, match=rf"label {wrong} at index \(2,\).*4 classes the labels are 0, …, 3"):
            F.cross_entropy(LOGITS, labels)
        with pytest.raises(IndexError, match=f"label {wrong} at index"):
            F.nll_loss(LOGITS, labels)
        with pytest.raises(IndexError, match=f"label {wrong} at index"):
            F.cross_entropy(LOGITS, labels, label_smoothing=0.1)
        if wrong == -100:
            with pytest.raises(IndexError, match="with ignore_index=-100"):
                F.cross_entropy(LOGITS, labels)

    def test_labels_that_start_at_one_get_a_hint(self):
        with pytest.raises(IndexError, match="do the labels start at 1"):
            F.cross_entropy(LOGITS, np.array([1, 2, 3, 4, 1, 2]))

    def test_the_check_runs_with_a_traced_step(self):
        step = pb.trace(lambda x, y: F.cross_entropy(x, y))
        step(LOGITS, LABELS)
        with pytest.raises(IndexError, match="label 9"):
            step(LOGITS, LABELS + 9 * (LABELS == 0))
        with pytest.raises(IndexError, match="label 9"):
            pb.trace(lambda x, y: F.nll_loss(x, y))(LOGITS, np.full(6, 9))

    def test_the_check_runs_inside_vmap(self):
        with pytest.raises(IndexError, match="label 7"):
            pb.vmap(F.cross_entropy)(LOGITS, np.array([0, 7, 1, 1, 2, 0]))

    def test_labels_that_are_no_integers(self):
        with pytest.raises(DtypeError, match=r'float64 of shape \(6,\)(.|\n)*astype\("int64"\)'):
            F.cross_entropy(LOGITS, LABELS.astype(float))
        with pytest.raises(DtypeError, match="bool"):
            F.cross_entropy(LOGITS, LABELS > 0)
        with pytest.raises(DtypeError, match="nll_loss: expected integer labels"):
            F.nll_loss(LOGITS, LABELS * 1.0)

    def test_shapes_that_do_not_fit(self):
        with pytest.raises(ShapeError, match=r"labels of shape \(6,\)"):
            F.cross_entropy(LOGITS, LABELS[:5])
        with pytest.raises(ShapeError, match=r"labels of shape \(6,\)"):
            F.cross_entropy(LOGITS, LABELS[:, None])
        with pytest.raises(ShapeError, match=r"input \(5, 3\) and target \(5, 1\)"):
            F.mse_loss(P, T[:, :1])
        with pytest.raises(ShapeError, match="weight of shape"):
            F.cross_entropy(LOGITS, LABELS, weight=np.ones(3))
        with pytest.raises(ShapeError):
            F.cross_entropy(1.0, 1)

    @pytest.mark.parametrize("value", [1.5, -0.25, np.inf])
    def test_a_prediction_that_is_no_probability_points_to_the_loss_of_logits(self, value):
        p = P.copy()
        p[1, 2] = value
        with pytest.raises(ValueError, match=r"index \(1, 2\)(.|\n)*BCEWithLogitsLoss") as caught:
            F.binary_cross_entropy(p, T)
        assert str(value) in str(caught.value) and "sigmoid" in str(caught.value)
        with pytest.raises(ValueError, match="BCEWithLogitsLoss"):
            pb.trace(nn.BCELoss())(p, T)
        with pytest.raises(ValueError, match="BCEWithLogitsLoss"):
            pb.vmap(F.binary_cross_entropy)(p, T)

    def test_unknown_reductions(self):
        with pytest.raises(ValueError, match="'mean', 'sum' or 'none', got 'average'"):
            nn.MSELoss(reduction="average")
        with pytest.raises(ValueError, match="got 'avg'"):
            F.cross_entropy(LOGITS, LABELS, reduction="avg")


class TestUnderTransforms:
    def test_per_example_gradients_equal_a_loop(self):
        one = pb.grad(lambda x, y: F.cross_entropy(x, y))
        close(
            pb.vmap(one)(LOGITS, LABELS), np.stack([np.asarray(one(x, y)) for x, y in zip(LOGITS, LABELS, strict=True)])
        )

    def test_second_derivatives(self):
        p = np.exp(log_softmax(LOGITS[0]))
        close(pb.hessian(lambda x: F.cross_entropy(x, 1))(LOGITS[0]), np.diag(p) - np.outer(p, p), rtol=1e-11)

    def test_the_inputs_are_not_changed(self):
        x, y = LOGITS.copy(), LABELS.copy()
        x.flags.writeable = y.flags.writeable = False
        t = pb.tensor(x, requires_grad=True)
        F.cross_entropy(t, y).backward()
        close(x, LOGITS)

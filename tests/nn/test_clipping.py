"""Clipping: the norm and the gradients against PyTorch and against the formula."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import ShapeError

GRADS = [np.array([[3.0, -4.0], [0.5, 0.1]]), np.array([12.0]), np.float64(-2.0)]


def parameters(grads=GRADS, dtype="float64"):
    made = []
    for g in grads:
        p = nn.Parameter(np.zeros(np.shape(g), dtype))
        p.grad = np.asarray(g, dtype)
        made.append(p)
    return made


def flat(ps):
    return np.concatenate([np.asarray(p.grad).ravel() for p in ps])


@pytest.mark.parametrize("kind", [2.0, 1.0, 3.0, 0.5, np.inf])
@pytest.mark.parametrize("max_norm", [0.0, 1.0, 1e6])
def test_norm_and_gradients(kind, max_norm):
    ps = parameters()
    g = np.concatenate([np.ravel(g) for g in GRADS])
    norm = np.abs(g).max() if np.isinf(kind) else (np.abs(g) ** kind).sum() ** (1 / kind)
    assert nn.clip_grad_norm_(ps, max_norm, kind).item() == pytest.approx(norm, rel=1e-14)
    np.testing.assert_allclose(flat(ps), g * min(1, max_norm / (norm + 1e-6)), rtol=1e-14)


@pytest.mark.parametrize("kind", [2.0, 1.0, 3.0, np.inf])
def test_as_pytorch_does(kind):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    theirs = []
    for g in GRADS:
        theirs.append(torch.zeros(np.shape(g), dtype=torch.float64, requires_grad=True))
        theirs[-1].grad = torch.tensor(g)
    ours = parameters()
    want = torch.nn.utils.clip_grad_norm_(theirs, 2.5, kind)
    assert pb.optim.clip_grad_norm_(ours, 2.5, kind).item() == pytest.approx(want.item(), rel=1e-13)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(p.grad), q.grad.numpy(), rtol=1e-12)


def test_values():
    ps = parameters()
    assert nn.clip_grad_value_(ps, 2.5) is None
    np.testing.assert_array_equal(flat(ps), np.clip(np.concatenate([np.ravel(g) for g in GRADS]), -2.5, 2.5))


def test_float32_gradients_of_any_size_are_clipped_and_stay_float32():
    ps = parameters([np.array([3e25, 4e25])], "float32")
    norm = nn.clip_grad_norm_(ps, 1.0)
    assert norm.dtype == ps[0].grad.dtype == np.float32
    assert norm.item() == pytest.approx(5e25, rel=1e-6)
    np.testing.assert_allclose(flat(ps), [0.6, 0.8], rtol=1e-6)


def test_parameters_without_gradients_count_for_nothing():
    p = nn.Parameter([1.0])
    assert nn.clip_grad_norm_([p, *parameters(), nn.Parameter([1.0], requires_grad=False)], 1.0).item() > 0
    assert p.grad is None
    assert nn.clip_grad_norm_([p], 1.0).item() == 0.0
    assert nn.clip_grad_norm_(parameters([np.zeros(2)]), 1.0).item() == 0.0


def test_a_parameter_given_twice_counts_once():
    p = parameters([np.array([3.0, 4.0])])[0]
    assert nn.clip_grad_norm_([p, p], 10.0).item() == 5.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_norms_that_are_not_finite(bad):
    ps = parameters([np.array([1.0, bad]), np.array([2.0])])
    before = flat(ps)
    with pytest.raises(ValueError, match=f"total norm of the gradients is {bad}"):
        nn.clip_grad_norm_(ps, 1.0)
    np.testing.assert_array_equal(flat(ps), before)
    assert not np.isfinite(nn.clip_grad_norm_(ps, 1.0, error_if_nonfinite=False).item())


def test_the_check_for_finite_norms_runs_in_a_traced_step():
    p = nn.Parameter(np.ones(2))

    @pb.trace
    def step(x):
        p.grad = None
        (p * x).sum().backward()
        return nn.clip_grad_norm_([p], 1.0)

    assert step(np.array([3.0, 4.0])).item() == 5.0
    np.testing.assert_allclose(np.asarray(p.grad), [0.6, 0.8], rtol=1e-6)
    kept = p.grad.tolist()
    with pytest.raises(ValueError, match="nan"):
        step(np.array([3.0, np.nan]))
    assert p.grad.tolist() == kept


@pytest.mark.parametrize(
    ("clip", "error"),
    [
        (lambda ps: nn.clip_grad_norm_(ps, -1.0), ValueError),
        (lambda ps: nn.clip_grad_norm_(ps, 1.0, 0.0), ValueError),
        (lambda ps: nn.clip_grad_norm_(ps, np.nan), ValueError),
        (lambda ps: nn.clip_grad_value_(ps, -1.0), ValueError),
        (lambda ps: nn.clip_grad_norm_([1.0], 1.0), TypeError),
    ],
)
def test_refusals(clip, error):
    with pytest.raises(error):
        clip(parameters())


def test_the_array_of_a_gradient_is_not_changed_in_place():
    g = np.array([3.0, 4.0])
    p = nn.Parameter(np.zeros(2))
    p.grad = g
    nn.clip_grad_norm_(p, 1.0)
    assert g.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("kind", [2.0, 1.0, np.inf])
def test_clipping_in_two_steps_is_clipping(kind):
    once, twice = parameters(), parameters()
    nn.clip_grad_norm_(once, 3.0, kind)
    total = nn.get_total_norm([p.grad for p in twice], kind)
    nn.clip_grads_with_norm_(twice, 3.0, total)
    np.testing.assert_array_equal(flat(once), flat(twice))
    assert total.item() == pytest.approx(np.linalg.norm(flat(parameters()), kind), rel=1e-14)
    assert nn.get_total_norm([]).item() == 0.0


def test_a_norm_that_is_not_finite_is_refused_in_two_steps_too():
    with pytest.raises(ValueError, match="nan"):
        nn.get_total_norm([np.array([1.0, np.nan])], error_if_nonfinite=True)
    with pytest.raises(ValueError, match="norm_type > 0"):
        nn.get_total_norm([np.ones(2)], -1)
    ps = parameters()
    with pytest.raises(ValueError, match="max_norm >= 0"):
        nn.clip_grads_with_norm_(ps, -1.0, 2.0)
    np.testing.assert_array_equal(flat(ps), flat(parameters()))


class TestVectors:
    def test_there_and_back(self):
        layer = nn.Linear(3, 2).double()
        vector = nn.parameters_to_vector(layer.parameters())
        want = np.concatenate([np.asarray(layer.weight).ravel(), np.asarray(layer.bias)])
        assert np.asarray(vector).tolist() == want.tolist()
        (vector**2).sum().backward()
        np.testing.assert_array_equal(np.asarray(layer.weight.grad), 2 * np.asarray(layer.weight))
        nn.vector_to_parameters(np.arange(8.0), layer.parameters())
        assert layer.weight.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]] and layer.bias.tolist() == [6.0, 7.0]
        assert layer.weight.requires_grad

    def test_a_wrong_length_changes_nothing(self):
        layer = nn.Linear(3, 2)
        before = layer.weight.tolist()
        with pytest.raises(ShapeError, match=r"8 elements.*\(7,\)"):
            nn.vector_to_parameters(np.zeros(7), layer.parameters())
        assert layer.weight.tolist() == before
        with pytest.raises(ValueError, match="at least one"):
            nn.parameters_to_vector([])

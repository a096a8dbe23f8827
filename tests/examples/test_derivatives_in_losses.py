"""MAML and the physics-informed fit: their derivatives are right, and both learn."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import pullback as pb

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def program(name):
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def waves():
    """The example, three waves in double precision, and a network with its weights as arrays."""
    maml = program("maml")
    maml.INNER_RATE = 0.1  # so that the second order is no small thing
    pb.random.manual_seed(4)
    model = maml.network().double()
    x, y = (a.astype(np.float64) for a in maml.Waves(4).draw(3, 20))
    return maml, model, {path: w.numpy() for path, w in model.named_parameters()}, x, y


def by_differences(f, weights, path, index, h=1e-5):
    def at(change):
        moved = {name: w.copy() for name, w in weights.items()}
        moved[path][index] += change
        return float(f(moved))

    return (at(h) - at(-h)) / (2 * h)


def test_the_gradient_through_the_inner_step_is_that_of_finite_differences(waves):
    maml, model, weights, x, y = waves
    learner = maml.Learner(model)
    gradients = pb.grad(learner.after_adapting)(weights, x, y)
    entries = [("0.weight", (3, 0)), ("2.weight", (5, 7)), ("2.bias", (11,)), ("4.weight", (0, 2)), ("4.bias", (0,))]
    for path, index in entries:
        expected = by_differences(lambda w: learner.after_adapting(w, x, y), weights, path, index)
        assert float(gradients[path][index]) == pytest.approx(expected, rel=1e-6, abs=1e-9)
    first_order = pb.grad(maml.Learner(model, first_order=True).after_adapting)(weights, x, y)
    apart = max(float(np.abs(np.asarray(first_order[path] - gradients[path])).max()) for path in weights)
    assert apart > 0.01 * max(float(np.abs(np.asarray(g)).max()) for g in gradients.values())


def test_first_order_means_the_gradient_where_the_step_ended(waves):
    maml, model, weights, x, y = waves
    learner = maml.Learner(model)
    expected = dict.fromkeys(weights, 0.0)
    for sx, sy in zip(x, y, strict=True):
        adapted = learner.adapt(weights, sx[: maml.POINTS], sy[: maml.POINTS])
        of_task = pb.grad(learner.loss)(adapted, sx[maml.POINTS :], sy[maml.POINTS :])
        expected = {path: expected[path] + np.asarray(of_task[path]) / len(x) for path in weights}
    found = pb.grad(maml.Learner(model, first_order=True).after_adapting)(weights, x, y)
    for path in weights:
        np.testing.assert_allclose(np.asarray(found[path]), expected[path], rtol=1e-10, atol=1e-13)


def test_backward_says_the_same_as_grad_of_grad(waves):
    maml, model, weights, x, y = waves
    learner = maml.Learner(model)
    gradients = pb.grad(learner.after_adapting)(weights, x, y)
    learner.after_adapting(dict(model.named_parameters()), x, y).backward()
    for path, weight in model.named_parameters():
        np.testing.assert_allclose(weight.grad.numpy(), np.asarray(gradients[path]), rtol=1e-12, atol=1e-14)


def test_maml_learns_to_learn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figures = program("maml").main(quick=True)
    assert figures["MAML, 1 step"] < 0.5 * figures["plain, 1 step"]
    assert figures["MAML, 5 steps"] < figures["first order, 5 steps"] < 0.5 * figures["plain, 5 steps"]
    assert (tmp_path / "runs/examples/maml.png").stat().st_size > 5000


def test_the_exact_solution_solves_the_equation():
    physics = program("physics")
    t, x = np.meshgrid(np.linspace(0.1, 1, 7), np.linspace(-0.9, 0.9, 9))
    u, h = physics.exact, 1e-4
    u_t = (u(t + h, x) - u(t - h, x)) / (2 * h)
    u_x = (u(t, x + h) - u(t, x - h)) / (2 * h)
    u_xx = (u(t, x + h) - 2 * u(t, x) + u(t, x - h)) / h**2
    np.testing.assert_allclose(u_t + u(t, x) * u_x, physics.VISCOSITY * u_xx, atol=2e-4)
    assert np.abs(u_xx).max() > 10
    np.testing.assert_allclose(u(np.zeros(5), np.linspace(-1, 1, 5)), [0, 1, 0, -1, 0], atol=1e-12)


def test_the_residual_is_that_of_finite_differences():
    physics = program("physics")
    pb.random.manual_seed(1)
    u, h = physics.Solution(), 1e-4

    def value(t, x):
        return u(np.float64(t), np.float64(x)).item()

    for t, x in [(0.3, 0.4), (0.9, -0.05), (0.6, 0.8)]:
        u_t = (value(t + h, x) - value(t - h, x)) / (2 * h)
        u_x = (value(t, x + h) - value(t, x - h)) / (2 * h)
        u_xx = (value(t, x + h) - 2 * value(t, x) + value(t, x - h)) / h**2
        expected = (u_t + value(t, x) * u_x - physics.VISCOSITY * u_xx) / (1 + 0.2 * abs(u_x))
        found = physics.residual(u, np.float64(t), np.float64(x)).item()
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_initial_and_boundary_values_are_kept():
    u = program("physics").Solution()
    assert abs(u(np.float64(0), np.float64(0.3)).item() + np.sin(0.3 * np.pi)) < 1e-15
    assert abs(u(np.float64(0.7), np.float64(1.0)).item()) < 1e-15


def test_the_network_comes_near_the_solution(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figures = program("physics").main(quick=True)
    assert figures["relative L2 error"] < 0.08 and figures["residual"] < 0.05
    assert (tmp_path / "runs/examples/physics.png").stat().st_size > 5000


@pytest.mark.slow
def test_the_network_reaches_the_solution(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    physics = program("physics")
    assert physics.main()["relative L2 error"] <= physics.GOALS["relative L2 error"][1]

"""Averages of weights beside PyTorch's; penalties; gradients gathered over several batches."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.core.errors import DtypeError, ShapeError

rng = np.random.default_rng(4)
X = rng.normal(size=(12, 8, 3))


def net():
    pb.random.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)).double()


def numbers(module):
    return {k: np.asarray(v).copy() for k, v in module.state_dict().items()}


def train(model, optimiser, x):
    optimiser.zero_grad()
    (model(x) ** 2).mean().backward()
    optimiser.step()


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("kind", ["swa", "ema"])
def test_averaged_models_are_those_of_pytorch(kind, use_buffers, agreement):
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    model = net()
    theirs = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Tanh(), torch.nn.Linear(4, 2)
    ).double()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in numbers(model).items()})
    swa = torch.optim.swa_utils
    functions = {"swa": (None, None), "ema": (optim.get_ema_avg_fn(0.7), swa.get_ema_avg_fn(0.7))}[kind]
    mine = optim.AveragedModel(model, functions[0], use_buffers=use_buffers)
    other = swa.AveragedModel(theirs, avg_fn=functions[1], use_buffers=use_buffers)
    a, b = optim.SGD(model.parameters(), lr=0.1), torch.optim.SGD(theirs.parameters(), lr=0.1)
    for x in X[:6]:
        train(model, a, x)
        train(theirs, b, torch.tensor(x))
        mine.update_parameters(model)
        other.update_parameters(theirs)
        for name, have in numbers(mine.module).items():
            if use_buffers and name.endswith("num_batches_tracked"):
                assert have == int(model[1].num_batches_tracked)  # PyTorch averages the count as well
                continue
            agreement.compare("averaging", f"AveragedModel ({kind})", "weights", have, other.module.state_dict()[name])
    assert int(mine.n_averaged) == 6
    optim.update_bn([(x, None) for x in X], mine)
    swa.update_bn([torch.tensor(x) for x in X], other)
    for name, have in numbers(mine.module).items():
        agreement.compare("averaging", "update_bn", "statistics", have, other.module.state_dict()[name])
    assert mine.module[1].momentum == 0.1


def test_inside_a_traced_step_the_bits_are_the_same():
    def run(wrap):
        model = net()
        averaged, ema = optim.AveragedModel(model), optim.EMA(model, 0.9)
        optimiser = optim.SGD(model.parameters(), lr=0.1)

        @wrap
        def step(x):
            train(model, optimiser, x)
            averaged.update_parameters(model)
            ema.update()

        for x in X:
            step(x)
        return [*numbers(averaged).values(), *(np.asarray(a) for a in ema.averages)], step

    eager, _ = run(lambda f: f)
    traced, step = run(pb.trace)
    for a, b in zip(eager, traced, strict=True):
        np.testing.assert_array_equal(a, b)
    assert sum(map(len, step.graphs.values())) == 1


def test_the_average_is_a_copy_that_the_model_does_not_share():
    model = net()
    averaged = optim.AveragedModel(model)
    averaged.update_parameters(model)
    before = numbers(averaged)
    train(model, optim.SGD(model.parameters(), lr=1.0), X[0])
    after = numbers(averaged)
    assert all((before[k] == after[k]).all() for k in before)
    averaged.update_parameters(model)
    loaded = optim.AveragedModel(net())
    loaded.load_state_dict(averaged.state_dict())
    np.testing.assert_array_equal(np.asarray(loaded.eval()(X[0])), np.asarray(averaged.eval()(X[0])))


def test_ema_is_its_formula():
    w = nn.Parameter(np.array([1.0, 2.0]))
    ema, mean = optim.EMA([w], 0.8), np.array([1.0, 2.0])
    for i in range(5):
        w.data = np.array([i, -i]) * 1.0
        ema.update()
        mean = 0.8 * mean + 0.2 * np.array([i, -i])
        np.testing.assert_allclose(np.asarray(ema.averages[0]), mean, rtol=1e-14)
    again = optim.EMA([w], 0.1)
    again.load_state_dict(ema.state_dict())
    assert again.decay == 0.8 and again.averages[0].tolist() == ema.averages[0].tolist()


def test_swapping_in_the_averages_and_back():
    w = nn.Parameter(np.array([1.0]))
    ema = optim.EMA([w], 0.5)
    w.data = np.array([3.0])
    ema.update()
    with pytest.raises(RuntimeError), ema.applied():
        assert w.tolist() == [2.0]
        raise RuntimeError
    assert w.tolist() == [3.0]
    ema.copy_to()
    assert w.tolist() == [2.0] and w.requires_grad


def test_refusals():
    w = nn.Parameter(np.ones(2))
    for decay in (-0.1, 1.5, np.nan):
        with pytest.raises(ValueError, match=r"decay in \[0, 1\]"):
            optim.EMA([w], decay)
        with pytest.raises(ValueError, match=r"decay in \[0, 1\]"):
            optim.get_ema_avg_fn(decay)
    with pytest.raises(ValueError, match="no parameters"):
        optim.EMA([])
    with pytest.raises(TypeError, match="got int as parameter 1"):
        optim.EMA([w, 1])
    with pytest.raises(TypeError, match="expected a Module, got list"):
        optim.AveragedModel([w])
    averaged = optim.AveragedModel(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="not those copied"):
        averaged.update_parameters(nn.Linear(2, 3))
    assert int(averaged.n_averaged) == 0
    ema = optim.EMA([w])
    for wrong, error in [([], ValueError), ([np.ones(3)], ShapeError), ([np.ones(2, "f")], DtypeError)]:
        with pytest.raises(error):
            ema.load_state_dict({"decay": 0.5, "averages": wrong})
    assert ema.decay == 0.999


def test_gradients_gathered_over_several_batches_are_those_of_one_large_batch():
    """Dividing each loss by the number of batches, and stepping once, is the same as one large batch."""

    def run(batches, wrap=lambda f: f):
        pb.random.manual_seed(2)
        model = nn.Linear(3, 2).double()
        optimiser = optim.Adam(model.parameters(), lr=0.1)

        @wrap
        def gather(x):
            loss = (model(x) ** 2).mean() / len(batches)
            loss.backward()
            return loss

        for _ in range(3):
            optimiser.zero_grad()
            for x in batches:
                gather(x)
            optimiser.step()
        return np.concatenate([np.asarray(p).ravel() for p in model.parameters()])

    whole = run([X.reshape(-1, 3)])
    np.testing.assert_allclose(run(list(X)), whole, rtol=1e-12)
    np.testing.assert_array_equal(run(list(X)), run(list(X), pb.trace))


class TestPenalties:
    def test_values_and_gradients(self):
        model = nn.Linear(3, 2)
        one = sum(np.abs(np.asarray(p)).sum() for p in model.parameters())
        two = sum((np.asarray(p, np.float64) ** 2).sum() for p in model.parameters())
        assert nn.l1_penalty(model).item() == pytest.approx(one, rel=1e-6)
        assert nn.l2_penalty(model.parameters()).item() == pytest.approx(two, rel=1e-6)
        (nn.l1_penalty(model) + nn.l2_penalty(model)).backward()
        for p in model.parameters():
            w = np.asarray(p)
            np.testing.assert_allclose(np.asarray(p.grad), np.sign(w) + 2 * w, rtol=1e-6)

    def test_half_the_squares_is_weight_decay(self):
        def run(penalty, decay):
            w = nn.Parameter(np.array([1.0, -2.0]))
            optimiser = optim.SGD([w], lr=0.1, weight_decay=decay)
            for _ in range(4):
                optimiser.zero_grad()
                ((w - 3) ** 2).sum().backward() if not penalty else (
                    ((w - 3) ** 2).sum() + penalty / 2 * nn.l2_penalty([w])
                ).backward()
                optimiser.step()
            return np.asarray(w)

        np.testing.assert_allclose(run(0.3, 0.0), run(0.0, 0.3), rtol=1e-14)

    def test_none(self):
        with pytest.raises(ValueError, match="l1_penalty: got no parameters"):
            nn.l1_penalty([])

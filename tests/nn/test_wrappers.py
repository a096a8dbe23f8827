"""Residual, dicts and lists, tying, freezing, choosing parameters, weight norm and spectral norm."""

import copy

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.core.errors import ShapeError

rng = np.random.default_rng(5)
X = rng.normal(size=(5, 4))


class TestResidual:
    def test_it_adds_its_input(self, laws):
        layer = nn.Residual(nn.Linear(4, 4)).double()
        np.testing.assert_allclose(np.asarray(layer(X)), np.asarray(layer.module(X)) + X, rtol=1e-12)
        laws(nn.Residual(nn.Linear(4, 3), nn.Linear(4, 3, bias=False)), X)

    def test_a_shortcut(self):
        layer = nn.Residual(nn.Linear(4, 3), nn.Linear(4, 3, bias=False)).double()
        want = np.asarray(layer.module(X)) + np.asarray(layer.shortcut(X))
        np.testing.assert_allclose(np.asarray(layer(X)), want, rtol=1e-12)
        assert [name for name, _ in layer.named_parameters()] == ["module.weight", "module.bias", "shortcut.weight"]

    def test_shapes_that_differ(self):
        with pytest.raises(ShapeError, match=r"(?s)Linear to return the shape of x, \(5, 4\), got \(5, 3\).*shortcut="):
            nn.Residual(nn.Linear(4, 3)).double()(X)
        with pytest.raises(TypeError, match="module"):
            nn.Residual(pb.tanh)


class TestDictsAndLists:
    def test_a_module_dict(self):
        d = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Tanh()})
        assert list(d) == ["a", "b"] and len(d) == 2 and "a" in d and "c" not in d
        assert d["b"] is d.b and [k for k, _ in d.items()] == list(d.keys())
        d["c"] = nn.ReLU()
        d.update([("d", nn.ReLU())])
        assert repr(d).count("ReLU()") == 2 and len(list(d.values())) == 4
        assert isinstance(d.pop("c"), nn.ReLU) and "c" not in d
        del d["d"]
        assert list(d) == ["a", "b"]

    @pytest.mark.parametrize(
        ("act", "error", "text"),
        [
            (lambda d: d["c"], KeyError, "there is no 'c'; there are a"),
            (lambda d: d.__setitem__("c", pb.tanh), TypeError, "expected a Module under 'c'"),
            (lambda d: d.__setitem__("x.y", nn.Tanh()), ValueError, "without dots"),
            (lambda d: d.__setitem__("keys", nn.Tanh()), ValueError, "'keys' is taken"),
            (lambda d: d.__setitem__("_mode", nn.Tanh()), ValueError, "taken"),
            (lambda d: d.__delitem__("c"), KeyError, "no 'c'"),
        ],
    )
    def test_wrong_entries(self, act, error, text):
        with pytest.raises(error, match=text):
            act(nn.ModuleDict({"a": nn.Tanh()}))

    def test_parameters(self):
        ps = nn.ParameterList([nn.Parameter([1.0]), nn.Parameter([2.0])])
        ps.append(nn.Parameter([3.0]))
        ps[0] = nn.Parameter([4.0])
        assert [p.item() for p in ps] == [4.0, 2.0, 3.0] and ps[-1].item() == 3.0 and len(ps) == 3
        assert [name for name, _ in ps.named_parameters()] == ["0", "1", "2"]
        d = nn.ParameterDict({"scale": nn.Parameter([1.0])})
        assert [name for name, _ in d.named_parameters()] == ["scale"]
        for act, error in (
            (lambda: ps.append(np.ones(1)), TypeError),
            (lambda: ps[3], IndexError),
            (lambda: d.__setitem__("x", np.ones(1)), TypeError),
        ):
            with pytest.raises(error):
                act()


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.second = nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(pb.tanh(self.first(x)))


class TestTying:
    def test_a_shared_parameter_is_listed_once_and_gets_both_gradients(self):
        net = Tied().double()
        assert [name for name, _ in net.named_parameters()] == ["first.weight"]
        w = net.first.weight.numpy().copy()
        net(X).sum().backward()
        separate = lambda a, b: pb.sum(pb.linear(pb.tanh(pb.linear(X, a)), b))
        a, b = pb.grad(separate, argnums=(0, 1))(w, w)
        np.testing.assert_allclose(np.asarray(net.first.weight.grad), np.asarray(a) + np.asarray(b), rtol=1e-12)

    def test_an_optimiser_steps_once_and_a_copy_stays_tied(self):
        net = copy.deepcopy(Tied())
        assert net.first.weight is net.second.weight
        optimiser = optim.SGD(net.parameters(), lr=0.1)
        net(X.astype(np.float32)).sum().backward()
        want = net.first.weight.numpy() - np.float32(0.1) * net.first.weight.grad.numpy()
        optimiser.step()
        np.testing.assert_allclose(net.second.weight.numpy(), want, rtol=1e-6)


class TestChoosing:
    net = nn.Sequential({"body": nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3)), "head": nn.Linear(3, 2)})

    @pytest.mark.parametrize(
        ("where", "paths"),
        [
            ("*.bias", ["body.0.bias", "body.1.bias", "head.bias"]),
            ("body.*", ["body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias"]),
            (nn.LayerNorm, ["body.1.weight", "body.1.bias"]),
            (lambda path, p: p.ndim == 2, ["body.0.weight", "head.weight"]),
            (None, ["body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "head.weight", "head.bias"]),
        ],
    )
    def test_parameters(self, where, paths):
        assert [path for path, _ in self.net.named_parameters(where=where)] == paths
        assert len(list(self.net.parameters(where=where))) == len(paths)

    def test_freezing(self):
        net = copy.deepcopy(self.net)
        before = {path: p.numpy().copy() for path, p in net.named_parameters()}
        net.requires_grad_(False, where="body.*")
        optimiser = optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
        net(X.astype(np.float32)).sum().backward()
        optimiser.step()
        changed = [path for path, p in net.named_parameters() if not np.array_equal(p.numpy(), before[path])]
        assert changed == ["head.weight", "head.bias"]
        with pytest.raises(ValueError, match=r"'encoder.\*' chooses no parameter of body.0.weight"):
            net.requires_grad_(False, where="encoder.*")
        with pytest.raises(TypeError, match="where: expected a pattern"):
            net.parameters(where=3)

    def test_groups(self):
        groups = nn.parameter_groups(
            self.net,
            {"where": nn.LayerNorm, "weight_decay": 0.0},
            {"where": "*.bias", "lr": 0.5},
            {"weight_decay": 0.1},
        )
        assert [[p.shape for p in group["params"]] for group in groups] == [
            [(3,), (3,)],
            [(3,), (2,)],
            [(3, 4), (2, 3)],
        ]
        optimiser = optim.AdamW(groups, lr=0.01)
        assert [group["lr"] for group in optimiser.param_groups] == [0.01, 0.5, 0.01]
        assert [group["weight_decay"] for group in optimiser.param_groups] == [0.0, 0.01, 0.1]
        with pytest.raises(ValueError, match=r"no group takes body.0.weight, body.1.weight, head.weight"):
            nn.parameter_groups(self.net, {"where": "*.bias"})
        with pytest.raises(ValueError, match="no parameter is left"):
            nn.parameter_groups(self.net, {}, {"where": "*.bias"})


class TestParametrisations:
    @pytest.mark.parametrize("dim", [0, 1, None])
    def test_weight_norm_is_that_of_pytorch(self, like_torch, dim):
        import torch

        theirs = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 3), dim=dim)
        # PyTorch's second derivatives of its fused kernel are not the differences of its own gradients.
        like_torch(nn.weight_norm(nn.Linear(4, 3), dim=dim), theirs, [X], name="weight_norm", second=dim is None)

    @pytest.mark.parametrize("iterations", [1, 3])
    def test_spectral_norm_is_that_of_pytorch(self, like_torch, iterations):
        import torch

        theirs = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(4, 3), n_power_iterations=iterations)
        ours = nn.spectral_norm(nn.Linear(4, 3), n_power_iterations=iterations)
        like_torch(ours, theirs, [X], name="spectral_norm", steps=3)
        like_torch(ours.eval(), theirs.eval(), [X], name="spectral_norm")

    def test_laws(self, laws):
        laws(nn.weight_norm(nn.Linear(4, 3)), X)
        laws(nn.spectral_norm(nn.Linear(4, 3)).eval(), X)

    def test_the_value_stays_and_the_norm_is_one(self):
        layer = nn.Linear(4, 3, dtype="float64")
        w = layer.weight.numpy().copy()
        nn.weight_norm(layer)
        np.testing.assert_allclose(np.asarray(layer.weight), w, rtol=1e-12)
        layer = nn.spectral_norm(nn.Linear(4, 3, dtype="float64"), n_power_iterations=100)
        layer.weight
        assert np.linalg.norm(np.asarray(layer.eval().weight), 2) == pytest.approx(1, rel=1e-6)

    def test_an_optimiser_trains_the_originals(self):
        layer = nn.weight_norm(nn.Linear(4, 3))
        optimiser = optim.SGD(layer.parameters(), lr=0.1)
        step = pb.trace(lambda x: (optimiser.zero_grad(), layer(x).sum().backward(), optimiser.step())[0])
        before = layer.weight.numpy().copy()
        step(pb.tensor(X.astype(np.float32)))
        assert not np.allclose(layer.weight.numpy(), before)

    def test_several_one_after_the_other_and_removing(self):
        class Double(nn.Module):
            def forward(self, x):
                return 2 * x

        layer = nn.Linear(4, 3, dtype="float64")
        w = layer.weight.numpy().copy()
        original = layer.weight
        nn.register_parametrization(layer, "weight", Double())
        nn.register_parametrization(layer, "weight", Double())
        assert layer.parametrizations.weight.original is original
        np.testing.assert_array_equal(np.asarray(layer.weight), 4 * w)
        assert (
            nn.is_parametrized(layer) and nn.is_parametrized(layer, "weight") and not nn.is_parametrized(layer, "bias")
        )
        nn.remove_parametrizations(layer, "weight")
        assert isinstance(layer.weight, nn.Parameter) and not nn.is_parametrized(layer)
        np.testing.assert_array_equal(layer.weight.numpy(), 4 * w)
        assert sorted(layer.state_dict()) == ["bias", "weight"]
        nn.register_parametrization(layer, "weight", Double())
        nn.remove_parametrizations(layer, "weight", leave_parametrized=False)
        np.testing.assert_array_equal(layer.weight.numpy(), 4 * w)

    def test_wrong_use(self):
        class Wider(nn.Module):
            def forward(self, x):
                return pb.concat([x, x])

        layer = nn.Linear(4, 3)
        with pytest.raises(ShapeError, match=r"Linear.weight to keep its shape \(3, 4\), got \(6, 4\)"):
            nn.register_parametrization(layer, "weight", Wider())
        assert isinstance(layer.weight, nn.Parameter)
        with pytest.raises(ValueError, match="no parameter 'kernel'"):
            nn.weight_norm(layer, "kernel")
        with pytest.raises(ValueError, match="not parametrised"):
            nn.remove_parametrizations(layer, "weight")
        with pytest.raises(ValueError, match="n_power_iterations >= 1"):
            nn.spectral_norm(layer, n_power_iterations=0)
        nn.weight_norm(layer)
        with pytest.raises(TypeError, match="computed by a parametrisation"):
            layer.weight = nn.Parameter(np.ones((3, 4)))
        with pytest.raises(ValueError, match="several originals"):
            nn.remove_parametrizations(layer, "weight", leave_parametrized=False)

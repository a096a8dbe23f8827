"""Modules: what is found in them and under which name, state in and out, modes, hooks, and their errors."""

import copy
import pickle

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import DtypeError, GradientError, ShapeError


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.scale = nn.Parameter([2.0])
        self.layers = [nn.Linear(4, 4), {"last": nn.Linear(4, 2)}]
        self.register_buffer("count", np.zeros((), np.int64))
        self.register_buffer("scratch", np.zeros(2), persistent=False)
        self.tied = self.first
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        x = self.drop(pb.tanh(self.first(x)) * self.scale)
        return self.layers[1]["last"](self.layers[0](x))


NAMES = [
    "scale",
    "first.weight",
    "first.bias",
    "layers.0.weight",
    "layers.0.bias",
    "layers.1.last.weight",
    "layers.1.last.bias",
]


class TestWhatIsInside:
    def test_names_are_paths_in_the_order_of_assignment(self):
        net = Net()
        assert [name for name, _ in net.named_parameters()] == NAMES
        assert [name for name, _ in net.named_modules()] == ["", "first", "layers.0", "layers.1.last", "drop"]
        assert [name for name, _ in net.named_children()] == ["first", "layers.0", "layers.1.last", "drop"]
        assert [name for name, _ in net.named_buffers()] == ["count", "scratch"]
        assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]
        assert [name for name, _ in net.named_parameters(prefix="net")][:2] == ["net.scale", "net.first.weight"]

    def test_what_is_shared_is_listed_once(self):
        net = Net()
        assert sum(p is net.first.weight for p in net.parameters()) == 1
        layer = nn.Linear(2, 2)
        both = nn.Sequential(layer, nn.Tanh(), layer)
        assert [name for name, _ in both.named_parameters()] == ["0.weight", "0.bias"]
        assert len(both) == 3
        other = nn.Linear(2, 2)
        other.weight = layer.weight
        assert [name for name, _ in nn.Sequential(layer, other).named_parameters()] == ["0.weight", "0.bias", "1.bias"]

    def test_a_module_may_know_its_parent(self):
        net = Net()
        net.first.parent = net
        net.loop = [1]
        net.loop.append(net.loop)
        assert [name for name, _ in net.named_parameters()] == NAMES

    def test_ten_thousand_layers(self):
        net = nn.Sequential(*(nn.Identity() for _ in range(10_000)))
        nested = nn.Identity()
        for _ in range(5_000):
            nested = nn.ModuleList([nested])
        assert sum(1 for _ in net.modules()) == 10_001
        assert sum(1 for _ in nested.modules()) == 5_001

    def test_the_order_does_not_depend_on_identity_or_hashing(self):
        orders = {tuple(name for name, _ in Net().named_parameters()) for _ in range(20)}
        assert len(orders) == 1

    def test_parameters_assigned_again_keep_their_place(self):
        net = Net()
        net.first = nn.Linear(3, 4)
        assert [name for name, _ in net.named_parameters()][1] == "first.weight"


class TestMistakes:
    def test_a_missing_call_of_super_is_explained(self):
        class Wrong(nn.Module):
            def __init__(self):
                self.layer = nn.Linear(2, 2)

        with pytest.raises(AttributeError, match=r"Wrong.__init__ must call super\(\).__init__\(\)"):
            Wrong()

        class Empty(nn.Module):
            def __init__(self):
                self.size = 3

            def forward(self, x):
                return x

        with pytest.raises(AttributeError, match=r"Empty.__init__ must call super"):
            Empty()(1)
        with pytest.raises(AttributeError, match=r"Empty.__init__ must call super"):
            Empty().training

    def test_a_plain_value_in_the_place_of_a_parameter(self):
        layer = nn.Linear(2, 2)
        with pytest.raises(TypeError, match=r"module.weight.data = new"):
            layer.weight = pb.zeros((2, 2))
        layer.weight.data = np.ones((2, 2))
        assert layer.weight.tolist() == [[1.0, 1.0], [1.0, 1.0]] and layer.weight.requires_grad
        layer.bias = None
        assert len(list(layer.parameters())) == 1

    def test_assigning_to_a_buffer_replaces_its_values(self):
        net = Net()
        buffer = net.count
        net.count = net.count + 1
        assert net.count is buffer and net.count.item() == 1

    def test_a_buffer_is_state_in_a_traced_step_and_inside_grad(self):
        class Average(nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = nn.Parameter(np.ones(()))
                self.mean = nn.Buffer(np.zeros(()))

            def forward(self, x):
                x = x * self.scale
                self.mean = self.mean * 0.5 + pb.sum(x) * 0.5
                return pb.sum(x)

        eager, traced, functional = Average(), Average(), Average()
        step = pb.trace(lambda x: traced(x))
        grad = pb.grad(lambda p, x: nn.functional_call(functional, p, x))
        for i in range(3):
            x = np.arange(3.0) + i
            eager(x)
            step(x)
            assert grad({"scale": np.float64(1.0)}, x)["scale"].item() == x.sum()
            assert eager.mean.item() == traced.mean.item() == functional.mean.item() != 0

    def test_a_module_without_forward(self):
        with pytest.raises(NotImplementedError, match="must define forward"):
            nn.Module()(1)

    def test_a_property_that_fails_shows_its_own_error(self):
        class Broken(nn.Module):
            @property
            def size(self):
                return self.wieght.size

        with pytest.raises(AttributeError, match="wieght"):
            Broken().size

    def test_unknown_attributes(self):
        with pytest.raises(AttributeError, match="'Linear' object has no attribute 'wieght'"):
            nn.Linear(2, 2).wieght

    def test_containers_take_modules_only(self):
        with pytest.raises(TypeError, match=r"nn.Tanh\(\)"):
            nn.Sequential(nn.Linear(2, 2), pb.tanh)
        with pytest.raises(ValueError, match="'forward' is taken"):
            nn.Sequential({"forward": nn.Tanh()})

    def test_integers_have_no_gradient(self):
        with pytest.raises(DtypeError, match="int64"):
            nn.Parameter(np.arange(3))
        assert not nn.Parameter(np.arange(3), requires_grad=False).requires_grad


class TestState:
    def test_out_and_in(self):
        a, b = Net(), Net()
        a.count = np.int64(5)
        state = a.state_dict()
        assert list(state) == [NAMES[0], "count", *NAMES[1:]]
        assert b.load_state_dict(state) == ([], [])
        for (_, x), (_, y) in zip(a.state_dict().items(), b.state_dict().items(), strict=True):
            np.testing.assert_array_equal(np.asarray(x), np.asarray(y))
        assert b.count.item() == 5

    def test_a_state_dict_is_a_copy(self):
        net = Net()
        state = net.state_dict()
        before = state["scale"].tolist()
        with pb.no_grad():
            net.scale += 1
        assert state["scale"].tolist() == before and not state["scale"].requires_grad
        source = np.ones((1,), np.float32)
        net.load_state_dict({"scale": source}, strict=False)
        source[0] = 7
        assert net.scale.item() == 1.0

    @pytest.mark.parametrize(
        ("change", "error", "words"),
        [
            (lambda s: s.pop("first.bias"), KeyError, r"missing:     first.bias \(4,\)"),
            (lambda s: s.update(extra=np.ones(2)), KeyError, "unexpected:  extra"),
            (
                lambda s: s.update({"first.bias": np.ones(5, "f")}),
                ShapeError,
                r"first.bias: expected shape \(4,\), got \(5,\)",
            ),
            (lambda s: s.update({"first.bias": np.ones(4)}), DtypeError, "first.bias: expected float32, got float64"),
            (
                lambda s: s.update({"first.bias": [1, 2]}),
                TypeError,
                "first.bias must be an array or a tensor, got list",
            ),
        ],
    )
    def test_what_does_not_fit_is_named_and_nothing_changes(self, change, error, words):
        net = Net()
        before = net.state_dict()
        state = {k: np.asarray(v) + 1 for k, v in before.items()}
        state = {k: v.astype(before[k].dtype) for k, v in state.items()}
        change(state)
        with pytest.raises(error, match=words) as caught:
            net.load_state_dict(state)
        assert "\\n" not in str(caught.value)
        for name, x in net.state_dict().items():
            np.testing.assert_array_equal(np.asarray(x), np.asarray(before[name]))

    def test_all_wrong_names_are_listed(self):
        with pytest.raises(KeyError) as caught:
            nn.Linear(2, 2).load_state_dict({"w": np.ones(1), "b": np.ones(1)})
        assert all(word in str(caught.value) for word in ("missing:     weight", "missing:     bias", "unexpected:  w"))

    def test_not_strict(self):
        layer = nn.Linear(2, 2)
        missing, unexpected = layer.load_state_dict({"bias": np.ones(2, "f"), "x": np.ones(1)}, strict=False)
        assert (missing, unexpected) == (["weight"], ["x"]) and layer.bias.tolist() == [1.0, 1.0]

    def test_a_path_is_no_state_dict(self):
        with pytest.raises(TypeError, match=r"pb.load\('weights.safetensors'\)"):
            nn.Linear(2, 2).load_state_dict("weights.safetensors")

    def test_deep_copies_are_independent(self):
        net = Net().eval()
        twin = copy.deepcopy(net)
        assert twin.tied is twin.first and not twin.training
        with pb.no_grad():
            twin.scale += 1
        twin.train()
        assert twin.scale.item() == 3.0 and net.scale.item() == 2.0 and not net.training
        assert isinstance(twin.count, nn.Buffer) and not twin.scratch.persistent

    def test_nothing_is_pickled(self):
        with pytest.raises(TypeError, match=r"pullback\.save"):
            pickle.dumps(nn.Linear(2, 2))


class TestModes:
    def test_train_and_eval_reach_everything(self):
        net = Net()
        assert net.training and net.eval() is net
        assert not any(module.training for module in net.modules())
        net.drop.train()
        assert net.drop.training and not net.training

    def test_a_traced_step_notices_the_mode(self):
        net = nn.Sequential(nn.Dropout(0.5))
        step = pb.trace(lambda x: net(x))
        x = np.ones(64)
        assert 0.0 in step(x).tolist()
        net.eval()
        assert step(x).tolist() == x.tolist()
        net.train()
        assert 0.0 in step(x).tolist()

    def test_zero_grad_and_freezing(self):
        layer = nn.Linear(2, 2)
        layer(np.ones(2)).sum().backward()
        assert layer.weight.grad is not None
        layer.zero_grad()
        assert layer.weight.grad is None
        layer.requires_grad_(False)
        assert not any(p.requires_grad for p in layer.parameters())
        with pytest.raises(GradientError):
            layer(np.ones(2)).sum().backward()

    def test_a_traced_step_notices_freezing_and_thawing(self):
        layer = nn.Linear(2, 1)

        @pb.trace
        def step(x):
            layer.zero_grad()
            loss = layer(x).sum()
            loss.backward()
            return loss

        x = np.ones((1, 2), np.float32)
        step(x)
        layer.bias.requires_grad_(False)
        step(x)
        assert layer.bias.grad is None and layer.weight.grad is not None
        layer.bias.requires_grad_(True)
        step(x)
        assert layer.bias.grad.tolist() == [1.0]

    def test_dtypes(self):
        net = Net()
        net.first(np.ones((1, 3))).sum().backward()
        assert net.double() is net
        assert {p.dtype.name for p in net.parameters()} == {"float64"}
        assert net.count.dtype == np.int64 and net.scratch.dtype == np.float64
        assert net.first.weight.grad.dtype == np.float64
        assert {p.dtype.name for p in net.to("float32").parameters()} == {"float32"}
        assert net.to("cpu") is net and net.float() is net
        with pytest.raises(DtypeError, match="floating dtype or a device, got int64"):
            net.to(np.int64)
        with pytest.raises(ValueError, match="only 'cpu'"):
            net.to("cuda")

    def test_apply_goes_from_the_inside_out(self):
        seen = []
        net = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        assert net.apply(lambda module: seen.append(type(module).__name__)) is net
        assert seen == ["Linear", "Tanh", "Sequential"]


class TestHooks:
    def test_a_forward_hook_sees_and_replaces_the_output(self):
        layer = nn.Identity()
        seen = []
        remove_first = layer.register_forward_hook(lambda module, args, y: seen.append((module, args, y)))
        remove = layer.register_forward_hook(lambda module, args, y: y + 1)
        assert layer(1.0) == 2.0 and seen == [(layer, (1.0,), 1.0)]
        remove()
        remove()
        assert layer(1.0) == 1.0
        remove_first()
        layer(1.0)
        assert len(seen) == 2

    def test_a_pre_hook_replaces_the_arguments(self):
        layer = nn.Identity()
        layer.register_forward_pre_hook(lambda module, args: args[0] * 10)
        assert layer(2.0) == 20.0


class TestContainers:
    def test_sequential(self):
        a, b, c = nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)
        net = nn.Sequential(a, b).append(c)
        assert net[0] is a and net[-1] is c and list(net) == [a, b, c] and list(net[1:]) == [b, c]
        assert isinstance(net[:2], nn.Sequential)
        np.testing.assert_array_equal(np.asarray(net(np.ones(2))), np.asarray(c(pb.tanh(a(np.ones(2))))))
        with pytest.raises(IndexError, match="index 3 in a container of 3"):
            net[3]
        net[1] = nn.ReLU()
        assert isinstance(net[1], nn.ReLU) and [n for n, _ in net.named_children()] == ["0", "1", "2"]

    def test_sequential_with_names(self):
        net = nn.Sequential({"encode": nn.Linear(2, 3), "decode": nn.Linear(3, 2)})
        assert next(name for name, _ in net.named_parameters()) == "encode.weight"
        assert net.encode is net[0]

    def test_module_list(self):
        layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(2)).extend([nn.Tanh()])
        assert len(layers) == 3 and [n for n, _ in layers.named_parameters()][-1] == "1.bias"
        assert len(layers[:2]) == 2


def test_the_tree_is_shown_as_pytorch_shows_it():
    class Tree(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(4, 2), nn.Tanh())
            self.head = nn.Linear(2, 1, bias=False)

    assert repr(Tree()) == (
        "Tree(\n  (encoder): Sequential(\n    (0): Linear(in_features=4, out_features=2, bias=True)\n"
        "    (1): Tanh()\n  )\n  (head): Linear(in_features=2, out_features=1, bias=False)\n)"
    )


class TestFunctionalCall:
    def test_gradients_over_parameters_equal_backward(self):
        net = Net().eval().double()
        x = np.random.default_rng(0).normal(size=(5, 3))
        params = dict(net.named_parameters())
        pb.sum(net(x) ** 2).backward()
        grads = pb.grad(lambda p: pb.sum(nn.functional_call(net, p, x) ** 2))(params)
        assert list(grads) == NAMES
        for name, p in params.items():
            np.testing.assert_allclose(np.asarray(grads[name]), np.asarray(p.grad), rtol=1e-13)

    def test_per_example_gradients(self):
        layer = nn.Linear(3, 2, dtype="float64")
        x, y = np.random.default_rng(1).normal(size=(4, 3)), np.array([0, 1, 1, 0])
        params = {name: np.asarray(p) for name, p in layer.named_parameters()}

        def loss(p, x, y):
            return nn.functional.cross_entropy(nn.functional_call(layer, p, x), y)

        each = pb.vmap(pb.grad(loss), in_axes=(None, 0, 0))(params, x, y)
        for i in range(4):
            one = pb.grad(loss)(params, x[i], y[i])
            for name in params:
                np.testing.assert_allclose(np.asarray(each[name])[i], np.asarray(one[name]), rtol=1e-13)

    def test_an_ensemble_in_one_batch(self):
        layer = nn.Linear(2, 1, dtype="float64")
        weights = np.arange(6.0).reshape(3, 1, 2)
        y = pb.vmap(lambda w: nn.functional_call(layer, {"weight": w, "bias": np.zeros(1)}, np.array([1.0, 10.0])))(
            weights
        )
        assert y.tolist() == [[10.0], [32.0], [54.0]]

    def test_shared_parameters_are_replaced_everywhere(self):
        layer = nn.Linear(1, 1, bias=False, dtype="float64")
        net = nn.Sequential(layer, layer)
        assert nn.functional_call(net, {"0.weight": np.array([[3.0]])}, np.ones(1)).tolist() == [9.0]

    def test_the_module_is_as_before_even_after_an_exception(self):
        net = Net()
        before = [id(p) for p in net.parameters()]
        with pytest.raises(ShapeError):
            nn.functional_call(net, {"scale": np.ones(1)}, np.ones((1, 7)))
        assert [id(p) for p in net.parameters()] == before and net.scale.tolist() == [2.0]

    def test_wrong_names_and_shapes(self):
        with pytest.raises(KeyError, match="has no wieght; it has weight, bias"):
            nn.functional_call(nn.Linear(2, 2), {"wieght": np.ones(1)}, np.ones(2))
        with pytest.raises(ShapeError, match=r"weight of shape \(2, 2\), got \(1,\)"):
            nn.functional_call(nn.Linear(2, 2), {"weight": np.ones(1)}, np.ones(2))

    def test_a_buffer_can_be_replaced(self):
        net = Net()
        nn.functional_call(net, {"count": np.int64(9)}, np.ones((1, 3)))
        assert net.count.item() == 0


class TestBackwardHooks:
    class Both(nn.Module):
        def forward(self, a, b, scale=1.0):
            return a * b * scale, b + 1

    def test_it_sees_what_arrives_and_what_leaves(self):
        seen = []
        module = self.Both()
        module.register_full_backward_hook(lambda m, gin, gout: seen.append((m, gin, gout)))
        a, b = (pb.tensor(x, requires_grad=True) for x in ([1.0, 2.0], [3.0, 4.0]))
        y, z = module(a, b, 2.0)
        (y.sum() + 3 * z.sum() + a.sum()).backward()  # the last term passes the module by
        ((m, gin, gout),) = seen
        assert m is module and [g.tolist() for g in gout] == [[1.0, 1.0], [3.0, 3.0]]
        assert gin[0].tolist() == [6.0, 8.0] and gin[1].tolist() == [5.0, 7.0] and gin[2] is None
        assert a.grad.tolist() == [7.0, 9.0] and b.grad.tolist() == [5.0, 7.0]

    def test_a_result_that_is_not_used_and_inputs_without_gradients(self):
        seen = []
        module = self.Both()
        module.register_full_backward_hook(lambda m, gin, gout: seen.append((gin, gout)))
        b = pb.tensor([3.0], requires_grad=True)
        module(pb.tensor([1.0]), b)[0].sum().backward()
        assert seen[0][0][0] is None and seen[0][0][1].tolist() == [1.0] and seen[0][1][1] is None
        layer = nn.Linear(2, 2)
        layer.register_full_backward_hook(lambda m, gin, gout: seen.append((gin, gout)))
        layer(np.ones(2, np.float32)).sum().backward()
        assert seen[1][0] == (None,) and seen[1][1][0].tolist() == [1.0, 1.0]

    def test_what_it_returns_replaces_the_gradients(self):
        module = self.Both()
        module.register_full_backward_hook(lambda m, gin, gout: (gin[0] * 10, None))
        remove = module.register_full_backward_hook(lambda m, gin, gout: (gin[0] + 1, gin[1]))
        a, b = (pb.tensor(x, requires_grad=True) for x in ([1.0], [3.0]))
        module(a, b)[0].sum().backward()
        assert a.grad.tolist() == [31.0] and b.grad is None
        remove()
        a.grad = None
        module(a, b)[0].sum().backward()
        assert a.grad.tolist() == [30.0]

    def test_it_is_that_of_pytorch(self):
        torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
        x = np.array([[1.0, -2.0]], np.float32)
        theirs, ours, seen = torch.nn.Linear(2, 3), nn.Linear(2, 3), []
        ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
        for layer, t in ((ours, pb.tensor(x, requires_grad=True)), (theirs, torch.tensor(x, requires_grad=True))):
            layer.register_full_backward_hook(lambda m, gin, gout: seen.append([np.asarray(g) for g in (*gin, *gout)]))
            (layer(t) ** 2).sum().backward()
        for a, b in zip(*seen, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)

    def test_second_derivatives_traced_steps_and_no_grad(self):
        seen = []
        layer = nn.Linear(2, 1, bias=False).double()
        layer.register_full_backward_hook(lambda m, gin, gout: seen.append(gout[0]))
        x = pb.tensor(np.array([1.0, 2.0]), requires_grad=True)
        (layer(x) ** 3).sum().backward(create_graph=True)
        x.grad.sum().backward()
        w, s = layer.weight.numpy()[0], layer.weight.numpy()[0] @ [1.0, 2.0]
        np.testing.assert_allclose(
            np.asarray(layer.weight.grad)[0],
            3 * s**2 * np.array([1.0, 2.0]) + 6 * s * w.sum() * np.array([1.0, 2.0]) + 3 * s**2,
            rtol=1e-12,
        )
        with pb.no_grad():
            layer(x)
        layer.zero_grad()
        (layer(x) ** 3).sum().backward()
        want = layer.weight.grad.numpy().copy()
        layer.zero_grad()
        pb.trace(lambda x: (layer(x) ** 3).sum().backward())(pb.tensor(np.array([1.0, 2.0])))
        np.testing.assert_array_equal(layer.weight.grad.numpy(), want)

    def test_wrong_results(self):
        layer = nn.Linear(2, 1)
        x = pb.tensor([1.0, 2.0], requires_grad=True)
        for answer, text in (
            (lambda g: (g, g), "one gradient per argument, 1, got 2"),
            (lambda g: g.sum(), r"shape \(2,\) for argument 0, got \(\)"),
        ):
            remove = layer.register_full_backward_hook(lambda m, gin, gout, answer=answer: answer(gin[0]))
            with pytest.raises(pb.ShapeError, match=text):
                layer(x).sum().backward()
            remove()


def test_an_error_names_the_path_of_its_layer():
    inner = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(5, 2))
    net = nn.Sequential(nn.Linear(2, 4), inner)
    with pytest.raises(pb.ShapeError, match="in_features = 5") as caught:
        net(pb.ones((1, 2)))
    assert caught.value.__notes__ == ["in the layer '1.2', a Linear of Sequential"]
    with pytest.raises(pb.ShapeError) as caught:
        inner[2](pb.ones((1, 2)))
    assert not hasattr(caught.value, "__notes__")  # alone, the layer has no path
    tied = nn.Sequential(inner, inner)
    with pytest.raises(pb.ShapeError) as caught:
        tied(pb.ones((1, 4)))
    assert caught.value.__notes__ == ["in the layer '0.2', a Linear of Sequential"]

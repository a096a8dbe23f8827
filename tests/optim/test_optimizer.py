"""Optimisers: what they accept, what they keep, and what stays unchanged when something fails."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.core.errors import DtypeError, ShapeError

ALL = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    (optim.Adam, {}),
    (optim.AdamW, {"amsgrad": True}),
    (optim.Adagrad, {}),
    (optim.RMSprop, {"centered": True, "momentum": 0.5}),
    (optim.Adadelta, {}),
    (optim.Adamax, {}),
    (optim.NAdam, {"lr": 0.1}),
    (optim.RAdam, {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    (optim.Lion, {"lr": 0.1}),
    (optim.LAMB, {"weight_decay": 0.1}),
    (optim.Adafactor, {}),
]


def two():
    return [nn.Parameter(np.array([1.0, 2.0])), nn.Parameter(np.array([[3.0]]))]


def with_gradients(ps, value=1.0):
    for p in ps:
        p.grad = np.full(p.shape, value)
    return ps


class TestParameters:
    @pytest.mark.parametrize(("kind", "options"), ALL)
    def test_refusals(self, kind, options):
        p = two()[0]
        for params, error, words in [
            ([], ValueError, "got no parameters"),
            (iter(()), ValueError, "got no parameters"),
            ([{"params": []}], ValueError, "a group has no parameters"),
            ([p, p], ValueError, "given twice"),
            ([{"params": [p]}, {"params": [p]}], ValueError, "given twice"),
            ([p, 1.0], TypeError, "got float as parameter 1"),
            ([np.ones(2)], TypeError, "got ndarray"),
            (p, TypeError, r"right:  \w+\(\[w\]\)"),
            (nn.Linear(2, 2), TypeError, r"right:  \w+\(net.parameters\(\)\)"),
            ([p * 2], ValueError, "not a leaf"),
            ([pb.tensor([1, 2])], TypeError, "int64"),
            ([{"params": [p], "rate": 1}], ValueError, r"unknown settings \['rate'\]"),
            ([{"lr": 1.0}], TypeError, "'params'"),
        ]:
            with pytest.raises(error, match=words):
                kind(params, **options)

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda p: optim.SGD([p], lr=-1), "lr to be a number >= 0, got -1"),
            (lambda p: optim.SGD([p], lr=np.nan), "lr"),
            (lambda p: optim.SGD([p], lr=np.inf), "lr"),
            (lambda p: optim.SGD([p], momentum=-0.1), "momentum"),
            (lambda p: optim.SGD([p], weight_decay=-1), "weight_decay"),
            (lambda p: optim.SGD([p], nesterov=True), "nesterov=True needs momentum"),
            (lambda p: optim.SGD([p], momentum=0.9, dampening=0.1, nesterov=True), "nesterov"),
            (lambda p: optim.Adam([p], betas=(0.9, 1.0)), r"betas in \[0, 1\)"),
            (lambda p: optim.Adam([p], betas=(-0.1, 0.9)), "betas"),
            (lambda p: optim.Adam([p], eps=-1e-8), "eps"),
            (lambda p: optim.Adagrad([p], lr_decay=-1), "lr_decay"),
            (lambda p: optim.RMSprop([p], alpha=-1), "alpha"),
            (lambda p: optim.SGD([{"params": [p], "lr": -2}]), "lr"),
            (lambda p: optim.Adadelta([p], rho=1.5), r"rho in \[0, 1\]"),
            (lambda p: optim.NAdam([p], momentum_decay=-1), "momentum_decay"),
            (lambda p: optim.Lion([p], betas=(0.9, 1.0)), r"betas in \[0, 1\)"),
            (lambda p: optim.Adafactor([p], beta2_decay=0.8), "beta2_decay <= 0"),
            (lambda p: optim.Adafactor([p], d=0.5), "d >= 1"),
            (lambda p: optim.Adafactor([p], eps=(-1.0, 1e-3)), r"eps\[0\]"),
            (lambda p: optim.Muon([p]), r"expected matrices, got a parameter of shape \(2,\)"),
            (lambda p: optim.Muon([p], ns_steps=100), "ns_steps"),
            (lambda p: optim.Muon([p], adjust_lr_fn="other"), "adjust_lr_fn to be one of"),
        ],
    )
    def test_settings_out_of_range(self, make, words):
        with pytest.raises(ValueError, match=words):
            make(two()[0])

    @pytest.mark.parametrize(("kind", "options"), ALL)
    def test_parameters_without_gradients_are_skipped(self, kind, options):
        a, b = two()
        frozen = nn.Parameter(np.ones(1), requires_grad=False)
        optimiser = kind([a, b, frozen], **options)
        with_gradients([a])
        optimiser.step()
        assert a.tolist() != [1.0, 2.0] and b.tolist() == [[3.0]] and frozen.tolist() == [1.0]
        assert [s["step"] for s in optimiser.state_dict()["state"].values()] == [1, 0, 0]

    def test_a_plain_tensor_can_be_trained(self):
        w = pb.tensor([1.0, 2.0], requires_grad=True)
        (w * w / 2).sum().backward()
        optim.SGD([w], lr=1.0).step()
        assert w.tolist() == [0.0, 0.0] and w.requires_grad

    def test_zero_grad(self):
        ps = with_gradients(two())
        optim.SGD(ps).zero_grad()
        assert all(p.grad is None for p in ps)

    def test_gradients_and_old_values_are_not_changed_in_place(self):
        for kind, options in ALL:
            ps = two()
            g = np.array([1.0, -1.0])
            optimiser = kind(ps[:1], **options)
            old = ps[0].data
            for _ in range(3):
                ps[0].grad = g
                optimiser.step()
            assert g.tolist() == [1.0, -1.0] and old.tolist() == [1.0, 2.0]

    def test_a_gradient_that_is_differentiable_itself(self):
        w = nn.Parameter(np.array([2.0]))
        (w**3).sum().backward(create_graph=True)
        optim.SGD([w], lr=0.1).step()
        assert w.item() == pytest.approx(0.8) and w.is_leaf and w.requires_grad

    def test_steps_inside_no_grad(self):
        ps = with_gradients(two())
        with pb.no_grad():
            optim.SGD(ps, lr=1.0).step()
        assert ps[1].tolist() == [[2.0]]

    def test_a_closure_computes_the_loss_that_step_returns(self):
        w = nn.Parameter(np.array([3.0]))
        optimiser = optim.SGD([w], lr=0.5)

        def closure():
            optimiser.zero_grad()
            loss = (w**2).sum()
            loss.backward()
            return loss

        with pb.no_grad():
            assert optimiser.step(closure).item() == 9.0
        assert w.item() == 0.0 and optimiser.step() is None

    def test_nothing_changes_when_a_step_fails(self, monkeypatch):
        ps = with_gradients(two())
        optimiser = optim.Adam(ps, lr=0.1)
        optimiser.step()
        before = optimiser.state_dict(), [p.tolist() for p in ps]
        update, calls = optimiser.update, []

        def failing(*args):
            calls.append(1)
            if len(calls) == 2:
                raise FloatingPointError("the second parameter")
            return update(*args)

        monkeypatch.setattr(optimiser, "update", failing)
        with pytest.raises(FloatingPointError):
            optimiser.step()
        assert [p.tolist() for p in ps] == before[1]
        after = optimiser.state_dict()
        assert [s["step"] for s in after["state"].values()] == [1, 1]
        assert after["state"][0]["exp_avg"].tolist() == before[0]["state"][0]["exp_avg"].tolist()


class TestSettings:
    def test_lr_is_read_and_written_as_a_number(self):
        ps = with_gradients(two())
        optimiser = optim.SGD(ps, lr=0.5)
        assert optimiser.lr == 0.5 and type(optimiser.lr) is float
        optimiser.lr = 0.25
        assert optimiser.param_groups[0]["lr"] == 0.25
        optimiser.param_groups[0]["lr"] = np.float32(1.0)
        optimiser.step()
        assert ps[0].tolist() == [0.0, 1.0]
        with pytest.raises(ValueError, match="lr"):
            optimiser.lr = -1.0
        assert optimiser.lr == 1.0

    def test_groups_have_their_own_settings(self):
        a, b = with_gradients(two())
        optimiser = optim.SGD([{"params": [a]}, {"params": b, "lr": 1.0, "momentum": 0.5}], lr=0.1)
        optimiser.step()
        assert a.tolist() == [0.9, 1.9] and b.tolist() == [[2.0]]
        assert list(optimiser.state_dict()["state"][1]) == ["step", "momentum_buffer"]
        assert optimiser.param_groups[1]["params"] == [b] or optimiser.param_groups[1]["params"][0] is b
        optimiser.lr = 2.0
        assert [g["lr"] for g in optimiser.param_groups] == [2.0, 2.0]

    def test_a_group_added_later(self):
        a, b = with_gradients(two())
        optimiser = optim.Adam([a])
        optimiser.add_param_group({"params": [b], "lr": 1.0})
        optimiser.step()
        assert b.item() == pytest.approx(2.0)
        with pytest.raises(ValueError, match="given twice"):
            optimiser.add_param_group({"params": [a]})

    def test_unknown_settings(self):
        optimiser = optim.SGD(two())
        with pytest.raises(KeyError, match="no setting 'learning_rate'; it has params, lr"):
            optimiser.param_groups[0]["learning_rate"] = 1
        with pytest.raises(TypeError):
            del optimiser.param_groups[0]["lr"]

    def test_a_traced_step_follows_every_setting(self):
        def run(wrap):
            ps = two()
            optimiser = optim.SGD(ps, lr=0.1, momentum=0.5)

            @wrap
            def step(x):
                optimiser.zero_grad()
                (ps[0] * x).sum().backward()
                optimiser.step()

            seen = []
            x = np.array([1.0, -1.0])
            for change in [
                {},
                {"lr": 0.3},
                {"momentum": 0.9},
                {"weight_decay": 0.1},
                {"nesterov": True},
                {"maximize": True},
            ]:
                optimiser.param_groups[0].update(change)
                step(x)
                step(x)
                seen.append(ps[0].tolist())
            return seen

        assert run(pb.trace) == run(lambda f: f)

    def test_momentum_needs_its_buffer_from_the_beginning(self):
        for optimiser, name, value in [
            (optim.SGD(two()), "momentum", 0.9),
            (optim.RMSprop(two()), "momentum", 0.9),
            (optim.RMSprop(two()), "centered", True),
            (optim.RMSprop(two(), centered=True), "centered", False),
            (optim.Adam(two()), "amsgrad", True),
            (optim.Adam(two(), amsgrad=True), "amsgrad", False),
        ]:
            old = optimiser.param_groups[0][name]
            with pytest.raises(ValueError, match=f"{name} was {old} when the optimiser was made"):
                optimiser.param_groups[0][name] = value
            assert optimiser.param_groups[0][name] == old
        ps = with_gradients(two())
        optimiser = optim.SGD(ps, lr=1.0, momentum=0.9)
        optimiser.step()
        optimiser.param_groups[0]["momentum"] = 0.0
        optimiser.step()
        assert ps[1].item() == 1.0

    def test_settings_that_do_not_go_together_are_refused_later_too(self):
        optimiser = optim.SGD(two(), momentum=0.9, dampening=0.5)
        with pytest.raises(ValueError, match="nesterov"):
            optimiser.param_groups[0]["nesterov"] = True
        assert optimiser.param_groups[0]["nesterov"] is False

    def test_shown(self):
        assert repr(optim.SGD(two(), lr=0.1)) == (
            "SGD(\n  {params: 2 tensors, lr: 0.1, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, "
            "nesterov: False, maximize: False}\n)"
        )


class TestState:
    @pytest.mark.parametrize(("kind", "options"), ALL)
    def test_a_run_continues_as_if_it_had_not_stopped(self, kind, options):
        def steps(ps, optimiser, numbers):
            for i in numbers:
                for p in ps:
                    p.grad = np.random.default_rng(i).normal(size=p.shape)
                optimiser.step()

        ps = two()
        optimiser = kind(ps, **options)
        steps(ps, optimiser, range(3))
        saved, values = optimiser.state_dict(), [np.asarray(p).copy() for p in ps]
        steps(ps, optimiser, range(3, 6))
        again = [nn.Parameter(v) for v in values]
        resumed = kind(again, **{**options, "lr": 0.7})
        resumed.load_state_dict(saved)
        assert resumed.lr == optimiser.lr
        steps(again, resumed, range(3, 6))
        for p, q in zip(ps, again, strict=True):
            np.testing.assert_array_equal(np.asarray(p), np.asarray(q))

    @pytest.mark.parametrize(
        ("change", "error", "words"),
        [
            (lambda s: s.pop("state"), ValueError, "'state' and 'param_groups'"),
            (lambda s: s["state"].pop(1), ValueError, "parameter 1, got None"),
            (lambda s: s["state"][0].pop("exp_avg"), ValueError, "expected slots"),
            (
                lambda s: s["state"][0].update(exp_avg=np.ones(3)),
                ShapeError,
                r"exp_avg of parameter 0: expected shape \(2,\)",
            ),
            (lambda s: s["state"][0].update(exp_avg=np.ones(2, "f")), DtypeError, "expected float64, got float32"),
            (lambda s: s["param_groups"][0].pop("eps"), ValueError, r"missing \['eps'\]"),
            (lambda s: s["param_groups"][0].update(rate=1), ValueError, r"unknown \['rate'\]"),
            (lambda s: s["param_groups"][0].update(lr=-1), ValueError, "lr"),
            (lambda s: s["param_groups"][0].update(params=[0]), ValueError, r"groups of \[2\] parameters, got \[1\]"),
        ],
    )
    def test_what_does_not_fit_changes_nothing(self, change, error, words):
        ps = with_gradients(two())
        optimiser = optim.Adam(ps)
        optimiser.step()
        state = optimiser.state_dict()
        state["param_groups"][0]["lr"] = 0.5
        state["state"][0]["exp_avg_sq"] = np.full(2, 9.0)
        change(state)
        with pytest.raises(error, match=words):
            optimiser.load_state_dict(state)
        assert optimiser.lr == 1e-3
        assert optimiser.state_dict()["state"][0]["exp_avg_sq"].tolist() == pytest.approx([1e-3, 1e-3])

    def test_slots_exist_before_the_first_step(self):
        slots = optim.Adam(two(), amsgrad=True).state_dict()["state"][0]
        assert list(slots) == ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
        assert slots["exp_avg"].tolist() == [0.0, 0.0] and slots["step"] == 0


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda p: optim.Rprop(p, etas=(1.5, 1.2)), r"etas\[0\] < 1 < etas\[1\], got \(1.5, 1.2\)"),
        (lambda p: optim.Rprop(p, step_sizes=(2.0, 1.0)), r"step_sizes\[0\] <= step_sizes\[1\]"),
        (lambda p: optim.ASGD(p, lambd=-1.0), "lambd to be a number >= 0"),
    ],
)
def test_rprop_and_asgd_refuse_settings_out_of_range(make, text):
    with pytest.raises(ValueError, match=text):
        make([nn.Parameter(np.ones(2))])


def test_rprop_rests_where_a_sign_turns():
    p = nn.Parameter(np.array([0.0]))
    optimiser = optim.Rprop([p], lr=1.0)
    for g, want in ((1.0, -1.0), (1.0, -2.2), (-1.0, -2.2), (-1.0, -1.6)):
        p.grad = np.array([g])
        optimiser.step()
        assert p.item() == pytest.approx(want, rel=1e-15)


def test_the_paths_of_pytorch_lead_to_the_same():
    from pullback.optim.lr_scheduler import LRScheduler, StepLR
    from pullback.optim.swa_utils import AveragedModel

    assert StepLR is optim.StepLR is optim.lr_scheduler.StepLR and LRScheduler is optim.Schedule
    assert AveragedModel is optim.AveragedModel

"""What a receipt says: formulas, names, sums, checks, updates; and what it refuses, with the right words."""

import json
import tracemalloc

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.glass.columns import width_of
from pullback.glass.formula import to_unicode

F8 = np.float64


@pytest.fixture
def xy():
    return pb.tensor(F8(1), requires_grad=True), pb.tensor(F8(2), requires_grad=True)


def step_of(receipt, mapping):
    return next(step for step in receipt.steps if step.mapping == mapping)


# ---------------------------------------------------------------------------------------- the account


def test_the_classic_expression(xy):
    x, y = xy
    receipt = pb.explain((x**2 + x * y) * y**3, x, lang="en")
    assert receipt.gradient == receipt.total == 32 and receipt.agrees
    assert receipt.rows_are == "paths"
    assert sorted(row.product for row in receipt.rows) == [16, 16]
    assert sorted(row.factors for row in receipt.rows) == [(8.0, 1.0, 2.0), (8.0, 1.0, 2.0)]
    assert receipt.check.verdict == "agrees" and receipt.check.numeric == pytest.approx(32, rel=1e-8)
    assert receipt.loss.value == 24 and receipt.wrt.value == 1
    assert [step.mapping for step in receipt.steps] == ["multiply", "add", "multiply", "pow"]
    serials = [step.serial for step in receipt.steps]
    assert serials == sorted(serials, reverse=True)  # the order of the way back


def test_a_local_derivative_in_symbols_half_substituted_and_in_numbers(xy):
    x, y = xy
    receipt = pb.explain(pb.tanh(x * y) ** 3, x, lang="en")
    cubed = step_of(receipt, "pow").locals[0]
    assert to_unicode(cubed.symbolic) == "3 · v2²" and to_unicode(cubed.substituted) == "3 · 0.964028²"
    assert cubed.number == pytest.approx(3 * np.tanh(2) ** 2, rel=1e-14)
    bent = step_of(receipt, "tanh").locals[0]
    assert to_unicode(bent.symbolic) == "1 − v2²"
    by_x, by_y = step_of(receipt, "multiply").locals
    assert (to_unicode(by_x.symbolic), by_x.number, by_x.wanted) == ("y", 2.0, True)
    assert (to_unicode(by_y.symbolic), by_y.number, by_y.wanted) == ("x", 1.0, False)
    for step in receipt.steps:
        for local in step.locals:
            assert local.product == pytest.approx(step.incoming * local.number, rel=1e-14)


def test_every_step_says_its_formula_its_words_and_its_line(xy):
    x, y = xy
    loss = pb.exp(x) / y
    receipt = pb.explain(loss, x, lang="en")
    quotient, power = receipt.steps
    assert to_unicode(quotient.formula) == "v1/y" and to_unicode(quotient.substituted) == "2.71828/2"
    assert to_unicode(power.formula) == "e^x" or to_unicode(power.formula) == "eˣ"
    assert power.words == "the exponential of x"
    assert power.origin.file == __file__ and power.origin.text == "loss = pb.exp(x) / y"
    assert pb.explain(loss, x, lang="zh").steps[1].words == "x 的指数函数"


def test_each_path_names_the_elements_it_goes_through():
    rng = np.random.default_rng(0)
    x, w, v = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(4, 2))
    W = pb.tensor(w, requires_grad=True)
    z = pb.linear(pb.tensor(x), W)
    a = pb.tanh(z)
    o = pb.linear(a, pb.tensor(v))
    loss = pb.sum(o * o)
    receipt = pb.explain(loss, W, index=(1, 2), lang="en")
    out = np.tanh(x @ w.T) @ v.T
    expected = {
        f"loss ← v1[{n}, {k}] ← o[{n}, {k}] ← a[{n}, 1] ← z[{n}, 1]": 2 * out[n, k] * v[k, 1]
        * (1 - np.tanh(x[n] @ w[1]) ** 2) * x[n, 2]
        for n in range(2)
        for k in range(4)
    }  # fmt: skip
    told = {}
    for row in receipt.rows:
        assert len(row.through) == len(row.path) == len(row.factors)
        way = " ← ".join(row.through)
        told[way] = told.get(way, 0.0) + row.product  # o * o reads o twice
    assert told == pytest.approx(expected, rel=1e-12)
    assert all(f"{way} ← W[1, 2]" in receipt.text(width=10_000) for way in list(told)[:4])


def test_names_are_those_of_the_program_of_the_modules_or_given(xy):
    x, y = xy
    assert pb.explain(x * y, x).wrt.name == "x"
    assert pb.explain(x * y, x, names={"width": x, "area": y}).wrt.name == "width"
    net = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    loss = net(pb.ones((1, 3))).sum()
    receipt = pb.explain(loss, net[0].weight, lang="en")
    assert receipt.wrt.name == "0.weight" and receipt.loss.name == "loss"
    assert {step.module for step in receipt.steps} == {"", "0", "1"}
    assert pb.explain(loss, "0.weight").gradient == receipt.gradient
    with pytest.raises(KeyError, match=r"no parameter is called 'weight'; there are 0.weight, 0.bias"):
        pb.explain(loss, "weight")
    other = nn.Linear(3, 2)  # of a module that did not run, the program's name for it
    assert pb.explain(loss, other.bias, lang="en").wrt.name == "other.bias"


@pytest.mark.parametrize(
    ("program", "statements"),
    [
        (lambda x, w: pb.sum(pb.linear(x, w) ** 2), ["∂loss/∂w[i,j] = Σ_n ∂loss/∂v1[n,i] · x[n,j]"]),
        (lambda x, w: pb.sum((x @ w.T) ** 2), ["∂loss/∂w[i,j] = ∂loss/∂v1[j,i]"]),
        (lambda x, w: pb.sum(pb.tanh(w)), ["∂loss/∂w[i,j] = ∂loss/∂v1[i,j] · (1 − v1[i,j]²)"]),
        (lambda x, w: pb.sum(w), ["∂loss/∂w[i,j] = ∂loss/∂loss"]),
        (lambda x, w: pb.sum(pb.mean(w, axis=1) ** 2), ["∂loss/∂w[i,j] = ∂loss/∂v1[i] · 0.333333"]),
        (lambda x, w: pb.sum(pb.einsum("ni,oi->on", x, w) ** 2), ["∂loss/∂w[i,j] = Σ_n ∂loss/∂v1[i,n] · x[n,j]"]),
        (lambda x, w: pb.sum(w + w * w[0]), None),
    ],
)
def test_the_gradient_of_an_array_as_a_sum_with_indices(program, statements):
    rng = np.random.default_rng(0)
    x = pb.tensor(rng.normal(size=(4, 3)))
    w = pb.tensor(rng.normal(size=(2, 3)), requires_grad=True)
    loss = program(x, w)
    receipt = pb.explain(loss, w, lang="en")
    if statements is not None:
        assert list(receipt.array.statements) == statements
    g = pb.grad(lambda v: program(x, v))(w.detach()).numpy()
    assert receipt.array.gradient.norm == pytest.approx(np.linalg.norm(g), rel=1e-12)
    assert (receipt.array.gradient.low, receipt.array.gradient.high) == (g.min(), g.max())
    assert receipt.array.largest == receipt.wrt.index == np.unravel_index(np.abs(g).argmax(), g.shape)


def test_statements_are_true():
    """The line with indices, evaluated by NumPy's einsum, is the engine's gradient."""
    rng = np.random.default_rng(1)
    a, b = (pb.tensor(rng.normal(size=s), requires_grad=True) for s in ((2, 3, 4), (4, 5)))
    y = a @ b
    loss = pb.sum(y * y)
    line = pb.explain(loss, b, lang="en").array.statements[0]
    assert line == "∂loss/∂b[i,j] = Σ_n,m ∂loss/∂y[n,m,j] · a[n,m,i]"
    expected = np.einsum("nmj,nmi->ij", 2 * y.numpy(), a.numpy())
    loss.backward()
    np.testing.assert_allclose(b.grad.numpy(), expected, rtol=1e-12)


def test_a_part_of_a_tensor_may_be_asked_for():
    w = pb.tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    loss = pb.sum(w**2)
    assert pb.explain(loss, w[1, 2]).wrt.index == (1, 2)
    assert pb.explain(loss, w, index=(-1, 0)).wrt.index == (2, 0)
    assert pb.explain(loss, w[:, 1:][:2]).wrt.index == (1, 3)  # of the part, the largest gradient
    assert pb.explain(loss, w.T[0], index=1).wrt.index == (1, 0)
    assert pb.explain(loss, pb.flatten(w)[7]).gradient == 14
    other = w * 1.5  # not a part of w, and the loss was not computed from it
    assert pb.explain(loss, other).reason.code == "not on any path"


def test_an_intermediate_result_and_the_loss_itself_may_be_asked_for(xy):
    x, y = xy
    h = x * y
    loss = h * h + x
    receipt = pb.explain(loss, h, lang="en")
    assert receipt.gradient == receipt.total == 4 and receipt.wrt.kind == "computed"
    assert pb.explain(loss, loss).gradient == 1


def test_one_of_several_outputs():
    @pb.mapping(outputs=2)
    def halves(x):
        return x[:2] * 2, x[2:] ** 2

    @halves.pullback
    def _(g, y, x):
        return pb.concat([g[0] * 2, g[1] * 2 * x[2:]])

    x = pb.tensor(np.array([1.0, 2.0, 3.0, 4.0]), requires_grad=True)
    a, b = halves(x)
    loss = pb.sum(a) * pb.sum(b)
    assert pb.explain(loss, b, index=0).gradient == 6
    receipt = pb.explain(loss, x, index=3, lang="en")
    assert receipt.gradient == receipt.total == 48 and receipt.check.verdict == "agrees"


def test_what_grad_holds_is_told_and_none_is_not_zero(xy):
    x, y = xy
    loss = x * y
    assert pb.explain(loss, x).grad is None
    assert "not computed yet, which is not 0" in pb.explain(loss, x, lang="en").text()
    loss.backward(retain_graph=True)
    loss.backward(retain_graph=True)
    receipt = pb.explain(loss, x, lang="en")
    assert (receipt.gradient, receipt.grad) == (2, 4)
    assert "x.grad at present: 4" in receipt.text()


def test_nothing_changes_by_explaining():
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    h = net[0](pb.ones((2, 3)))
    h.retain_grad()
    seen = []
    h.register_hook(lambda g: seen.append(g.numpy()) and None)
    loss = net[2](net[1](h)).sum()
    state = pb.random.get_state() if hasattr(pb.random, "get_state") else None
    first = pb.explain(loss, net[0].weight)
    assert h.grad is None and all(p.grad is None for p in net.parameters())
    assert pb.explain(loss, net[0].weight).to_dict() == first.to_dict()
    if state is not None:
        assert np.array_equal(state, pb.random.get_state())
    loss.backward()
    assert net[0].weight.grad.numpy()[first.wrt.index] == np.float32(first.gradient)


def test_hooks_take_part():
    w = pb.tensor(np.array([1.0, 2.0]), requires_grad=True)
    h = w * 3
    h.register_hook(lambda g: g * 10)
    w.register_hook(lambda g: g + 1)
    loss = pb.sum(h)
    receipt = pb.explain(loss, w, index=0, lang="en")
    loss.backward(retain_graph=True)
    assert receipt.gradient == w.grad.numpy()[0] == 31 and receipt.total == 30
    assert receipt.notes == ("a hook changed this gradient from 30 to 31",)
    assert step_of(receipt, "multiply").hook == 10 and receipt.check.verdict == "differs"


# ------------------------------------------------------------------------------------ finite differences


@pytest.mark.parametrize(
    ("program", "at", "mapping"),
    [
        (lambda x: pb.relu(x), 0.0, "relu"),
        (lambda x: pb.abs(x) + x * x, 0.0, "abs"),
        (lambda x: pb.maximum(x, 2 * x), 0.0, "maximum"),
        (lambda x: pb.floor(x * 2) + x, 1.0, "floor"),
        (lambda x: pb.sum(pb.max(pb.stack([x, 1 - x])) * 3.0), 0.5, "max"),
        (lambda x: pb.tanh(pb.clip(x * x, 0.25, 1.0)), 0.5, "clip_below"),
    ],
)
def test_a_kink_in_between_is_named(program, at, mapping):
    x = pb.tensor(F8(at), requires_grad=True)
    receipt = pb.explain(program(x), x, lang="en")
    assert receipt.check.verdict == "kink", receipt
    kink = receipt.check.kinks[0]
    assert kink.mapping == mapping and kink.words and kink.origin.file == __file__
    assert kink.words in receipt.text(width=10_000)
    assert pb.explain(program(x), x, lang="zh").check.kinks[0].words != kink.words


@pytest.mark.parametrize("at", [1e-7, 3.0, -2.0, 1e-3, 1e6])
@pytest.mark.parametrize("function", [pb.relu, pb.abs, pb.square, pb.softplus, pb.reciprocal, lambda x: pb.log(x * x)])
def test_beside_a_kink_and_at_all_sizes_the_differences_agree(function, at):
    x = pb.tensor(F8(at), requires_grad=True)
    assert pb.explain(function(x) * 2, x, lang="en").check.verdict == "agrees"


def test_a_wrong_rule_is_found_and_named():
    @pb.mapping
    def root(x):
        return np.sqrt(x)

    @root.derivative
    def _(x, y):
        return 0.6 / y

    x = pb.tensor(np.array([1.0, 4.0]), requires_grad=True)
    loss = pb.sum(pb.tanh(root(pb.exp(x))))
    receipt = pb.explain(loss, x, lang="en")
    assert receipt.agrees and receipt.check.verdict == "differs"  # the rows tell what ran, the check what is true
    suspect = next(step for step in receipt.steps if step.serial == receipt.check.suspect)
    assert suspect.mapping == "root"
    assert "the derivative of root" in receipt.text()


def test_single_precision_is_checked_in_double():
    rng = np.random.default_rng(0)
    x = pb.tensor(rng.normal(size=200).astype(np.float32) * 100, requires_grad=True)
    receipt = pb.explain(pb.logsumexp(x * 0.01) - pb.mean(x), x, index=3, lang="en")
    assert receipt.check.verdict == "agrees" and receipt.wrt.dtype == "float32"
    assert receipt.check.difference < 1e-5 * abs(receipt.gradient)


def test_nan_and_infinity_are_shown_not_hidden():
    x = pb.tensor(np.array([0.0, 1.0]), requires_grad=True)
    receipt = pb.explain(pb.sum(pb.sqrt(x) * x), x, index=0, lang="en")
    assert np.isnan(receipt.gradient) and receipt.check.verdict == "not checked" and "NaN" in receipt.text()
    assert json.loads(json.dumps(receipt.to_dict()))["gradient"] == "nan"
    infinite = pb.explain(pb.sum(pb.sqrt(x)), x, index=0, lang="en")
    assert infinite.gradient == np.inf == infinite.total and "∞" in infinite.text()


# --------------------------------------------------------------------------------------------- update


OPTIMISERS = {
    "SGD": {"lr": 0.1},
    "momentum": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
    "Adam": {"lr": 0.01},
    "AdamW": {"lr": 0.01, "weight_decay": 0.1},
    "amsgrad": {"lr": 0.01, "amsgrad": True},
    "RMSprop": {"lr": 0.01},
    "Adagrad": {"lr": 0.01},
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_update_is_what_the_optimiser_does(name):
    kind = {"momentum": "SGD", "amsgrad": "Adam"}.get(name, name)
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to(F8)
    x, t = pb.tensor(rng.normal(size=(5, 3))), pb.tensor(rng.integers(0, 2, 5))
    optimizer = getattr(pb.optim, kind)(net.parameters(), **OPTIMISERS[name])
    for _ in range(3):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(net(x), t)
        receipt = pb.explain(loss, net[0].weight, index=(1, 2), optimizer=optimizer, lang="en")
        slots = [cell.read().copy() for cell in optimizer._rows[0][0].cells]
        loss.backward()
        optimizer.step()
        update = receipt.update
        assert update.before == slots[0][1, 2]
        assert update.after == net[0].weight.numpy()[1, 2] and update.change == update.after - update.before
        assert update.gradient == receipt.gradient
        for slot, cell in zip(update.slots, optimizer._rows[0][0].cells[1:], strict=True):
            now = np.asarray(cell.read())
            assert slot.after == (now[1, 2] if now.ndim else now)
        assert update.lines[-1].name == "p′" and update.lines[-1].value == pytest.approx(update.after, rel=1e-12)
        assert update.lines[0].name == "step′"


def test_the_update_is_written_by_the_mappings_own_body():
    w = pb.tensor(np.array([1.0, 2.0]), requires_grad=True)
    optimizer = pb.optim.SGD([w], lr=0.5)
    receipt = pb.explain(pb.sum(w * w), w, index=1, optimizer=optimizer, lang="en")
    last = receipt.update.lines[-1]
    assert (to_unicode(last.formula), to_unicode(last.substituted), last.value) == ("p − g · lr", "2 − 4 · 0.5", 0.0)
    assert "2 → 0, a change of −2" in receipt.text()
    with pytest.raises(ValueError, match="SGD does not train this tensor"):
        pb.explain(w[0] * 2, w, optimizer=pb.optim.SGD([pb.nn.Parameter([1.0])]))


# ---------------------------------------------------------------------------------- folding, large graphs


def test_repetition_folds_and_unfolds():
    w = pb.tensor(np.full((3, 3), 0.3), requires_grad=True)
    h = pb.ones((1, 3), dtype=F8)
    for _ in range(12):
        h = pb.tanh(h @ w)
    receipt = pb.explain(pb.sum(h), w, lang="en")
    group = next(g for g in receipt.groups if g.kind == "repetition")
    assert (group.times, group.period, group.name) == (11, 2, "tanh ← matmul")  # the first reads a constant
    assert "tanh ← matmul  ×11" in receipt.text()
    assert len(receipt.text(all_steps=True).splitlines()) > 3 * len(receipt.text().splitlines())
    assert len(receipt.steps) == 25 and receipt.steps_omitted == 0


def test_modules_fold():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = nn.Linear(3, 3)

        def forward(self, x):
            return pb.exp(pb.sin(self.inside(x) * 0.5) + x) - pb.cos(x)

    net = nn.Sequential(*(Block() for _ in range(2)))
    receipt = pb.explain(net(pb.ones((1, 3))).sum(), net[0].inside.weight, lang="en")
    names = [g.name for g in receipt.groups if g.kind == "module"]
    assert "1" in names and "1: " in receipt.text()


def test_a_long_chain_is_explained_in_bounded_space_and_time():
    x = pb.tensor(F8(1.0), requires_grad=True)
    y = x
    for _ in range(10_000):
        y = y * 1.0001
    tracemalloc.start()
    receipt = pb.explain(y, x, lang="en")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert receipt.gradient == pytest.approx(1.0001**10_000, rel=1e-9) and receipt.agrees
    assert receipt.check.verdict == "agrees"
    assert len(receipt.steps) <= 400 and len(receipt.steps) + receipt.steps_omitted == 10_000
    assert len(receipt.text().splitlines()) < 60 and "×9999" in receipt.text()
    assert "further steps" not in receipt.text()
    assert peak < 100e6


def test_a_graph_of_many_different_steps_shows_both_ends():
    rng = np.random.default_rng(0)
    x = pb.tensor(rng.normal(size=3), requires_grad=True)
    y = x
    functions = [pb.sin, pb.cos, pb.tanh, pb.exp, pb.sigmoid, pb.softplus]
    for k in rng.integers(0, len(functions), 900):
        y = pb.sin(functions[k](y))
    receipt = pb.explain(pb.sum(y), x, lang="en")
    assert len(receipt.steps) == 400 and receipt.steps_omitted == 1801 - 400
    assert "1401 further steps are not shown" in receipt.text(all_steps=True)
    assert receipt.steps[0].mapping == "sum" and receipt.steps[-1].inputs[0].name == "x" and receipt.agrees


# --------------------------------------------------------------------------------------------- errors


def test_a_freed_graph_says_how_to_keep_it(xy):
    x, y = xy
    loss = x * y
    loss.backward()
    with pytest.raises(pb.FreedGraphError, match=r"retain_graph=True\); pb.explain"):
        pb.explain(loss, x)


def test_wrong_uses_say_what_to_do(xy):
    x, y = xy
    loss = x * y
    w = pb.tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(pb.GradientError, match=r"no history to explain(.|\n)*pb.explain\(lambda"):
        pb.explain(pb.tensor(1.0), x)
    with pytest.raises(TypeError, match="wrt must be a tensor, got ndarray"):
        pb.explain(loss, np.ones(3))
    with pytest.raises(TypeError, match="loss must be a tensor, got float"):
        pb.explain(3.0, x)
    with pytest.raises(TypeError, match=r"say which gradient(.|\n)*pb.explain\(loss, w\)"):
        pb.explain(loss)
    with pytest.raises(pb.ShapeError, match=r"the loss must be one number, this tensor has shape \(2, 3\)"):
        pb.explain(w * 2, w)
    for index in ((2, 0), (0,), 1, (0, 1, 2)):
        with pytest.raises(IndexError, match=r"does not name one element of an array of shape \(2, 3\)"):
            pb.explain(pb.sum(w), w, index=index)
    with pytest.raises(ValueError, match="lang: expected 'en' or 'zh', got 'fr'"):
        pb.explain(loss, x, lang="fr")
    with pytest.raises(pb.GradientError, match="belongs to vmap"):
        pb.vmap(lambda v: pb.explain(v * x, x))(np.ones(2))
    with pytest.raises(pb.GradientError, match="inside a traced step"):
        pb.trace(lambda v: pb.explain(pb.sum(v * w), w).gradient)(pb.ones((2, 3)))
    empty = pb.tensor(np.ones((0, 3)), requires_grad=True)
    with pytest.raises(pb.ShapeError, match="has no element to explain"):
        pb.explain(pb.sum(empty), empty)


def test_values_that_changed_since_are_refused_rather_than_explained_wrongly():
    w = pb.nn.Parameter(np.array([1.0, 2.0]))
    b = pb.nn.Parameter(np.array([0.5, 0.5]))
    loss = pb.sum((w + b) ** 2)  # a sum keeps no numbers, so w and b are known by their present values only
    pb.explain(loss, w)
    b.data = np.array([3.0, 3.0])
    with pytest.raises(pb.GradientError, match=r"another value now(.|\n)*optimizer.step\(\)"):
        pb.explain(loss, w)
    loss = pb.sum(w * b)  # a product keeps them
    w.data = np.array([7.0, 7.0])
    assert pb.explain(loss, b, index=0).gradient == 1


def test_a_program_may_be_given_instead_of_its_result(xy):
    x, y = xy
    receipt = pb.explain(lambda: (x**2 + x * y) * y**3, y, lang="en")
    assert receipt.gradient == 44 and receipt.wrt.name == "y"
    x.grad = None
    loss = x * y
    loss.backward()
    assert pb.explain(lambda: x * y, x).gradient == 2  # the way out when the graph is released


# -------------------------------------------------------------------------------------------- renderings


def test_text_and_data_state_the_same_facts():
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    x, t = pb.tensor(rng.normal(size=(4, 3)).astype(np.float32)), pb.tensor(rng.integers(0, 2, 4))
    loss = nn.CrossEntropyLoss()(net(x), t)
    receipt = pb.explain(loss, net[0].weight, optimizer=pb.optim.Adam(net.parameters()), lang="en")
    data = json.loads(json.dumps(receipt.to_dict(), allow_nan=False))
    said = receipt.text(all_steps=True, width=10_000)
    shown = lambda v: f"{v:.6g}".replace("-", "−") if "e" not in f"{v:.6g}" else None
    for number in (data["gradient"], data["total"], data["loss"]["value"], data["update"]["after"]):
        assert shown(number) is None or shown(number) in said
    for step in data["steps"]:
        assert step["formula"] in said and step["words"] in said
        for local in step["locals"]:
            assert local["symbolic"] is None or local["symbolic"] in said
    with_markup = receipt.to_dict(mathml=True)
    assert "<math" in with_markup["steps"][0]["formula_mathml"]
    assert with_markup["steps"][0]["formula"] == data["steps"][0]["formula"]
    assert receipt._repr_html_().startswith("<pre>") and "&" not in net[0].weight.dtype.name


def test_chinese_and_english_have_the_same_shape(xy):
    x, y = xy
    en, zh = (pb.explain((x**2 + x * y) * y**3, x, lang=lang).text(width=10_000) for lang in ("en", "zh"))
    assert len(en.splitlines()) == len(zh.splitlines()) and "引擎的梯度" in zh and "engine" in en


def test_second_order_gradients_are_explained_through_both_passes():
    w = pb.tensor(np.array([0.3, -0.7]), requires_grad=True)
    g = pb.grad(lambda v: pb.sum(pb.sin(v) * v))(w)
    loss = pb.sum(g**2)
    receipt = pb.explain(loss, w, index=0, lang="en")
    x = 0.3
    slope = np.cos(x) * x + np.sin(x)
    assert receipt.gradient == pytest.approx(2 * slope * (2 * np.cos(x) - x * np.sin(x)), rel=1e-13)
    assert {"cos", "sin"} <= {step.mapping for step in receipt.steps} and receipt.check.verdict == "agrees"


def test_nothing_is_decided_by_the_name_of_a_mapping(monkeypatch):
    """With every mapping of the catalogue renamed, receipts, reasons and layers are the same but for the names."""
    from pullback.core.mapping import CATALOGUE

    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).to(F8)
    net[0].bias.data = np.array([-50.0, 0.0, 0.0, 0.0])
    x, t = pb.tensor(rng.normal(size=(4, 3))), pb.tensor(rng.integers(0, 2, 4))
    loss = nn.CrossEntropyLoss()(net(x), t) + pb.max(net[2].weight) ** 2

    def told():
        said = [pb.explain(loss, net[0].weight, index=(i, 0), layers=True, sample=1, lang="en") for i in (0, 1)]
        assert said[0].reason.code == "dead unit" and said[1].reason is None
        return [unnamed(receipt.to_dict()) for receipt in said]

    def unnamed(data):
        if isinstance(data, dict):
            hidden = ("mapping", "groups") if "causes" not in data else ("mapping", "words")
            return {key: unnamed(value) for key, value in data.items() if key not in hidden}
        return [unnamed(item) for item in data] if isinstance(data, list) else data

    names = list(CATALOGUE.values())
    before = told()
    for i, mapping in enumerate(names):
        monkeypatch.setattr(mapping, "name", f"mapping{i}")
    assert told() == before


def test_a_grad_that_a_finished_way_back_left_alone_is_not_called_not_computed_yet():
    x = pb.value(1.5)
    loss = pb.floor(x) * 2.0
    loss.backward(retain_graph=True)
    assert x.grad is None
    said = pb.explain(loss, x, lang="en").text()
    assert "x.grad at present: None (no backward pass has run, or none brought anything here" in said
    assert "not computed yet" not in said
    y = pb.value(1.5)
    assert "None (not computed yet, which is not 0)" in pb.explain(y * 2.0, y, lang="en").text()
    carried = pb.graph(loss, names={"x": x}, lang="en").to_dict()["receipts"]
    assert "grad at present" not in "".join(text for of in carried.values() for text in of.values())


def test_the_loss_has_its_name_where_nothing_reaches_it_too():
    w, v = pb.value(2.0), pb.value(3.0)
    energy = w.detach() * v
    assert pb.explain(energy, w, lang="en").text().startswith("∂energy/∂w: there is no gradient")

    def cost():
        with pb.no_grad():
            return w * v

    assert pb.explain(cost, w, lang="en").text().startswith("∂cost/∂w: there is no gradient")
    with pb.keep_values(), pb.no_grad():
        price = w * v  # a number, with no link of its own
    assert pb.explain(price, w, lang="en").text().startswith("∂price/∂w: there is no gradient")


def remarked(program, *values):
    leaves = [pb.tensor(F8(v), requires_grad=True) for v in values]
    names = dict(zip("xyz", leaves, strict=False))
    lines = pb.explain(program(*leaves), leaves[0], names=names, lang="en").text("en", width=200).splitlines()
    return [line.strip() for line in lines if line.startswith("  path 1 is ")]


def test_what_makes_the_largest_path_negative_or_small_is_named():
    assert remarked(lambda x: (x - 3) ** 2, 1.0) == ["path 1 is negative because of ∂L/∂v1 = −4"]
    assert remarked(lambda x: (x + 3) ** 2, 1.0) == []
    assert remarked(lambda x: -(-x * 2.0), 1.0) == []  # two negative factors make a positive product
    assert remarked(lambda x: -pb.sin(-x * -2.0) ** 2, 0.25)[0].startswith("path 1 is negative because of ")
    (said,) = remarked(lambda x: pb.sigmoid(8 * x) ** 2, 1.0)
    assert said.startswith("path 1 is made small by ∂v2/∂v1 = 0.000335")
    assert remarked(lambda x: 0.5 * x * x, 1.0) == []


@pytest.mark.parametrize("width", [50, 60, 80, 100])
def test_a_text_keeps_to_its_width(width):
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    loss = nn.CrossEntropyLoss()(net(pb.tensor(rng.normal(size=(5, 3)))), pb.tensor([0, 1, 1, 0, 1]))
    for lang in ("en", "zh"):
        receipt = pb.explain(loss, net[0].weight, lang=lang)
        lines = receipt.text(lang, width=width).splitlines()
        wide = [line for line in lines if width_of(line) > width]
        assert not [line for line in wide if " " in line.strip()[: width - 20]], wide  # but what has nowhere to break
        text = "".join(receipt.text(lang, width=width).split())
        assert text == "".join(receipt.text(lang, width=500).split())  # and nothing is lost

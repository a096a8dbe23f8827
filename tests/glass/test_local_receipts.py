"""Local receipts: of every box the sum of what the mappings that read it send, the engine's own to the last bit."""

import collections
import json
import re

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core.errors import GradientError
from pullback.glass.html import page_file
from pullback.glass.local_accounts import MOST_USES
from pullback.glass.local_text import all_digits

from .test_receipts_add_up import PROGRAMS

GOOD = ("agrees", "rounding", "kink")


def locals_of(drawing):
    return [drawing.local(b.number, part=p) for b in drawing.diagram.boxes for p in range(b.parts)]


def of(drawing, symbol):
    return next(drawing.local(b.number) for b in drawing.diagram.boxes if b.symbol == symbol)


def leaf(x):
    return pb.tensor(np.float64(x), requires_grad=True)


# ------------------------------------------------------------------------------------- sums and checks


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_sum_is_the_gradient_of_an_ordinary_backward_pass_to_the_last_bit(name, dtype):
    loss, tensors = PROGRAMS[name](np.random.default_rng(3), dtype)
    drawing = pb.graph(loss, names={f"leaf{i}": x for i, x in enumerate(tensors)}, lang="en")
    for local in locals_of(drawing):
        assert local.exact is not False, local
        for use in local.uses:
            assert use.verdict in GOOD, local
            if use.terms and not use.terms_omitted:
                assert sum(term.product for term in use.terms) == pytest.approx(use.product, rel=1e-5)
        assert local.gradient is None or local.gradient != 0 or local.is_root or local.reason is not None, local
    loss.backward()
    found = {local.symbol.split("[")[0]: local for local in locals_of(drawing)}
    for i, x in enumerate(tensors):
        if x.is_leaf:
            local, g = found[f"leaf{i}"], x.grad.numpy()
            assert dtype(local.total) == g[local.index] and abs(g[local.index]) == np.max(np.abs(g))


def test_a_wrong_derivative_is_told_where_it_is_used():
    @pb.mapping
    def root(x):
        return np.sqrt(x)

    @root.derivative
    def _(x, y):
        return 0.6 / y

    x = leaf(4.0)
    local = of(pb.graph(pb.tanh(root(x)), names={"x": x}, lang="en"), "x")
    assert [use.verdict for use in local.uses] == ["differs"] and local.uses[0].numeric == pytest.approx(0.25)
    assert "finite differences of root disagree: 0.25 ✗" in local.text()
    after = of(pb.graph(pb.tanh(root(x)), names={"x": x}, lang="en"), "v1")
    assert [use.verdict for use in after.uses] == ["agrees"]


def test_what_a_use_sends_must_be_the_slope_times_what_arrives():
    from pullback.glass.local_accounts import Accounts

    x, y = leaf(2.0), leaf(3.0)
    drawing = pb.graph(x * y, names={"x": x}, lang="en")
    box = next(b for b in drawing.diagram.boxes if b.kind == "mapping")
    object.__setattr__(box.inputs[0], "product", np.asarray(3.0000001))  # a wrong number in the record
    account = Accounts(drawing.diagram, drawing._record, "en").of(0, 0)
    assert not account.exact and not account.agrees and account.rates[0].verdict == 3
    assert "✗" in drawing.local(0).text()


def test_half_substituted_and_in_numbers():
    x, y = leaf(-2.0), leaf(0.5)
    drawing = pb.graph(pb.tanh(x) * y + x**2, names={"x": x, "y": y}, lang="en")
    first, second = sorted(of(drawing, "x").uses, key=lambda use: use.mapping)
    assert (first.mapping, first.symbolic, first.half, first.local) == ("pow", "2 · x", "2 · (−2)", -4)
    assert (second.symbolic, second.half) == ("1 − v1²", "1 − (−0.964028)²")
    assert second.formula == "tanh(x)" and second.substituted == "tanh(−2)"
    assert second.incoming * second.local == pytest.approx(second.product, rel=1e-15)


def test_a_value_that_very_many_mappings_read_shows_the_largest_and_the_sum_of_the_rest():
    x = leaf(0.1)
    total = x
    for i in range(100):
        total = total + pb.sin(x * float(i))
    local = of(pb.graph(total, names={"x": x}, lang="en"), "x")
    assert len(local.uses) == MOST_USES and local.uses_omitted == 61
    assert sum(use.product for use in local.uses) + local.omitted_total == pytest.approx(local.total, rel=1e-12)
    smallest = min(abs(use.product) for use in local.uses)
    assert abs(local.omitted_total) <= 61 * smallest and local.exact


def test_of_an_array_the_element_of_the_largest_gradient_and_the_products_it_is_the_sum_of():
    rng = np.random.default_rng(0)
    w = pb.tensor(rng.normal(size=(3, 4)), requires_grad=True)
    x = rng.normal(size=(5, 3))
    L = pb.sum(pb.tanh(x @ w))
    drawing = pb.graph(L, names={"w": w, "L": L}, lang="en")
    local = of(drawing, "w")
    y = np.tanh(x @ w.numpy())
    g = x.T @ (1 - y * y)
    assert np.abs(g[local.index]) == np.max(np.abs(g)) and local.total == pytest.approx(g[local.index], rel=1e-12)
    (use,) = local.uses
    assert use.local is None and len(use.terms) == 3 and use.terms_omitted == 2 and use.verdict == "agrees"
    assert use.statement == "∂L/∂w[i,j] = Σ_n ∂L/∂v1[n,j] · x[n,i]"
    assert use.numeric == pytest.approx(use.product, rel=1e-6)
    inner = of(drawing, "v1")
    assert re.fullmatch(r"1 − v2\[\d, \d\]²", inner.uses[0].symbolic)


def test_a_hook_is_told_and_the_sum_is_what_arrived_before_it():
    x = leaf(2.0)
    y = x * 3.0
    y.register_hook(lambda g: g * 10)
    local = of(pb.graph(y * y, names={"y": y, "x": x}, lang="en"), "y")
    assert (local.before_hook, local.total, local.gradient, local.exact) == (12.0, 12.0, 120.0, True)
    assert "a hook changed this gradient from 12 to 120" in local.text()


# -------------------------------------------------------------------------------------------- reasons


def reason_at(make, symbol="x"):
    x = leaf(-1.0)
    local = of(pb.graph(make(x), names={"x": x}, lang="en"), symbol)
    return local.gradient, local.reason.code, local.downstream


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda x: pb.relu(x) + 1.0, "dead unit"),
        (lambda x: pb.clip(x * 100, -1, 1), "saturated"),
        (lambda x: pb.floor(x), "constant"),
        (lambda x: x * 0.0, "multiplied by zero"),
        (lambda x: x * 2.0 - x * 2.0, "cancelled"),
        (lambda x: pb.exp(x * 1000.0), "underflow"),
        (lambda x: pb.maximum(x, leaf(3.0)) ** 2, "mask off"),
    ],
)
def test_a_zero_has_its_reason(make, code):
    gradient, found, _ = reason_at(make)
    assert gradient == 0 and found == code


def test_a_reason_further_on_is_told_with_the_way_there():
    gradient, code, downstream = reason_at(lambda x: pb.relu(pb.tanh(pb.sin(x))) * 2.0)
    assert (gradient, code) == (0, "dead unit")
    x = leaf(-1.0)
    drawing = pb.graph(pb.relu(pb.tanh(pb.sin(x))) * 2.0, names={"x": x}, lang="en")
    told = drawing.to_dict()["local"]["boxes"][0]
    assert told["downstream"] == downstream and drawing.diagram.boxes[downstream].mapping.name == "tanh"
    assert drawing.local(downstream).reason == drawing.local(0).reason and drawing.local(downstream).downstream is None


def test_what_has_no_gradient_says_why_and_is_never_called_zero():
    x, ids = pb.tensor(np.ones((4, 2)), requires_grad=True), np.array([0, 2])
    with pb.keep_values(), pb.no_grad():
        fixed = x * 2.0
    loss = pb.sum(pb.take(x, ids, axis=0) * fixed[:2])
    drawing = pb.graph(loss, names={"x": x, "ids": ids}, lang="en")
    found = {local.name: local for local in locals_of(drawing)}
    assert found["ids"].gradient is None and found["ids"].reason.code == "integer"
    assert "∂loss/∂ids: there is no gradient" in found["ids"].text()
    constants = [local for local in found.values() if local.kind == "constant" and local.name != "ids"]
    assert {local.reason.code for local in constants} <= {"constant", "no_grad"} and constants


def test_what_is_not_finite_has_its_reason():
    x = leaf(0.0)
    local = of(pb.graph(pb.log(x) * x, names={"x": x}, lang="en"), "x")
    assert not np.isfinite(local.gradient) and local.reason.code.startswith("not finite")


# ----------------------------------------------------------------------------------- the page's own text


@pytest.fixture(scope="module")
def written():
    """The text that the page writes for each box, by its own script, without a browser."""
    quickjs = pytest.importorskip("quickjs")
    context = quickjs.Context()
    context.eval("\n".join(page_file(name) for name in ("view.js", "words.js", "local.js")))
    context.eval(
        "const all = (data) => { const model = makeModel(JSON.parse(data)); return JSON.stringify(model.boxes.map("
        "(_, n) => localReceipts(model, n).map((made) => localText(made, model.data.strings).join('\\n') + '\\n'))); };"
    )

    def texts(drawing):
        return json.loads(context.eval("all")(json.dumps(drawing.to_dict(receipts=False))))

    return texts


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", PROGRAMS)
def test_page_and_terminal_write_the_same_words(name, dtype, lang, written):
    loss, _ = PROGRAMS[name](np.random.default_rng(5), dtype)
    drawing = pb.graph(loss, lang=lang)
    texts = written(drawing)
    for box in drawing.diagram.boxes:
        assert texts[box.number] == [drawing.local(box.number, part=p).text() for p in range(box.parts)]


def test_page_and_terminal_write_the_same_words_of_zeros_kinks_hooks_and_what_is_missing(written):
    x, y = pb.tensor(np.array([0.0, -1.0, 2.0]), requires_grad=True), leaf(1e-9)
    z = pb.relu(x) * 1e-30
    z.register_hook(lambda g: g * 2)
    loss = pb.sum(z * pb.take(x, np.array([2, 1, 0]))) + pb.relu(y) ** 0.5 + pb.exp(-1000 * pb.abs(x)).sum()
    drawing = pb.graph(loss, names={"x": x, "y": y}, lang="en")
    texts = written(drawing)
    for box in drawing.diagram.boxes:
        assert texts[box.number] == [drawing.local(box.number).text()]
    assert any("Why: " in text for of in texts for text in of) and any("a hook" in text for of in texts for text in of)


def test_page_and_terminal_write_the_same_words_of_arrays_without_elements(written):
    x, y = pb.tensor(np.zeros((0, 3)), requires_grad=True), leaf(2.0)
    drawing = pb.graph(pb.sum(x * 2.0) + y, names={"x": x, "y": y}, lang="en")
    texts = written(drawing)
    assert texts == [[drawing.local(box.number).text()] for box in drawing.diagram.boxes]
    assert "an array without elements" in texts[0][0] and "✓" not in texts[0][0]


def test_page_and_terminal_write_the_same_words_of_a_long_chain(written):
    rng = np.random.default_rng(1)
    ws = [leaf(rng.normal()) for _ in range(8)]
    v = leaf(0.5)
    for i in range(1000):
        v = (v * ws[i % 8], v + ws[i % 8], pb.tanh(v), pb.sin(v), v**2, 3.0 / (2.0 + v * v))[rng.integers(6)]
    drawing = pb.graph(v, lang="en")
    texts = written(drawing)
    for box in rng.choice(len(texts), 150, replace=False):
        assert texts[box] == [drawing.local(int(box)).text()]


@pytest.mark.parametrize(
    "x", [0.0, -0.0, 0.1, -1 / 3, 1e-5, 9.9999996e-5, 123456.0, 1234567.0, 1e21, 1.5e-7, -1e300, 5e-324, 2**53, 1e16]
)
def test_numbers_are_written_alike(x, written):
    from pullback.glass.columns import shown_number

    quickjs = pytest.importorskip("quickjs")
    context = quickjs.Context()
    context.eval("\n".join(page_file(name) for name in ("view.js", "words.js", "local.js")))
    assert context.eval(f"six({float(x)!r})") == shown_number(float(x))
    assert context.eval(f"allDigits({float(x)!r})") == all_digits(float(x))


# -------------------------------------------------------------------------------------------- the data


def test_kinds_are_written_once_and_numbers_of_the_program_stand_in_them():
    x = leaf(0.3)
    v = x
    for _ in range(50):
        v = pb.sin(v * 2.0) + 1.0
    data = pb.graph(v, lang="en").to_dict()["local"]
    assert len(data["kinds"]) == 3 and len(data["kindOf"]) == 151
    assert sum("2" in kind["forward"]["symbols"] for kind in data["kinds"]) == 1
    many = x
    for i in range(200):
        many = many * (1.0 + i / 1000)
    assert len(pb.graph(many, lang="en").to_dict()["local"]["kinds"]) < 80


def test_the_page_of_folded_modules_has_all_receipts_too():
    net = nn.Sequential(*[nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(12)])
    drawing = pb.graph(pb.sum(net(pb.ones((3, 2)))), lang="en")
    data = drawing.to_dict()["local"]
    found = collections.Counter(data["verdicts"].replace(".", ""))
    assert set(found) <= {"0", "1"} and sum(found.values()) == 12 * 4 + 1 - 1
    assert any(group.kind == "repetition" and group.times == 12 for group, _ in drawing.diagram.groups.walk())


def test_of_a_drawing_without_gradients_and_of_a_box_that_there_is_not():
    x = leaf(2.0)
    with pytest.raises(GradientError, match="no gradients, so there is nothing to explain"):
        pb.graph(x * x, direction="forward").local(0)
    for box, part in ((-1, 0), (2, 0), (0, 1)):
        with pytest.raises(KeyError):
            pb.graph(x * x).local(box, part=part)


def test_a_gradient_that_was_given_has_local_receipts():
    x = pb.tensor(np.array([1.0, 2.0]), requires_grad=True)
    local = of(pb.graph(x * x, gradient=[1.0, 10.0], names={"x": x}, lang="en"), "x")
    assert (local.index, local.total, local.exact) == ((1,), 40.0, True)


def test_receipts_stay_what_they_are_when_the_program_goes_on():
    x = leaf(3.0)
    y = x * x
    drawing = pb.graph(y, names={"x": x}, lang="en")
    before, data, whole = drawing.local(0).text(), drawing.to_dict(), drawing.receipt(0).text()
    y.backward()
    assert drawing.local(0).text() == before and x.grad == 6.0
    x.data = 100.0
    assert drawing.local(0).text() == before
    assert drawing.to_dict()["local"] == data["local"]
    assert drawing.receipt(0).text() == whole
    u = pb.tensor(np.array([1.0, 2.0]), requires_grad=True)
    drawing = pb.graph(pb.sum((u + 1.0) ** 2), names={"u": u}, lang="en")  # a sum keeps only the types of what it read
    before, whole = drawing.local(0).text(), drawing.receipt(0).total
    u.data = np.array([7.0, 8.0])
    assert "2 + 1 = 3" in before and drawing.local(0).text() == before and drawing.receipt(0).total == whole == 6.0


def test_drawing_writes_no_retained_gradient():
    x = pb.tensor(np.array([3.0, 1.0, 2.0]), requires_grad=True)
    values, _ = pb.topk(x, 2) if hasattr(pb, "topk") else (x * 2, None)
    values.retain_grad()
    loss = pb.sum(values * values)
    drawing = pb.graph(loss, names={"x": x}, lang="en")
    drawing.receipt(0)
    assert values.grad is None
    loss.backward()
    assert np.allclose(values.grad.numpy(), 2 * values.numpy())

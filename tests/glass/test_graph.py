"""Drawings: what is in them, that their numbers are the engine's, and that they fold."""

import functools
import importlib
import json
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pullback as pb
from pullback.core.errors import FreedGraphError, GradientError, ShapeError
from pullback.core.mapping import CATALOGUE
from pullback.glass.diagram import Box, Group
from pullback.glass.fold import CROWD, MOST_BOXES
from pullback.glass.payload import payload
from pullback.glass.view import view


def box(drawing, symbol):
    (found,) = [b for b in drawing.diagram.boxes if b.symbol == symbol]
    return found


def visible(drawing):
    return view(drawing.diagram, drawing.diagram.opened)


def scalar_expression():
    x = pb.tensor(np.float64(2.0), requires_grad=True)
    y = pb.tensor(np.float64(3.0), requires_grad=True)
    square = x * x
    product = x * y
    total = square + product
    return x, y, square, product, total * pb.tanh(y)


def network(blocks=2, width=4):
    layers = []
    for _ in range(blocks):
        layers += [pb.nn.Linear(width, width), pb.nn.Tanh()]
    return pb.nn.Sequential(*layers)


# ---------------------------------------------------------------------------------------- the numbers


def test_values_gradients_and_products_are_those_of_the_formula_on_paper():
    x, y, square, product, L = scalar_expression()
    drawing = pb.graph(L, names={"a": square, "b": product})
    t = np.tanh(3.0)
    assert float(box(drawing, "a").value) == 4 and float(box(drawing, "b").value) == 6
    assert float(box(drawing, "x").gradient) == pytest.approx((2 * x.item() + 3) * t, rel=1e-14)
    assert float(box(drawing, "y").gradient) == pytest.approx(2 * t + 10 * (1 - np.tanh(y.item()) ** 2), rel=1e-14)
    assert float(box(drawing, "a").gradient) == pytest.approx(t, rel=1e-14)
    into_square = [float(x.product) for x in box(drawing, "a").inputs]
    assert into_square == pytest.approx([2 * t, 2 * t], rel=1e-14)
    into_product = {x.symbol: float(x.product) for x in box(drawing, "b").inputs}
    assert into_product == pytest.approx({"x": 3 * t, "y": 2 * t}, rel=1e-14)


def test_what_arrives_at_a_box_is_the_sum_of_what_its_readers_send():
    rng = np.random.default_rng(1)
    net = network(3)
    x = pb.tensor(rng.normal(size=(5, 4)), requires_grad=True)
    h = net.double()(x)
    loss = (h * h + x).sum() + (h @ pb.ones((4, 2), dtype="float64")).mean()
    drawing = pb.graph(loss)
    sent = {}
    for b in drawing.diagram.boxes:
        for x in b.inputs:
            if x.product is not None:
                sent[x.source] = sent.get(x.source, 0) + x.product
    compared = 0
    for b in drawing.diagram.boxes:
        if b.gradient is not None and b.number != drawing.diagram.root:
            np.testing.assert_allclose(sent[b.number], b.gradient, rtol=1e-12)
            compared += 1
    assert compared > 10


def test_gradients_are_those_that_backward_writes_and_nothing_is_written_or_released():
    rng = np.random.default_rng(2)
    net = network()
    x = pb.tensor(rng.normal(size=(3, 4)).astype("f4"))
    h = net(x)
    h.retain_grad()
    loss = (h * h).sum()
    drawing = pb.graph(loss)
    assert all(p.grad is None for p in net.parameters()) and h.grad is None
    loss.backward()
    for name, p in net.named_parameters():
        np.testing.assert_array_equal(box(drawing, name).gradient, p.grad.numpy())
    np.testing.assert_array_equal(box(drawing, "h").gradient, h.grad.numpy())


def test_values_that_the_engine_did_not_keep_are_computed_again():
    rng = np.random.default_rng(3)
    x = pb.tensor(rng.normal(size=(3, 4)), requires_grad=True)
    a = x + 1.5
    b = a - 0.25
    c = pb.exp(b)
    d = c + 1.0
    loss = d.sum()
    drawing = pb.graph(loss, names={"a": a, "b": b, "c": c, "d": d})
    np.testing.assert_array_equal(box(drawing, "a").value, x.numpy() + 1.5)
    np.testing.assert_array_equal(box(drawing, "b").value, x.numpy() + 1.5 - 0.25)
    np.testing.assert_array_equal(box(drawing, "c").value, np.exp(x.numpy() + 1.5 - 0.25))
    np.testing.assert_array_equal(box(drawing, "d").value, np.exp(x.numpy() + 1.5 - 0.25) + 1)


def test_gradient_of_gradient_can_be_drawn():
    x = pb.tensor(np.float64(0.7), requires_grad=True)
    y = pb.sin(x) * x
    y.backward(create_graph=True)
    slope = x.grad
    drawing = pb.graph(slope)
    want = 2 * np.cos(0.7) - 0.7 * np.sin(0.7)
    assert float(box(drawing, "x").gradient) == pytest.approx(want, rel=1e-12)


def test_a_users_own_mapping_and_one_with_several_outputs():
    @pb.mapping
    def cube(x):
        return x * x * x

    @cube.derivative
    def _(x, y):
        return 3 * x * x

    x = pb.tensor(np.float64(2.0), requires_grad=True)
    drawing = pb.graph(cube(x))
    assert float(box(drawing, "x").gradient) == pytest.approx(12)
    x = pb.tensor(np.arange(6.0), requires_grad=True)
    first, second = pb.split(x, 2) if hasattr(pb, "split") else pb.unstack(x.reshape((2, 3)))
    drawing = pb.graph((first * second).sum())
    np.testing.assert_allclose(box(drawing, "x").gradient, [3, 4, 5, 0, 1, 2])
    assert "graph" in drawing.to_html() and drawing.mermaid()


def test_a_tensor_that_is_not_one_number_shows_gradients_when_told_where_to_start():
    x = pb.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    assert box(pb.graph(y), "x").gradient is None
    np.testing.assert_array_equal(box(pb.graph(y, gradient=[1.0, 10.0]), "x").gradient, [2.0, 40.0])
    assert box(pb.graph(y.sum(), direction="forward"), "x").gradient is None


def test_wrt_draws_only_what_lies_on_a_path():
    x, y = pb.value(2.0), pb.value(3.0)
    slope = pb.tanh(y)
    L = (x * x + x * y) * slope
    drawing = pb.graph(L, wrt=x, names={"slope": slope})
    mappings = [b.mapping.name for b in drawing.diagram.boxes if b.mapping]
    assert sorted(mappings) == ["add", "multiply", "multiply", "multiply"]  # tanh(y) does not depend on x
    assert box(drawing, "slope").kind == "constant" and float(box(drawing, "slope").value) == pytest.approx(np.tanh(3))
    assert len([b for b in pb.graph(L, wrt=[x, y]).diagram.boxes if b.mapping]) == 5


def smooth_mappings():
    return sorted(n for n, mapping in CATALOGUE.items() if mapping.differentiable and mapping.samples is not None)


@pytest.mark.parametrize("name", smooth_mappings())
def test_every_mapping_can_be_drawn_with_its_working_and_its_products(name):
    mapping = CATALOGUE[name]
    for sample in list(mapping.samples(np.random.default_rng(0)))[:3]:
        xs = [pb.tensor(a, requires_grad=True) if np.asarray(a).dtype.kind == "f" else a for a in sample.args]
        y = mapping(*xs, **sample.static)
        y = y[0] if isinstance(y, tuple) else y
        if not y.requires_grad or y.dtype.kind != "f":
            continue
        loss = (y * y).sum()
        drawing = pb.graph(loss, names={f"in{i}": x for i, x in enumerate(xs)}, lang="zh")
        data = payload(drawing.diagram, "both", "zh")
        assert json.loads(json.dumps(data, allow_nan=False)) == data
        assert drawing.mermaid() and drawing.dot()
        loss.backward()
        for i, x in enumerate(xs):
            if isinstance(x, pb.Tensor) and x.grad is not None:
                np.testing.assert_array_equal(box(drawing, f"in{i}").gradient, x.grad.numpy())


# ------------------------------------------------------------------------------------- what is drawn


def test_from_a_module_and_an_example():
    net = network()
    drawing = pb.graph(net, pb.ones((2, 4)), lang="en")
    titles = [group.title for group, _ in drawing.diagram.groups.walk()]
    assert titles == ["", "Sequential", "0: Linear", "1: Tanh", "2: Linear", "3: Tanh"]
    weight = box(drawing, "0.weight")
    assert weight.parameter and weight.kind == "leaf"
    (linear,) = [g for g, _ in drawing.diagram.groups.walk() if g.title == "0: Linear"]
    assert weight.number in linear.items
    assert box(drawing, "x").number in drawing.diagram.groups.items  # what the module was given stands outside


def test_from_the_graph_of_a_traced_function():
    traced = pb.trace(lambda x, w: pb.sum(pb.tanh(x @ w)))
    drawing = pb.graph(traced.graph(pb.ones((2, 3)), pb.ones((3, 4))), lang="en")
    assert [b.mapping.name for b in drawing.diagram.boxes if b.mapping] == ["matmul", "tanh", "sum"]
    assert box(drawing, "x2").spec.shape == (3, 4) and box(drawing, "x2").value is None
    assert "float32#91;3,4#93;" in drawing.mermaid() and "float32[3,4]" in drawing.dot()
    assert drawing.to_html() and drawing.svg()


def test_depth_closes_inner_modules():
    net = pb.nn.Sequential(network(), network())
    x = pb.ones((2, 4))
    assert len(visible(pb.graph(net, x, depth=0)).items) == 2  # the network and its input
    assert len(visible(pb.graph(net, x, depth=1)).items) == 3
    assert len(visible(pb.graph(net, x, depth=2)).items) > 5


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: pb.graph(pb.tensor(1.0)), GradientError, "no history"),
        (lambda: pb.graph(3.0), TypeError, "expected a tensor"),
        (lambda: pb.graph(pb.value(1.0) * 2, direction="up"), ValueError, "direction"),
        (lambda: pb.graph(pb.value(1.0) * 2, depth=-1), ValueError, "depth"),
        (lambda: pb.graph(pb.value(1.0) * 2, lang="fr"), ValueError, "lang"),
        (lambda: pb.graph(pb.value(1.0) * 2, pb.ones(3)), TypeError, "only a module"),
        (lambda: pb.graph(pb.value(1.0) * 2, gradient=[1.0, 2.0]), ShapeError, "shape"),
        (lambda: pb.graph(pb.value(1.0) * 2, wrt=pb.tensor(1.0)), GradientError, "wrt"),
        (lambda: pb.grad(lambda x: pb.graph(x * x) and x)(1.0), GradientError, "belongs to"),
    ],
)
def test_what_cannot_be_drawn_says_so(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_graph_too_large_to_draw_says_so_and_a_part_of_it_is_drawn(monkeypatch):
    monkeypatch.setattr(importlib.import_module("pullback.glass.graph"), "MOST_MAPPINGS", 20)
    w, x = pb.value(1.0), pb.value(2.0)
    for _ in range(25):
        x = pb.sin(x)
    loss = x * w
    with pytest.raises(ValueError, match=r"has 26 mappings, and a drawing holds 20 at most(.|\n)*wrt=w"):
        pb.graph(loss)
    with pytest.raises(ValueError, match=r"2\d mappings"):
        pb.graph(pb.trace(lambda x: x * functools.reduce(lambda a, _: pb.sin(a), range(25), x)).graph(1.0))
    assert sum(b.kind == "mapping" for b in pb.graph(loss, wrt=w).diagram.boxes) == 1


def test_a_released_graph_says_what_to_write():
    x = pb.value(2.0)
    y = x * x
    y.backward()
    with pytest.raises(FreedGraphError, match="retain_graph"):
        pb.graph(y)


def test_a_drawing_stays_as_it_was_when_the_graph_is_released_or_the_weights_change():
    x = pb.value(3.0)
    loss = x * x
    drawing = pb.graph(loss, lang="en")
    loss.backward()
    x.data = 5.0
    assert float(box(drawing, "x").value) == 3.0
    receipts = drawing.to_dict()["receipts"]
    assert "∂loss/∂x = 6" in receipts[box(drawing, "x").number]["x"]


# ------------------------------------------------------------------------------------------- folding


def chain(count, rng):
    x = pb.tensor(np.float64(0.5), requires_grad=True)
    ws = [pb.tensor(rng.normal(), requires_grad=True) for _ in range(50)]
    steps = [lambda v, w: v * w, lambda v, w: v + w, lambda v, w: pb.tanh(v), lambda v, w: pb.sin(v)]
    v = x
    for i in range(count):
        v = steps[rng.integers(4)](v, ws[i % 50])
    return v


def check_groups(drawing):
    """Every box stands in one group, groups are not crowded, and closed groups make no cycle."""
    boxes = drawing.diagram.boxes
    home = [item for group, _ in drawing.diagram.groups.walk() for item in group.items if isinstance(item, int)]
    assert sorted(home) == list(range(len(boxes)))
    assert all(len(group.items) <= 2 * CROWD + 4 for group, _ in drawing.diagram.groups.walk())
    assert len(visible(drawing).items) <= MOST_BOXES


def acyclic(seen):
    outgoing = {name: [] for name, _ in seen.items}
    missing = dict.fromkeys(outgoing, 0)
    for edge in seen.edges:
        outgoing[edge.source].append(edge.target)
        missing[edge.target] += 1
    ready, done = [name for name, count in missing.items() if not count], 0
    while ready:
        done += 1
        for target in outgoing[ready.pop()]:
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    return done == len(outgoing)


@given(st.integers(1, 400), st.integers(0, 2**31))
def test_any_chain_folds_into_few_boxes_without_a_cycle_whatever_is_open(count, seed):
    rng = np.random.default_rng(seed)
    drawing = pb.graph(chain(count, rng), direction="forward")
    check_groups(drawing)
    groups = [group.number for group, _ in drawing.diagram.groups.walk()]
    for _ in range(3):
        opened = {0} | {g for g in groups if rng.random() < 0.5}
        assert acyclic(view(drawing.diagram, opened))
    everything = view(drawing.diagram, set(groups))
    assert len(everything.items) == len(drawing.diagram.boxes)


def test_the_same_blocks_again_and_again_become_one_group():
    net = pb.nn.Sequential(*[network(1) for _ in range(12)])
    drawing = pb.graph(net, pb.ones((2, 4)), lang="en")
    (repeated,) = [g for g, _ in drawing.diagram.groups.walk() if g.kind == "repetition"]
    assert (repeated.title, repeated.times, len(repeated.items)) == ("×12", 12, 12)
    assert all(isinstance(item, Group) for item in repeated.items)
    assert len(visible(drawing).items) == 13  # the input and the twelve blocks, closed
    longer = pb.graph(pb.nn.Sequential(pb.nn.Linear(4, 4), net, pb.nn.Linear(4, 4)), pb.ones((2, 4)), lang="en")
    assert '["×12<br/>mappings#58; 24"]' in longer.mermaid()


def test_modules_that_differ_are_open_only_while_all_of_it_fits():
    widths = [3 + (i * i) % 7 + i for i in range(41)]
    layers = [pb.nn.Sequential(pb.nn.Linear(m, n), pb.nn.Tanh()) for m, n in pairwise(widths)]
    thirds = [pb.nn.Sequential(*layers[i : i + 14]) for i in range(0, 40, 14)]
    drawing = pb.graph(pb.nn.Sequential(*thirds), pb.ones((2, 3)))
    check_groups(drawing)
    assert len(visible(drawing).items) > 20


def test_a_loop_without_modules_folds_by_its_rounds():
    w, u = pb.value(0.5), pb.value(0.25)
    h = pb.value(1.0) * 1.0
    for _ in range(30):
        h = pb.tanh(h * w + u)
    drawing = pb.graph(h, lang="en")
    (repeated,) = [g for g, _ in drawing.diagram.groups.walk() if g.kind == "repetition"]
    assert repeated.times == 30
    rounds = [g for g, _ in drawing.diagram.groups.walk() if g.kind == "round"]
    assert len(rounds) == 30 and rounds[0].title == "1 of 30" and len(rounds[0].items) == 3
    check_groups(drawing)


def test_many_leaves_fold_too():
    xs = [pb.value(float(i)) for i in range(2000)]
    total = xs[0] * 1.0
    for x in xs[1:]:
        total = total + x
    drawing = pb.graph(total)
    check_groups(drawing)


def test_ten_thousand_mappings_are_drawn_in_two_seconds():
    loss = chain(10_000, np.random.default_rng(0))
    pb.graph(pb.value(1.0) * 2).to_html()  # import what is needed
    start = time.process_time()
    drawing = pb.graph(loss)
    page = drawing.to_html()
    assert time.process_time() - start < 20  # it takes 0.4 s; this says that it does not grow with the square
    assert len(visible(drawing).items) <= 60
    assert len(page) < 8_000_000


def test_a_long_chain_does_not_recurse():
    x = pb.value(1.0)
    v = x
    for _ in range(20_000):
        v = v * 1.0
    drawing = pb.graph(v)
    assert len(visible(drawing).items) <= 60
    assert float(box(drawing, "x").gradient) == 1.0


def test_leaves_that_many_chunks_read_are_one_box():
    rng = np.random.default_rng(0)
    leaves = [pb.tensor(rng.normal(), requires_grad=True) for _ in range(12)]
    v = leaves[0]
    for i in range(300):
        v = (v * leaves[i % 12], v + leaves[i % 12], pb.tanh(v), pb.sin(v))[rng.integers(4)]
    drawing = pb.graph(v, lang="en")
    shown = visible(drawing)
    titles = [item.title for _, item in shown.items if not isinstance(item, Box)]
    assert any(title.endswith(" inputs") for title in titles) and len(shown.items) <= 60
    assert not [item for _, item in shown.items if isinstance(item, Box) and item.kind == "leaf"]
    few = leaves[0]
    for i in range(300):
        few = (few * leaves[i % 3], few + leaves[i % 3], pb.tanh(few), pb.sin(few))[rng.integers(4)]
    drawing = pb.graph(few, lang="en")
    shown = visible(drawing)
    assert len([item for _, item in shown.items if isinstance(item, Box) and item.kind == "leaf"]) == 3

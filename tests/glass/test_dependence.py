"""Which elements belong together: every rule is followed, element by element, and compared with the pullback."""

import base64
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

import pullback as pb
import pullback.mappings
from pullback.core.mapping import CATALOGUE
from pullback.core.spec import shape_of
from pullback.glass.contributions import Patience, contributions
from pullback.glass.dependence import Inquiry, dependence, typical
from pullback.glass.slopes import parts, pulled, unit

NO_RULE_OF_ITS_OWN = {"acosh"}
"""Not defined at the values that are tried; an elementwise mapping is not asked, so this is the test's limit only."""


def indices(axis, place, n, out):
    """The indices along one axis that a rule gives, read as a page reads them."""

    def end(name):
        if "over" in axis:
            shape = [out[j] for j in axis["over"]]
            return axis[name][int(np.ravel_multi_index([place[j] for j in axis["over"]], shape)) if shape else 0]
        constant, *factors = axis[name]
        return constant + sum(f * i for f, i in zip(factors, place, strict=True))

    return {i for i in range(end("low"), end("high") + 1, axis["step"]) if 0 <= i < n}


def follow(rule, place, out, shape):
    flat = int(np.ravel_multi_index(place, out)) if out else 0
    if "mask" in rule:
        bits = np.unpackbits(np.frombuffer(base64.b64decode(rule["mask"]), np.uint8), bitorder="little")
        if not bits[flat]:
            return set()
    if "flat" in rule:
        return {tuple(map(int, np.unravel_index(flat + rule["flat"], shape)))}
    return set(itertools.product(*(indices(a, place, n, out) for a, n in zip(rule["axes"], shape, strict=True))))


def box_of(mapping, xs, static):
    y = mapping.evaluate(*xs, **static)
    value = y if isinstance(y, tuple) else np.asarray(y)
    return SimpleNamespace(mapping=mapping, value=value, inputs=[SimpleNamespace(value=x) for x in xs], static=static)


def on_what(mapping, static, xs, y, part, place, position):
    g = unit(parts(y)[part], place)
    if isinstance(y, tuple):
        g = tuple(g if i == part else np.zeros_like(p) for i, p in enumerate(y))
    slope = pulled(mapping, static, xs, y, g, [i == position for i in range(len(xs))])[position]
    return set() if slope is None else {tuple(map(int, i)) for i in np.argwhere(np.asarray(slope) != 0)}


def compared(mapping, xs, static):
    """How many rules there are, and how many floating inputs; every rule agrees with the pullback everywhere."""
    box = box_of(mapping, xs, static)
    found = dependence(box, Inquiry())
    point = typical(mapping, static, xs) or (xs, box.value)
    known = asked = 0
    for part, y in enumerate(parts(box.value)):
        for k, x in enumerate(xs):
            if x.dtype.kind != "f" or not x.ndim or y.dtype.kind != "f" or not y.size:
                continue
            asked += 1
            rule = None if found is None else found[part][k]
            if rule is None:
                continue
            known += 1
            for place in np.ndindex(shape_of(y)):
                says = follow(rule, place, shape_of(y), x.shape)
                is_so = on_what(mapping, static, *point, part, place, k)
                # an elementwise mapping may have slope 0 (where a maximum is the other argument), and takes part still
                agrees = is_so <= says and len(says) == 1 if mapping.family == "elementwise" else is_so == says
                assert agrees, (mapping.name, static, [x.shape for x in xs], k, place, rule)
    return known, asked


def differentiable():
    assert pullback.mappings  # the whole catalogue is there
    return sorted(n for n, m in CATALOGUE.items() if m.differentiable and m.samples and n not in NO_RULE_OF_ITS_OWN)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", differentiable())
def test_every_rule_of_every_mapping_is_what_its_pullback_does(name):
    mapping, met = CATALOGUE[name], set()
    for sample in mapping.samples(np.random.default_rng(0)):
        xs, static = (sample.args, sample.static) if hasattr(sample, "args") else sample
        xs = [np.asarray(x) for x in xs]
        key = tuple(x.shape for x in xs), repr(static)
        if key not in met and len(met) < 12:
            met.add(key)
            compared(mapping, xs, static)


CLASSICS = {
    "linear": ([(5, 7), (4, 7), (4,)], {}),
    "matmul": ([(3, 5, 7), (7, 4)], {}),
    "sum": ([(6, 5, 4)], {"axis": (1,), "keepdims": False}),
    "cumulative_sum": ([(9, 5)], {"axis": 0, "reverse": False}),
    "softmax": ([(6, 5)], {"axis": -1}),
    "permute_dims": ([(4, 5, 6)], {"axes": (2, 0, 1)}),
    "reshape": ([(4, 6)], {"shape": (3, 8)}),
    "tril": ([(6, 6)], {"k": 0}),
}


@pytest.mark.parametrize("name", sorted(CLASSICS))
def test_the_rule_of_a_classic_is_known_for_every_input(name):
    shapes, static = CLASSICS[name]
    rng = np.random.default_rng(1)
    known, asked = compared(CATALOGUE[name], [rng.normal(size=shape) for shape in shapes], static)
    assert known == asked == len(shapes)


def recorded(name, value):
    """The box of the last application of a mapping in a graph."""
    boxes = pb.graph(value.sum()).diagram.boxes
    return [box for box in boxes if box.mapping is not None and box.mapping.name == name][-1]


def test_a_convolution_reads_a_window_of_all_channels_and_one_filter():
    layer = pb.nn.Conv2d(3, 4, 3, stride=2, padding=1)
    x = pb.tensor(np.random.default_rng(0).normal(size=(2, 3, 16, 16)).astype("f4"), requires_grad=True)
    y = layer(x)
    box = next(b for b in pb.graph(y.sum()).diagram.boxes if b.kind == "mapping" and b.spec.shape == y.shape)
    rules = dependence(box, Inquiry())[0]
    windows = [r for r, i in zip(rules, box.inputs, strict=True) if i.value.shape == x.shape]
    filters = [r for r, i in zip(rules, box.inputs, strict=True) if i.value.shape == layer.weight.shape]
    seen = follow(windows[0], (1, 2, 4, 0), y.shape, x.shape)
    assert seen == {(1, c, i, j) for c in range(3) for i in (7, 8, 9) for j in (0, 1)}  # cut off at the edge
    assert follow(filters[0], (1, 2, 4, 4), y.shape, layer.weight.shape) >= {(2, 0, 0, 0), (2, 2, 2, 2)}
    assert {index[0] for index in follow(filters[0], (1, 2, 4, 4), y.shape, layer.weight.shape)} == {2}


def test_an_embedding_reads_the_rows_that_were_picked():
    table = pb.tensor(np.random.default_rng(0).normal(size=(50, 8)), requires_grad=True)
    ids = np.array([[3, 7, 3], [49, 0, 1]])
    box = recorded("embedding", pb.nn.functional.embedding(pb.tensor(ids), table))
    rule = next(r for r in dependence(box, Inquiry())[0] if r)
    for place in [(0, 1, 5), (1, 0, 7), (1, 2, 0)]:
        assert follow(rule, place, (2, 3, 8), (50, 8)) == {(int(ids[place[:2]]), place[2])}
    assert sum(len(axis["low"]) for axis in rule["axes"] if "over" in axis) == ids.size  # not one entry an element


def test_what_depends_on_values_is_asked_at_the_values_of_the_program():
    rng = np.random.default_rng(0)
    x = pb.tensor(rng.permutation(144.0 + np.arange(144)).reshape(1, 1, 12, 12), requires_grad=True)
    y = pb.nn.MaxPool2d(2)(x)
    box = recorded("max_pool", y)
    rule = next(r for r in dependence(box, Inquiry())[0] if r)
    for place in np.ndindex(y.shape):
        (picked,) = follow(rule, place, y.shape, x.shape)
        assert x.numpy()[picked] == y.numpy()[place]
    small = contributions(box, Patience())[0]
    assert all([i for i, _ in pairs] == [int(np.argmax(x.numpy().ravel() == v))]
               for pairs, v in zip(small, y.numpy().ravel(), strict=True))  # fmt: skip


def test_a_mapping_of_a_user_s_own_is_asked_like_any_other():
    @pb.mapping
    def every_second(x):
        return x[..., ::2]

    @every_second.pullback
    def _(g, y, x):
        return pb.stack([g, 0 * g], axis=-1).reshape(x.shape)

    x = pb.tensor(np.random.default_rng(0).normal(size=(3, 10)), requires_grad=True)
    box = recorded("every_second", every_second(x))
    rules = dependence(box, Inquiry())
    assert rules is not None
    assert follow(rules[0][0], (2, 3), (3, 5), (3, 10)) == {(2, 6)}


def test_asking_ends():
    rng = np.random.default_rng(0)
    box = box_of(CATALOGUE["linear"], [rng.normal(size=(40, 30)), rng.normal(size=(20, 30)), rng.normal(size=20)], {})
    assert dependence(box, Inquiry(elements=1000)) is None
    once = Inquiry()
    assert dependence(box, once) is not None
    spent = once.elements
    assert dependence(box, once) is not None and once.elements == spent  # the same again costs nothing


def test_a_table_that_a_page_has_no_room_for_is_left_out():
    box = box_of(CATALOGUE["take_along_axis"], [np.random.default_rng(0).normal(size=(80, 80)),
                 np.random.default_rng(1).integers(0, 80, (80, 80))], {"axis": -1})  # fmt: skip
    assert dependence(box, Inquiry()) is None


LARGE = {
    "linear": ([(40, 50), (30, 50), (30,)], {}),
    "matmul": ([(3, 40, 50), (50, 20)], {}),
    "softmax": ([(30, 40)], {"axis": -1}),
    "mean": ([(30, 20, 40)], {"axis": (0, 2), "keepdims": True}),
    "cumulative_sum": ([(30, 40)], {"axis": 1, "reverse": False}),
    "permute_dims": ([(20, 30, 40)], {"axes": (2, 0, 1)}),
    "slice": ([(60, 40)], {"index": ((3, 50, 2), (None, None, -1))}),
    "convolution same": ([(18, 3, 20, 24), (20, 3, 3, 3)], {"padding": ((1, 1), (1, 1))}),
    "convolution wide": ([(18, 3, 40, 24), (20, 3, 5, 3)], {"padding": ((2, 2), (0, 0))}),
    "convolution stride": ([(18, 3, 20, 24), (20, 3, 3, 3)], {"padding": ((1, 1), (1, 1)), "stride": (2, 2)}),
    "convolution groups": ([(18, 20, 12, 12), (20, 5, 3, 3)], {"padding": ((0, 0), (0, 0)), "groups": 4}),
}


@pytest.mark.parametrize("name", sorted(LARGE))
def test_the_rule_of_a_large_array_is_that_of_its_pullback_though_small_ones_were_asked(name):
    shapes, static = LARGE[name]
    mapping = CATALOGUE[name.split()[0]]
    if name.startswith("convolution"):
        static = {"stride": (1, 1), "dilation": (1, 1), "groups": 1, **static}
    rng = np.random.default_rng(2)
    xs = [rng.normal(size=shape) for shape in shapes]
    box = box_of(mapping, xs, static)
    inquiry = Inquiry()
    (rules,) = dependence(box, inquiry)
    assert all(rules), name
    out = box.value.shape
    corners = [tuple((n - 1) * (i >> j & 1) for j, n in enumerate(out)) for i in range(2 ** len(out))]
    for place in [*corners, *(tuple(map(int, rng.integers(0, out))) for _ in range(25))]:
        for k, rule in enumerate(rules):
            is_so = on_what(mapping, static, xs, box.value, 0, place, k)
            assert follow(rule, place, out, xs[k].shape) == is_so, (place, k)


def test_large_arrays_are_not_asked_themselves():
    rng = np.random.default_rng(0)
    box = box_of(CATALOGUE["matmul"], [rng.normal(size=(600, 700)), rng.normal(size=(700, 500))], {})
    inquiry = Inquiry()
    before = inquiry.elements
    assert all(dependence(box, inquiry)[0])
    assert before - inquiry.elements < 100_000  # 1.1 million numbers are in it

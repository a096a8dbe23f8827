"""Graphs in words: the same words mean the same plan, and what changes a plan changes the words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import pullback as pb
from pullback import optim
from pullback.compile import stored
from pullback.compile.emit.machine import host
from pullback.compile.lowering import lowered
from pullback.compile.planning import made
from pullback.compile.words import Unsayable, in_words
from pullback.core.spec import Spec
from pullback.transforms.graph import Symbol

from .programs import MODELS, training
from .random_programs import draw


def facts(graph):
    """All that is stored of a plan, and the text of its code."""
    plan = made(lowered(graph))
    cells = {cell: number for number, cell in enumerate(dict.fromkeys((*graph.reads, *graph.writes)))}
    numbers = {array: number for number, array in enumerate(plan.slots)}
    return (
        plan.text,
        [(a.role, a.shape, a.dtype.str, a.order, slot) for a, slot in plan.slots.items()],
        [numbers[a] for a in plan.inputs],
        [(numbers[a], a.data.tobytes()) for a in plan.fixed],
        [numbers[x.array] if hasattr(x, "array") else None for x in plan.outputs],
        [(cells[h.cell], numbers.get(h.read), numbers.get(h.written), h.in_place) for h in plan.holdings],
        [cells[cell] for cell, _ in plan.constants],
        [(s.name, s.shareable, s.checks, s.call and s.call.mapping.name) for s in plan.segments],
        (plan.arena, plan.workspace),
    )


def words(graph):
    return repr(in_words(graph))


@pytest.mark.parametrize("start", [0, 50, 100, 150])
def test_the_same_words_are_the_same_plan(start):
    by_words = {}
    for seed in range(start, start + 50):
        for _ in range(2):
            program = draw(seed, np.float64 if seed % 4 == 0 else np.float32)
            graph = pb.compile(program.function).graph(*program.arguments)
            by_words.setdefault(words(graph), []).append(facts(graph))
    assert len(by_words) >= 48, "each program has words of its own, and the same ones each time"
    for plans in by_words.values():
        assert all(plan == plans[0] for plan in plans)
        assert len(plans) >= 2


@pytest.mark.parametrize("name", MODELS)
def test_a_training_step_has_the_same_words_and_plan_each_time(name):
    build, data = training(name, lambda p: optim.Adam(p, lr=0.01))
    graphs = [pb.compile(build()[1]).graph(*data[0]) for _ in range(2)]
    assert words(graphs[0]) == words(graphs[1])
    assert facts(graphs[0]) == facts(graphs[1])


def changes(graph, rng):
    """Graphs that differ from one in a single thing, those that still make sense among them."""
    for _ in range(12):
        at = int(rng.integers(len(graph.equations)))
        e = graph.equations[at]
        kind = rng.choice(["number", "array", "static", "inputs", "mapping", "outputs", "symbol"])
        new = None
        inputs = list(e.inputs)
        known = [*graph.inputs, *(symbol for before in graph.equations[:at] for symbol in before.outputs)]
        if kind in ("number", "array"):
            places = [i for i, x in enumerate(inputs) if not isinstance(x, Symbol) and np.asarray(x).dtype.kind == "f"]
            if places:
                i = int(rng.choice(places))
                x = np.asarray(inputs[i])
                other = np.array(x + x.dtype.type(0.25))
                inputs[i] = other.item() if isinstance(inputs[i], float) else other[()]
                new = replace(e, inputs=tuple(inputs))
        elif kind == "static" and e.static:
            name = str(rng.choice(sorted(e.static)))
            value = e.static[name]
            if isinstance(value, bool):
                new = replace(e, static={**e.static, name: not value})
            elif isinstance(value, tuple) and value and isinstance(value[0], int):
                new = replace(e, static={**e.static, name: value[::-1]})
        elif kind == "inputs" and len(inputs) == 2:
            new = replace(e, inputs=tuple(inputs[::-1]))
        elif kind == "symbol":
            i = int(rng.integers(len(inputs)))
            if isinstance(inputs[i], Symbol):
                like = [s for s in known if s.spec == inputs[i].spec]
                if like:
                    inputs[i] = like[int(rng.integers(len(like)))]
                    new = replace(e, inputs=tuple(inputs))
        elif kind == "mapping" and len(inputs) == 1 and not e.static and e.mapping.family == "elementwise":
            new = replace(e, mapping=pb.sin if e.mapping is not pb.sin else pb.cos)
        elif kind == "outputs":
            fitting = [s for s in known if s.spec == (graph.outputs[0].spec if graph.outputs else None)]
            if fitting:
                outputs = [fitting[int(rng.integers(len(fitting)))], *graph.outputs[1:]]
                yield replace(graph, outputs=outputs)
        if new is not None:
            yield replace(graph, equations=[*graph.equations[:at], new, *graph.equations[at + 1 :]])


@pytest.mark.parametrize("start", [1000, 1020])
def test_what_changes_a_plan_changes_the_words(start):
    changed = 0
    for seed in range(start, start + 20):
        program = draw(seed)
        graph = pb.compile(program.function).graph(*program.arguments)
        before, said = facts(graph), words(graph)
        for other in changes(graph, np.random.default_rng(seed)):
            try:
                after = facts(other)
            except Exception:  # it makes no sense any more
                continue
            if after != before:
                changed += 1
                assert words(other) != said, program.lines
    assert changed > 30, "otherwise this shows nothing"


def same_array_twice(shared):
    table, other = np.arange(4.0), np.arange(4.0)
    return lambda x: pb.sum(x * table) + pb.sum(pb.exp(x * (table if shared else other)))


def test_one_array_used_twice_is_not_two_equal_ones():
    x = np.ones(4)
    one, two = (pb.compile(same_array_twice(shared)).graph(x) for shared in (True, False))
    assert facts(one) != facts(two), "what is done to one array twice is done once"
    assert words(one) != words(two)


def scan(body):
    return pb.compile(lambda h, xs: pb.scan(body, h, xs)[0]).graph(np.ones(3), np.ones((150, 3)))


def test_the_body_of_a_loop_is_said_in_full():
    one = scan(lambda h, x: (pb.tanh(h + x), None))
    assert words(one) == words(scan(lambda h, x: (pb.tanh(h + x), None)))
    others = [
        scan(lambda h, x: (pb.tanh(h - x), None)),
        scan(lambda h, x: (pb.tanh(h + x * 2.0), None)),
        scan(lambda h, x: (pb.tanh(h + x * 3.0), None)),
        pb.compile(lambda h, xs: pb.scan(lambda h, x: (pb.tanh(h + x), None), h, xs, reverse=True)[0]).graph(
            np.ones(3), np.ones((150, 3))
        ),
    ]
    assert len({words(g) for g in (one, *others)}) == 5


def test_another_body_is_seen_when_a_function_is_recorded_again():
    settings = {"slope": 2.0}
    step = pb.compile(lambda h, xs: pb.scan(lambda h, x: (h + settings["slope"] * x, None), h, xs)[0])
    h, xs = np.zeros(1), np.ones((150, 1))
    assert step(h, xs).tolist() == [300.0]
    settings["slope"] = 3.0
    assert step(h, xs).tolist() == [300.0]
    step.record_again()
    assert step(h, xs).tolist() == [450.0]


def test_the_types_of_arguments_and_weak_numbers_are_in_the_words():
    f = pb.compile(lambda x: pb.sin(x) * 2)
    kinds = [np.ones(3), np.ones(4), np.ones((3, 1)), np.ones(3, np.float32), np.float64(1), 1.0, 1]
    assert len({words(f.graph(x)) for x in kinds}) == len(kinds)


@pytest.mark.parametrize(
    "value",
    [None, True, 1, 1.5, -0.0, "a", b"a", (1, 2), [1, 2], {"a": 1}, slice(1, 2), np.dtype("f4"), float, np.float32(1)],
)
def test_settings_are_told_apart_by_type_and_value(value):
    def with_setting(x):
        graph = pb.compile(lambda x: pb.sin(x)).graph(np.ones(2))
        return words(replace(graph, equations=[replace(graph.equations[0], static={"setting": x})]))

    others = [..., False, 2, 1.25, 0.0, "b", b"b", (1, 3), [1, 3], {"a": 2}, slice(1, 3), np.dtype("f8"), int]
    others += [1.0, (1, 2.0), [1.0, 2], "1", "None", ("list", 1, 2), ("array",), ["array", 1], np.float32(2)]
    others += [np.array(1, np.float32), np.ones(1, np.float32), Spec((1,), np.dtype("f4"))]
    same = with_setting(value)
    for other in others:
        assert with_setting(other) != same, other


@pytest.mark.parametrize("value", [lambda x: x, object(), {1, 2}, np.array([None]), np.sum])
def test_what_has_no_words_is_not_kept(value):
    graph = pb.compile(lambda x: pb.sin(x)).graph(np.ones(2))
    graph = replace(graph, equations=[replace(graph.equations[0], static={"setting": value})])
    with pytest.raises(Unsayable):
        in_words(graph)
    assert stored.digest(graph, host()) is None


def test_every_mapping_of_the_catalogue_is_known_as_the_librarys_own():
    from pullback.compile.words import _is_ours
    from pullback.core.mapping import CATALOGUE

    ours = {name: m for name, m in CATALOGUE.items() if not name.startswith("test")}
    assert len(ours) > 200
    assert [name for name, mapping in ours.items() if not _is_ours(mapping)] == []
    assert not _is_ours(pb.tanh.replace(words="another"))

"""A traced step finds its state, replays bit for bit, and refuses what it cannot know."""

import numpy as np
import pytest

import pullback as pb
from pullback.core.cell import Cell
from pullback.core.interpret import current


def test_replay_equals_eager_and_is_recorded_once_per_signature():
    calls = []

    @pb.trace
    def step(x, scale):
        calls.append(1)
        return {"y": pb.sum(x * x) * scale, "again": x}

    for n in (3, 3, 4, 3):
        x = np.arange(float(n))
        out = step(x, 2.0)
        assert out["y"].item() == 2 * np.sum(x * x) and out["again"].tolist() == x.tolist()
    assert len(calls) == 2
    step(np.arange(3.0), 5.0)
    assert len(calls) == 2  # a number is an input, not part of the signature


def test_parameters_and_gradients_are_found():
    w = pb.tensor(np.array([1.0, 2.0]), requires_grad=True)

    def step(x):
        w.grad = None
        loss = pb.sum((w * x) ** 2)
        loss.backward()
        with pb.no_grad():
            w.assign_(w - 0.1 * w.grad)
        return loss

    traced, xs = pb.trace(step), np.random.default_rng(0).normal(size=(10, 2))
    losses = [traced(x).item() for x in xs]
    after, gradient = w.numpy().copy(), w.grad.numpy().copy()
    w.data = np.array([1.0, 2.0])
    assert [step(x).item() for x in xs] == losses
    assert np.array_equal(w.numpy(), after) and np.array_equal(w.grad.numpy(), gradient)


def test_accumulation_changes_the_signature_once():
    w = pb.value(1.0, dtype="float64")

    @pb.trace
    def step(x):
        (w * x).backward()

    for i in range(1, 4):
        step(np.float64(2.0))
        assert w.grad.item() == 2.0 * i
    assert sum(len(g) for g in step.graphs.values()) == 2  # with and without a gradient to add to


def test_freezing_a_parameter_is_noticed():
    w, v = pb.value(1.0, dtype="float64"), pb.value(1.0, dtype="float64")

    @pb.trace
    def step(x):
        w.grad = None
        v.grad = None
        (w * v * x).backward()

    step(np.float64(2.0))
    assert w.grad.item() == 2.0
    w.requires_grad_(False)
    step(np.float64(3.0))
    assert v.grad.item() == 3.0 and w.grad is None


def test_an_exception_leaves_the_state_untouched():
    cell = Cell(np.float64(1.0), name="state")

    @pb.trace
    def step(x):
        cell.write(pb.multiply(cell.read(), x))
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        step(np.float64(3.0))
    assert cell.read() == 1.0 and not current().replay


def test_a_cell_that_changes_its_type_is_refused():
    cell = Cell(np.zeros(3), name="history")

    def step(x):
        cell.write(pb.reshape(x, (2, 1)))

    with pytest.raises(pb.TraceError, match="history"):
        pb.trace(step)(np.zeros(2))
    assert cell.read().shape == (3,)


def test_asking_for_numbers_is_a_lesson():
    for ask in (bool, float, lambda x: x.item(), lambda x: x.numpy()):
        with pytest.raises(pb.TraceError, match=r"pb\.where"):
            pb.trace(lambda x, ask=ask: ask(x))(np.float64(1.0))
    with pytest.raises(pb.TraceError, match="example to example"):
        pb.vmap(lambda x: x if x > 0 else -x)(np.ones(2))
    assert "traced step" in repr(pb.trace(lambda x: repr(x))(np.float64(1.0)))


def test_a_recompilation_storm_is_stopped():
    step = pb.trace(lambda x: x * 2, max_traces=3)
    for n in range(1, 4):
        step(np.ones(n))
    with pytest.raises(pb.TraceError, match="max_traces"):
        step(np.ones(9))


def test_a_graph_from_outside_cannot_be_walked_inside():
    w = pb.value(2.0)
    outside = w * w
    with pytest.raises(pb.GradientError, match="before the traced step"):
        pb.trace(lambda: outside.backward())()


def test_transforms_compose_with_trace():
    f = lambda x: pb.sum(pb.sin(x) * x)
    x = np.linspace(0, 1, 4)
    t = pb.trace(f)
    assert np.allclose(pb.grad(t)(x).numpy(), pb.grad(f)(x).numpy(), rtol=1e-15)
    assert np.array_equal(pb.trace(pb.grad(f))(x).numpy(), pb.grad(f)(x).numpy())
    assert np.allclose(pb.hessian(t)(x).numpy(), pb.hessian(f)(x).numpy(), rtol=1e-14, atol=1e-14)
    assert np.array_equal(pb.trace(pb.hessian(f))(x).numpy(), pb.hessian(f)(x).numpy())
    xs = np.stack([x, 2 * x])
    assert np.allclose(pb.vmap(t)(xs).numpy(), pb.vmap(f)(xs).numpy())
    assert np.array_equal(pb.trace(pb.vmap(pb.grad(f)))(xs).numpy(), pb.vmap(pb.grad(f))(xs).numpy())
    w = pb.tensor(x, requires_grad=True)
    t(w).backward()
    assert np.allclose(w.grad.numpy(), pb.grad(f)(x).numpy())


def test_dead_code_is_dropped_and_the_graph_can_be_read():
    def step(x):
        pb.exp(x)
        return pb.sum(x * x)

    graph = pb.trace(step).graph(np.ones(3))
    assert [e.mapping.name for e in graph.equations] == ["multiply", "sum"]
    assert "multiply" in str(graph) and "float64[3]" in str(graph)


def test_static_arguments_belong_to_the_signature():
    step = pb.trace(lambda x, mode: pb.sum(x) if mode == "sum" else pb.mean(x))
    assert step(np.ones(4), "sum").item() == 4 and step(np.ones(4), "mean").item() == 1
    with pytest.raises(pb.TraceError, match="hashable"):
        step(np.ones(4), {1, 2})


def test_checkpoint_inside_a_traced_step_and_state_written_once():
    count = Cell(np.float64(0.0), name="count")
    w = pb.value(3.0, dtype="float64")

    @pb.checkpoint
    def block(x):
        count.write(pb.add(pb.asarray(count.read()), 1.0)._payload)
        return x * x * pb.asarray(count.read())

    block(w).backward()
    assert count.read() == 1.0 and w.grad.item() == 6.0
    block(w).backward()
    assert count.read() == 2.0 and w.grad.item() == 6.0 + 12.0


def test_a_traced_forward_pass_lets_gradients_through_to_what_it_closes_over():
    w = pb.tensor(np.array([1.0, 2.0]), requires_grad=True)
    predict = pb.trace(lambda x: pb.sum(w * x))
    for _ in range(2):
        w.grad = None
        (predict(np.array([3.0, 4.0])) * 10).backward()
        assert w.grad.tolist() == [30.0, 40.0]
    with pb.no_grad():
        assert not predict(np.array([3.0, 4.0])).requires_grad


def test_a_step_that_walked_its_own_graph_hands_out_plain_numbers():
    w = pb.value(2.0, dtype="float64")

    @pb.trace
    def step(x):
        w.grad = None
        loss = w * w * x
        loss.backward()
        return loss

    assert not step(np.float64(3.0)).requires_grad and w.grad.item() == 12.0


def test_a_traced_function_inside_a_traced_step():
    cell = Cell(np.float64(1.0), name="state")

    @pb.trace
    def inner(x):
        cell.write((pb.asarray(cell.read()) * x)._payload)
        return pb.sin(x)

    outer = pb.trace(lambda x: inner(x) + inner(2 * x))
    assert np.isclose(outer(np.float64(3.0)).item(), np.sin(3.0) + np.sin(6.0)) and cell.read() == 18.0


def test_python_numbers_stay_weak():
    x32, x64 = np.array([1.0], dtype=np.float32), np.array([1.0])
    steps = {
        "times": lambda x, n: x * n,
        "of a sum": lambda x, n: x * (n * 3.0 + 1),
        "mapped alone": lambda x, n: x * pb.exp(n),
        "mapped, then with a number": lambda x, n: x + pb.sqrt(n) * 2.0,
        "power": lambda x, n: x**n,
    }
    for name, step in steps.items():
        traced = pb.trace(step)
        for x in (x32, x64):
            for n in (0.1, 0.7, 3):
                eager, replayed = step(pb.tensor(x), n), traced(x, n)
                assert eager.dtype == replayed.dtype and eager.item() == replayed.item(), name
                symbol = traced.graph(x, n).outputs[0]
                assert symbol.dtype == eager.dtype, name


def test_freezing_in_turns_records_each_state_once():
    w, v = pb.value(2.0, dtype="float64"), pb.value(3.0, dtype="float64")

    @pb.trace
    def step():
        w.grad = None
        v.grad = None
        (w * v).backward()

    for _ in range(5):
        w.requires_grad_(False)
        step()
        assert v.grad.item() == 2.0 and w.grad is None
        w.requires_grad_(True)
        step()
        assert v.grad.item() == 2.0 and w.grad.item() == 3.0
    assert sum(len(g) for g in step.graphs.values()) == 2
    w.requires_grad_(False)
    assert w.grad.item() == 3.0  # freezing forgets nothing


def _with_detach(x):
    return pb.sum(x * x.detach())


def _with_no_grad(x):
    with pb.no_grad():
        a = x * 2
    return pb.sum(a * x)


@pytest.mark.parametrize("f", [_with_detach, _with_no_grad])
def test_what_a_traced_function_cuts_off_stays_cut_when_its_replay_is_differentiated(f):
    x, t = np.array([1.0, 2.0]), np.array([0.5, -1.0])
    traced = pb.trace(f)
    for _ in range(2):  # recording, and replaying
        assert pb.grad(traced)(x).tolist() == pb.grad(f)(x).tolist()
        assert pb.jvp(traced, (x,), (t,))[1].item() == pb.jvp(f, (x,), (t,))[1].item()
        gradients = []
        for g in (f, traced):
            leaf = pb.tensor(x, requires_grad=True)
            g(leaf).backward()
            gradients.append(leaf.grad.tolist())
        assert gradients[0] == gradients[1]


def test_the_detached_values_of_a_parameter_stay_detached_in_a_replay():
    w = pb.tensor(np.array([3.0, 4.0]), requires_grad=True)
    traced = pb.trace(lambda x: pb.sum(x * w * w.detach()))
    for _ in range(2):
        w.grad = None
        traced(np.array([1.0, 2.0])).backward()
        assert w.grad.tolist() == [3.0, 8.0]

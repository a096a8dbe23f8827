"""Compiled functions equal eager ones: steps of every optimiser, models of every kind, state and errors."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.compile.compiled import Compiled

from .programs import MODELS, OPTIMIZERS, training

STEPS = 12


def run(model, data, steps):
    """Losses of a step called on the batches in turn, and the parameters after it."""
    net, step = model
    pb.random.manual_seed(1)
    losses = [float(step(*data[i % len(data)])) for i in range(steps)]
    return losses, [p.numpy().copy() for p in net.parameters()]


def compare(build, data, steps, bound):
    (eager, step), (native, function) = build(), build()
    compiled = pb.compile(function)
    want, parameters = run((eager, step), data, steps)
    got, found = run((native, compiled), data, steps)
    np.testing.assert_allclose(got, want, rtol=bound)
    for p, q in zip(parameters, found, strict=True):
        np.testing.assert_allclose(q, p, rtol=0, atol=bound * max(1.0, float(np.abs(p).max())))
    return compiled


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_of_every_optimiser_equals_eager(name):
    build, data = training("mlp", OPTIMIZERS[name])
    compare(build, data, STEPS, 2e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_step_of_every_kind_of_model_equals_eager(name):
    # Not Adam: it makes steps of one size of gradients that are 0 but for rounding (a bias before a batch norm).
    build, data = training(name, lambda p: optim.SGD(p, lr=0.05, momentum=0.9))
    compare(build, data, STEPS, 1e-5)


def test_float64_equals_eager_to_twelve_digits():
    build, data = training("mlp", lambda p: optim.Adam(p, lr=1e-3), dtype=np.float64)
    compare(build, data, STEPS, 1e-12)


def test_two_runs_are_the_same_to_the_last_bit():
    build, data = training("cnn", lambda p: optim.SGD(p, lr=0.05, momentum=0.9))
    results = []
    for _ in range(2):
        net, function = build()
        results.append(run((net, pb.compile(function)), data, 6))
    assert results[0][0] == results[1][0]
    assert all(np.array_equal(p, q) for p, q in zip(results[0][1], results[1][1], strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_no_bit(threads):
    from pullback import threads as setting

    before = pb.get_num_threads()
    build, data = training("cnn", lambda p: optim.Adam(p, lr=1e-3))
    pb.set_num_threads(1)
    net, function = build()
    want = run((net, pb.compile(function)), data, 20)
    try:
        pb.set_num_threads(threads)
        net, function = build()
        got = run((net, pb.compile(function)), data, 20)
    finally:
        pb.set_num_threads(before)
        setting._cores = setting._available()
    assert got[0] == want[0]
    assert all(np.array_equal(p, q) for p, q in zip(got[1], want[1], strict=True))


def test_gradients_hessians_and_batches_are_compiled():
    w = np.random.default_rng(0).normal(size=5)

    def f(x):
        return pb.sum(pb.tanh(x * w) * x) + pb.prod(x[:2])

    x = np.linspace(-1, 1, 5)
    for transform in (pb.grad, pb.hessian, pb.jacobian):
        np.testing.assert_allclose(
            np.asarray(pb.compile(transform(f))(x)), np.asarray(transform(f)(x)), rtol=1e-12, atol=1e-13
        )
    xs = np.random.default_rng(1).normal(size=(3, 5))
    each = pb.vmap(pb.grad(f))
    np.testing.assert_allclose(np.asarray(pb.compile(each)(xs)), np.asarray(each(xs)), rtol=1e-12, atol=1e-13)


def test_a_loop_that_is_scanned_is_compiled():
    def f(x):
        return pb.scan(lambda c, v: (pb.tanh(c + v), c), pb.sum(x) * 0, x)[0]

    x = np.linspace(0, 1, 7)
    assert float(pb.compile(f)(x)) == pytest.approx(float(f(x)), rel=1e-14)


def test_a_new_shape_is_compiled_once_more_and_then_known():
    step = pb.compile(lambda x: pb.sum(x * 2))
    for _ in range(3):
        assert float(step(np.ones(4))) == 8
        assert float(step(np.ones(3))) == 6
    assert len(step.graphs) == 2


def test_too_many_shapes_are_an_error_that_says_what_to_do():
    step = pb.compile(lambda x: pb.sum(x), max_traces=2)
    step(np.ones(1))
    step(np.ones(2))
    with pytest.raises(pb.TraceError, match="recorded 2 times already"):
        step(np.ones(3))


def test_a_branch_on_a_traced_value_is_a_lesson():
    step = pb.compile(lambda x: x * 2 if pb.sum(x) > 0 else x)
    with pytest.raises(pb.TraceError, match="right:"):
        step(np.ones(2))


def test_inputs_are_never_changed_and_may_lie_as_they_like():
    step = pb.compile(lambda x: pb.sum(x * np.arange(6.0).reshape(2, 3)))
    base = np.arange(12.0).reshape(2, 6)
    want = float(np.sum(base[:, ::2] * np.arange(6.0).reshape(2, 3)))
    read_only = base[:, ::2].copy()
    read_only.flags.writeable = False
    backwards = base[:, ::2][::-1, ::-1].copy()[::-1, ::-1]
    big_endian = base[:, ::2].astype(">f8")
    for x in (base[:, ::2], read_only, backwards, big_endian, np.asfortranarray(base[:, ::2])):
        before = x.copy()
        assert float(step(x)) == want
        assert np.array_equal(x, before)


def test_results_are_the_callers_own():
    step = pb.compile(lambda x: x * 2)
    a = step(np.ones(3))
    b = step(np.zeros(3))
    assert a.tolist() == [2, 2, 2]
    assert b.tolist() == [0, 0, 0]


def test_whoever_holds_a_parameters_array_keeps_its_numbers():
    build, data = training("mlp", lambda p: optim.SGD(p, lr=0.1))
    net, function = build()
    step = pb.compile(function)
    step(*data[0])
    held = [p.numpy() for p in net.parameters()]
    view = held[0][:1]
    grads = [p.grad.numpy() for p in net.parameters()]
    before, grads_before = [h.copy() for h in held], [g.copy() for g in grads]
    for _ in range(3):
        step(*data[0])
    assert all(np.array_equal(h, b) for h, b in zip(held, before, strict=True))
    assert np.array_equal(view, before[0][:1])
    assert all(np.array_equal(g, b) for g, b in zip(grads, grads_before, strict=True))
    assert not np.array_equal(net.parameters().__iter__().__next__().numpy(), before[0])


def test_what_is_put_into_a_parameter_from_outside_is_seen():
    build, data = training("mlp", lambda p: optim.SGD(p, lr=0.1))
    (eager, step), (native, function) = build(), build()
    compiled = pb.compile(function)
    for _ in range(2):
        step(*data[0]), compiled(*data[0])
    for net in (eager, native):
        with pb.no_grad():
            for p in net.parameters():
                p.data = p.numpy() * 0.5
    assert float(compiled(*data[1])) == pytest.approx(float(step(*data[1])), rel=1e-6)


def test_a_setting_of_the_optimiser_changed_between_steps_counts():
    build, data = training("mlp", lambda p: optim.SGD(p, lr=0.1), keep=True)
    (_, step, a), (_, function, b) = build(), build()
    compiled = pb.compile(function)
    for i in range(6):
        if i == 3:
            a.lr = b.lr = 0.01
        assert float(compiled(*data[i % 2])) == pytest.approx(float(step(*data[i % 2])), rel=1e-5)
    assert len(compiled.graphs) == 1


def test_a_label_out_of_range_is_the_eager_error_and_changes_nothing():
    build, data = training("mlp", lambda p: optim.Adam(p, lr=0.1))
    net, function = build()
    step = pb.compile(function)
    step(*data[0])
    before = [p.numpy().copy() for p in net.parameters()]
    x, y = data[0]
    wrong = y.copy()
    wrong[3] = 99
    with pytest.raises(IndexError, match="label 99 at index"):
        step(x, wrong)
    assert all(np.array_equal(p.numpy(), b) for p, b in zip(net.parameters(), before, strict=True))
    step(x, y)


def test_an_exception_in_an_evaluation_changes_nothing():
    calls = []

    @pb.mapping
    def fragile(x):
        calls.append(1)
        if len(calls) > 3:
            raise RuntimeError("the plug was pulled")
        return x * 2

    fragile.derivative(lambda x, y: 2.0)
    weight = nn.Parameter(pb.tensor(np.ones(4)))
    optimizer = optim.SGD([weight], lr=0.1)

    def step(x):
        loss = pb.sum(fragile(weight * x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return pb.sum(fragile(weight)).detach()

    compiled = pb.compile(step)
    compiled(np.ones(4))
    before, grad = weight.numpy().copy(), weight.grad.numpy().copy()
    with pytest.raises(RuntimeError, match="plug"):
        for _ in range(4):
            before, grad = weight.numpy().copy(), weight.grad.numpy().copy()
            compiled(np.ones(4))
    assert np.array_equal(weight.numpy(), before)
    assert np.array_equal(weight.grad.numpy(), grad)


def test_inside_another_transform_it_is_what_the_function_is():
    f = pb.compile(lambda x: pb.sum(x**3))
    x = np.array([1.0, 2.0])
    f(x)
    np.testing.assert_allclose(np.asarray(pb.grad(f)(x)), 3 * x**2)
    np.testing.assert_allclose(np.asarray(pb.vmap(f)(np.stack([x, x + 1]))), [9.0, 35.0])


def test_a_tensor_that_wants_its_gradient_gets_it():
    f = pb.compile(lambda x: pb.sum(x * x))
    x = pb.tensor([1.0, 3.0], requires_grad=True)
    with pytest.warns(UserWarning, match="can be differentiated further"):
        f(x).backward()
    assert x.grad.tolist() == [2.0, 6.0]
    f(x).backward()
    assert x.grad.tolist() == [4.0, 12.0]
    with pb.no_grad():
        assert float(f(x)) == 10.0
    assert f.report().kernels


def test_the_report_names_kernels_mappings_modules_and_lines():
    build, data = training("mlp", lambda p: optim.SGD(p, lr=0.1))
    _, function = build()
    step = pb.compile(function)
    with pytest.raises(pb.TraceError, match="not run as native code yet"):
        step.report()
    step(*data[0])
    report = step.report()
    assert all(k.native for k in report.kernels)
    products = [k for k in report.kernels if "matmul" in k.mappings]
    assert any("tanh" in k.mappings for k in products)
    assert all("programs.py" in line for k in report.kernels for line in k.lines)
    assert "Sequential.0" in {m for k in products for m in k.module.split(", ")}
    assert report.arena > 0
    assert report.to_dict()["kernels"][0]["milliseconds"] >= 0
    assert "matmul" in str(report)


def test_plans_go_when_their_function_goes():
    step = pb.compile(lambda x: x + 1)
    step(np.ones(2))
    assert isinstance(step, Compiled)
    del step
    gc.collect()


@pytest.mark.parametrize("first", ["import pullback.compile.planning", "import pullback.train", "pass"])
def test_compile_can_be_called_whatever_was_imported_first(first):
    program = f"{first}\nimport pullback as pb\nprint(pb.compile(lambda x: x * 2)(pb.tensor([1.0, 2.0])).tolist())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[2.0, 4.0]"


def test_several_threads_may_call_one_function():
    build, data = training("mlp", lambda p: optim.SGD(p, lr=0.0))
    _, function = build()
    step = pb.compile(function)
    want = [float(step(*batch)) for batch in data]
    found: list[list[float]] = []

    def work():
        found.append([float(step(*data[i % 3])) for i in range(60)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(losses == [want[i % 3] for i in range(60)] for losses in found)


def test_short_rows_with_branches_in_them():
    """The sine of large numbers is reached by a jump, which several rows at a time cannot take together."""

    def f(x):
        return pb.where(pb.softmax(x) > 0.2, x, 0.7 * x) * pb.sin(pb.cos(x))

    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(np.asarray(pb.compile(f)(x)), np.asarray(f(pb.tensor(x))), rtol=1e-12)

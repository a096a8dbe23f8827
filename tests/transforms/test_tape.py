"""`backward()`, `.grad` and everything around them, as a user of PyTorch or of a micrograd would write it."""

import copy
import pickle
import threading

import numpy as np
import pytest

import pullback as pb


def example(x, y):
    return (x**2 + x * y) * y**3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_chain_rule_example(dtype):
    x, y = pb.value(1.0, dtype=dtype), pb.value(2.0, dtype=dtype)
    z = example(x, y)
    z.backward()
    assert (z.item(), x.grad.item(), y.grad.item()) == (24.0, 32.0, 44.0)
    assert x.grad.dtype == dtype
    gradient = pb.grad(example, argnums=(0, 1))(np.dtype(dtype).type(1), np.dtype(dtype).type(2))
    assert [g.item() for g in gradient] == [32.0, 44.0]
    one, zero = np.dtype(dtype).type(1), np.dtype(dtype).type(0)
    assert pb.jvp(example, (one, 2 * one), (one, zero))[1].item() == 32.0
    assert pb.jvp(example, (one, 2 * one), (zero, one))[1].item() == 44.0


def test_gradients_accumulate_and_are_none_before():
    x = pb.tensor([1.0, 2.0], requires_grad=True)
    assert x.grad is None
    (x * x).sum().backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0]
    x.grad = None
    assert x.grad is None
    x.grad = 0
    assert x.grad.tolist() == [0.0, 0.0]


def test_a_tensor_used_twice_and_diamonds():
    x = pb.value(3.0)
    y = x * x
    (y * y + y).backward()
    assert x.grad.item() == 4 * 27 + 6


def test_second_walk_over_a_freed_graph():
    x = pb.value(2.0)
    y = x * x * x
    y.backward()
    with pytest.raises(pb.FreedGraphError, match="retain_graph=True"):
        y.backward()
    z = x * x
    z.backward(retain_graph=True)
    z.backward()
    assert x.grad.item() == 12 + 4 + 4


def test_create_graph_gives_higher_derivatives():
    x = pb.tensor([1.0, 2.0], dtype="float64", requires_grad=True)
    (x**4).sum().backward(create_graph=True)
    first = x.grad
    assert first.requires_grad
    x.grad = None
    (first * first).sum().backward()
    assert np.allclose(x.grad.numpy(), 2 * 4 * np.array([1.0, 8]) * 12 * np.array([1.0, 4]))


def test_create_graph_equals_grad_of_grad():
    f = lambda x: pb.sum(pb.tanh(x) ** 3 / (1 + x * x))
    a = np.linspace(-1, 1, 5)
    x = pb.tensor(a, requires_grad=True)
    f(x).backward(create_graph=True)
    g = x.grad
    x.grad = None
    pb.sum(g * g).backward()
    want = pb.grad(lambda x: pb.sum(pb.grad(f)(x) ** 2))(a)
    assert np.allclose(x.grad.numpy(), want.numpy(), rtol=1e-12, atol=0)


def test_no_grad_detach_and_enable_grad():
    x = pb.value(2.0)
    with pb.no_grad():
        y = x * x
        with pb.enable_grad():
            z = x * x
        assert pb.grad(lambda t: t * t)(3.0).item() == 6.0
    assert not y.requires_grad and z.requires_grad
    (x * x.detach()).backward()
    assert x.grad.item() == 2.0

    @pb.no_grad()
    def f():
        return x * 2

    assert not f().requires_grad and not f().requires_grad and (x * 2).requires_grad


def test_an_error_inside_a_transform_leaves_no_trace():
    def bad(x):
        raise KeyError("mine")

    for transform in (pb.grad, pb.vmap, lambda f: lambda x: pb.jvp(f, (x,), (x,)), pb.checkpoint, pb.trace):
        with pytest.raises(KeyError, match="mine"):
            transform(bad)(np.ones(3))
        with pytest.raises(KeyError), pb.no_grad():
            bad(1)
        assert pb.grad(lambda x: x * x)(3.0).item() == 6.0
        assert (pb.value(1.0) * 2).requires_grad


def test_hooks_and_retain_grad():
    x = pb.value(2.0)
    y = x * 3
    seen = []
    remove = y.register_hook(lambda g: seen.append(g.item()))
    y.retain_grad()
    x.register_hook(lambda g: g * 10)
    (y * y).backward()
    assert seen == [12.0] and y.grad.item() == 12.0 and x.grad.item() == 360.0
    remove()
    (x * 3).backward()
    assert seen == [12.0]
    with pytest.raises(pb.ShapeError, match="hook must return"):
        x.register_hook(lambda g: pb.tensor([1.0, 2.0]))
        (x * x).backward()


def test_hooks_and_retain_grad_on_one_of_several_results():
    x = pb.tensor(np.array([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True)
    first, second = pb.unstack(x)
    seen = []
    remove = second.register_hook(lambda g: seen.append(g.tolist()))
    first.register_hook(lambda g: g * 10)
    second.retain_grad()
    pb.sum(first * 2 + second * second).backward()
    assert seen == [[6.0, 8.0]] and second.grad.tolist() == [6.0, 8.0] and first.grad is None
    assert x.grad.tolist() == [[20.0, 20.0], [6.0, 8.0]]
    remove()
    x.grad = None
    pb.sum(pb.unstack(x)[0]).backward()
    assert seen == [[6.0, 8.0]] and x.grad.tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_a_hook_on_the_single_result_of_a_mapping_that_may_have_several():
    x = pb.tensor(np.array([[1.0, 2.0]]), requires_grad=True)
    (row,) = pb.unstack(x)
    row.register_hook(lambda g: g + 5)
    row.retain_grad()
    pb.sum(row * row).backward(retain_graph=True)
    assert row.grad.tolist() == [7.0, 9.0] and x.grad.tolist() == [[7.0, 9.0]]
    loss = pb.sum(row * row)
    receipt = pb.explain(loss, x, index=(0, 1), lang="en")
    assert receipt.gradient == 9.0 and receipt.agrees and row.grad.tolist() == [7.0, 9.0]  # explaining writes nothing
    assert "(a hook)" in receipt.text()
    assert pb.explain(loss, row, index=0).gradient == 7.0


def test_hooks_on_parts_that_no_gradient_reaches_are_not_called():
    x = pb.tensor(np.ones((2, 2)), requires_grad=True)
    first, second = pb.unstack(x)
    second.register_hook(lambda g: pytest.fail("nothing arrives here"))
    pb.sum(first).backward()
    assert x.grad.tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_a_failing_way_back_names_the_forward_line_and_writes_nothing():
    x, w = pb.value(2.0), pb.value(3.0)

    def explode(g):
        raise ValueError("inside the hook")

    y = x * w
    y.register_hook(explode)
    with pytest.raises(ValueError, match="inside the hook"):
        (y * y).backward()
    assert x.grad is None and w.grad is None

    @pb.mapping
    def odd(x):
        return x * 1.0

    @odd.pullback
    def _(g, y, x):
        raise ZeroDivisionError("rule")

    z = odd(x)  # the line to be named
    with pytest.raises(ZeroDivisionError) as caught:
        z.backward()
    assert "the line to be named" in "".join(caught.value.__notes__)


def test_wrong_uses_of_backward():
    x = pb.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(pb.GradientError, match=r"shape \(2,\)"):
        (x * x).backward()
    (x * x).backward(pb.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2.0, 40.0]
    with pytest.raises(pb.ShapeError, match="must have the shape"):
        (x * x).backward(pb.tensor([1.0, 10.0, 3.0]))
    with pytest.raises(pb.GradientError, match="does not depend"):
        pb.tensor([1.0]).sum().backward()
    with pytest.raises(pb.DtypeError, match="real floating"):
        pb.tensor([1, 2], requires_grad=True)
    with pytest.raises(pb.DtypeError, match="no gradient"):
        pb.grad(lambda x: x * x)(3)
    with pytest.raises(pb.GradientError, match="one number"):
        pb.grad(lambda x: x * x)(np.ones(2))
    with pytest.raises(pb.GradientError, match=r"pb\.grad"):
        pb.vmap(lambda x: (x * x).backward())(np.ones(2))


def test_escaped_values_are_caught():
    kept = []
    for transform in (pb.grad, pb.vmap, pb.trace, lambda f: lambda x: pb.jvp(f, (x,), (x,))):
        kept.clear()
        transform(lambda x: kept.append(x * 2) or pb.sum(x))(np.ones(2))
        with pytest.raises(pb.EscapedValueError, match="has_aux"):
            kept[0] + 1


def test_in_place_is_right_or_refused():
    w = pb.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(pb.InPlaceError, match="no_grad"):
        w -= 1
    with pytest.raises(pb.InPlaceError, match=r"at\[i\]\.set"):
        (w * 2)[0] = 5.0
    loss = (w * w).sum()
    same = w
    with pb.no_grad():
        w -= 0.5 * w
        w[0] = 7.0
    assert same is w and w.tolist() == [7.0, 1.0] and w.requires_grad
    loss.backward()
    assert w.grad.tolist() == [2.0, 4.0]  # the graph kept the values it was recorded with
    y = (w * 2).at[0].set(1.0)
    y.sum().backward()
    assert y.tolist() == [1.0, 2.0] and w.grad.tolist() == [2.0, 6.0]
    w.data = w.data - 1
    assert w.tolist() == [6.0, 0.0]
    with pytest.raises(pb.ShapeError, match="expected the shape"):
        w.data = np.ones(3)


def test_arrays_given_out_cannot_be_written_to_and_inputs_are_copied():
    a = np.ones(3)
    t = pb.tensor(a)
    a[:] = 5
    assert t.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="read-only"):
        t.numpy()[0] = 3
    assert np.asarray(t, dtype=np.float32).dtype == np.float32


def test_gradients_never_share_memory():
    x, y = pb.tensor(np.ones(4), requires_grad=True), pb.tensor(np.ones(4), requires_grad=True)
    seed = np.ones(4)
    (x + y).backward(seed)
    assert not np.shares_memory(x.grad.numpy(), y.grad.numpy())
    assert not np.shares_memory(x.grad.numpy(), seed) and not np.shares_memory(y.grad.numpy(), seed)


def test_dtypes_follow_the_conventions():
    assert pb.tensor([1.0]).dtype == np.float32 and pb.tensor(np.array([1.0])).dtype == np.float64
    assert (pb.tensor([1.0]) * 2.0).dtype == np.float32 and pb.tensor([1]).dtype == np.int64
    x = pb.tensor([1.0], requires_grad=True)
    y = pb.tensor(np.array([2.0]), requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.dtype == np.float32 and y.grad.dtype == np.float64
    pb.set_default_dtype("float64")
    try:
        assert pb.value(1.0).dtype == np.float64
    finally:
        pb.set_default_dtype("float32")
    with pytest.raises(TypeError, match="float"):
        pb.set_default_dtype("int32")


def test_a_derivative_is_not_lost_silently():
    for transform in (pb.grad, lambda f: lambda x: pb.jvp(f, (x,), (x,))):
        with pytest.raises(pb.GradientError, match="lose its derivative"):
            transform(lambda x: pb.sum(pb.tensor(np.asarray(x)) * x))(np.ones(2))
    assert pb.grad(lambda x: x * float(x))(3.0).item() == 3.0  # asked for: a number is a constant


def test_big_endian_read_only_strided_inputs():
    base = np.arange(12.0).reshape(3, 4)
    odd = base.astype(">f8")[::-1, ::2]
    odd.flags.writeable = False
    gradient = pb.grad(lambda x: pb.sum(x * x * x))(odd)
    assert np.allclose(gradient.numpy(), 3 * base[::-1, ::2] ** 2) and gradient.dtype == np.float64


def test_threads_do_not_see_each_other():
    answers = {}

    def work(i):
        x = pb.value(float(i))
        with pb.no_grad() if i % 2 else pb.enable_grad():
            for _ in range(50):
                y = x * x
            answers[i] = (y.requires_grad, pb.grad(lambda t: t * t * i)(2.0).item())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert answers == {i: (i % 2 == 0, 4.0 * i) for i in range(6)}


def test_a_deep_chain_neither_recurses_nor_breaks():
    x = pb.value(1.0, dtype="float64")
    y = x
    for _ in range(100_000):
        y = y * 1.00001
    y.backward()
    assert np.isclose(x.grad.item(), 1.00001**100_000, rtol=1e-9)
    y = x
    for _ in range(100_000):
        y = -y
    del y  # a graph that is dropped unwalked is freed without recursion


@pytest.mark.slow
def test_a_chain_of_a_million_mappings():
    x = pb.value(1.0, dtype="float64")
    y = x
    for _ in range(1_000_000):
        y = y * 1.000001
    y.backward()
    assert np.isclose(x.grad.item(), 1.000001**1_000_000, rtol=1e-8)


def test_copies_and_pickles():
    x = pb.tensor([1.0], requires_grad=True)
    y = copy.deepcopy(x)
    assert y.requires_grad and y is not x and y.tolist() == [1.0]
    with pytest.raises(pb.GradientError, match="leaf"):
        copy.copy(x * 2)
    with pytest.raises(TypeError, match=r"pullback\.save"):
        pickle.dumps(x)


def test_conversions_and_truth():
    x = pb.tensor([[1.0, 2.0]])
    assert (len(x), x.size, x.ndim, x.T.shape) == (1, 2, 2, (2, 1))
    with pytest.raises(pb.ShapeError, match=r"pb\.any"):
        bool(x)
    with pytest.raises(pb.ShapeError, match="one element"):
        x.item()
    assert float(pb.value(2.5)) == 2.5 and f"{pb.value(2.5):.2f}" == "2.50"
    assert [1, 2, 3][pb.tensor(1)] == 2
    with pytest.raises(TypeError, match="integer"):
        [1, 2][pb.value(1.0)]
    assert (x == None) is False  # noqa: E711  # what a user may type
    with pytest.raises(ValueError, match="cpu"):
        x.to("cuda")
    assert x.to("cpu") is x and x.to("float64").dtype == np.float64
    assert "made by multiply" in repr(pb.value(2.0) * 3) and "requires_grad=True" in repr(pb.value(2.0))


def test_a_node_knows_its_module_and_line_and_keeps_values_when_asked():
    from pullback import nn

    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    y = net(pb.tensor([1.0, 2.0]))
    assert y._link.scope == (net, net[1]) and y._link.origin[0] == __file__
    w = pb.tensor(np.ones(3), requires_grad=True)
    assert isinstance((w + np.arange(3.0))._link.inputs[1], np.ndarray)  # a constant stays: it costs nothing
    assert not isinstance((w + np.arange(3.0))._link.inputs[0], np.ndarray)
    with pb.keep_values():
        z = w + np.arange(3.0)
    assert z._link.inputs[0].tolist() == [1.0, 1.0, 1.0] and z._link.output.tolist() == [1.0, 2.0, 3.0]
    z.sum().backward()
    assert w.grad.tolist() == [1.0, 1.0, 1.0]

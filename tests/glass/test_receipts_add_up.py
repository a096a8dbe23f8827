"""Reference programs, and gradients sampled from them: the rows of a receipt add up to the engine's gradient,
and finite differences agree or the kink in between is named.

Each program builds a loss from a random generator, and lists the tensors to ask about.
"""

import math

import numpy as np
import pytest

import pullback as pb
from pullback import nn
from pullback.core import space
from pullback.glass import cotangents
from pullback.glass.history import History
from pullback.glass.scene import Scene
from pullback.transforms.walk import walk_back

SUM = {np.float64: 1e-10, np.float32: 1e-5}
"""How far the sum may be from the engine's gradient, relative to the gradient."""
ROUNDING = 16
"""How many of the dtype's units the rounding may be, relative to the sum of the absolute products: no more can hide
in it than what float arithmetic does to them."""


def leaf(rng, *shape, dtype, low=-1.0, high=1.0):
    return pb.tensor(rng.uniform(low, high, shape).astype(dtype), requires_grad=True)


def scalar_expression(rng, dtype):
    x, y = leaf(rng, dtype=dtype, low=0.5, high=2), leaf(rng, dtype=dtype, low=0.5, high=2)
    return (x**2 + x * y) * y**3, [x, y]


def scalar_functions(rng, dtype):
    x, y, z = (leaf(rng, dtype=dtype, low=0.3, high=1.5) for _ in range(3))
    a = pb.sin(x) * pb.exp(y) / (1 + z * z)
    b = pb.log(x + y) + pb.sqrt(z) - a
    return pb.tanh(a * b) + a / (b * b + 1) + x, [x, y, z, a]


def dataset(rng, dtype, n, features, classes):
    return pb.tensor(rng.normal(size=(n, features)).astype(dtype)), pb.tensor(rng.integers(0, classes, n))


def module(rng, net, dtype):
    net.to(dtype)
    for p in net.parameters():
        p.data = rng.normal(size=p.shape, scale=0.6).astype(dtype)
    return net


def mlp(rng, dtype):
    x, t = dataset(rng, dtype, 6, 4, 3)
    net = module(rng, nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)), dtype)
    return nn.CrossEntropyLoss()(net(x), t), list(net.parameters())


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        x = x + pb.relu(self.first(x))
        x = x + pb.relu(self.second(x))
        return self.last(x)


def residual_mlp(rng, dtype):
    x, t = dataset(rng, dtype, 5, 4, 2)
    net = module(rng, Residual(), dtype)
    return nn.CrossEntropyLoss()(net(x), t), list(net.parameters())


def embedding(rng, dtype):
    table, w = leaf(rng, 7, 3, dtype=dtype), leaf(rng, 3, dtype=dtype)
    ids = rng.integers(0, 7, (4, 5))
    rows = pb.take(table, ids, axis=0)
    scores = pb.mean(rows, axis=1) @ w
    return pb.mean(pb.softplus(-scores)), [table, w]


def second_order(rng, dtype):
    w, v, x = leaf(rng, 3, dtype=dtype), leaf(rng, 3, dtype=dtype), rng.normal(size=(4, 3)).astype(dtype)

    def energy(w):
        return pb.sum(pb.tanh(x @ (w * v)) ** 2)

    g = pb.grad(energy)(w)
    return energy(w) + pb.sum(g * g), [w, v]


def batched(rng, dtype):
    w, xs = leaf(rng, 3, 2, dtype=dtype), rng.normal(size=(5, 3)).astype(dtype)
    losses = pb.vmap(lambda x: pb.logsumexp(x @ w) ** 2)(xs)
    return pb.mean(losses), [w]


@pb.mapping
def cube(x):
    return x**3


@cube.derivative
def _(x, y):
    return 3 * x**2


@pb.mapping
def rotate(a, b):
    return np.stack([a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]])


@rotate.pullback
def _(g, y, a, b):
    return (
        pb.stack([g[0] * b[0] + g[1] * b[1], g[1] * b[0] - g[0] * b[1]]),
        pb.stack([g[0] * a[0] + g[1] * a[1], g[1] * a[0] - g[0] * a[1]]),
    )


def user_mapping(rng, dtype):
    a, b = leaf(rng, 2, dtype=dtype), leaf(rng, 2, dtype=dtype)
    return pb.sum(cube(rotate(a, cube(b)))) + pb.sum(a * b), [a, b]


def forward_mode(rng, dtype):
    w, x, t = leaf(rng, 3, dtype=dtype), leaf(rng, 3, dtype=dtype), rng.normal(size=3).astype(dtype)
    y, slope = pb.jvp(lambda x: pb.sum(pb.sin(w * x) * x), (x,), (pb.tensor(t),))
    return y * slope + pb.exp(slope / 4), [w, x]


def attention(rng, dtype):
    q, k, v = (leaf(rng, 4, 3, dtype=dtype) for _ in range(3))
    weights = pb.softmax(pb.einsum("id,jd->ij", q, k), axis=-1)
    return pb.sum(pb.einsum("ij,jd->id", weights, v) ** 2), [q, k, v]


def reductions(rng, dtype):
    x = leaf(rng, 3, 4, dtype=dtype)
    parts = [
        pb.logsumexp(x, axis=1),
        pb.max(x, axis=1),
        pb.std(x, axis=1),
        pb.norm(x, axis=1),
        pb.prod(x, axis=1),
        pb.cumulative_sum(x, axis=1)[:, -2],
    ]
    total = parts[0] * 0
    for i, part in enumerate(parts):
        total = total + (i + 1) * part
    return pb.sum(total**2), [x, total]


def shapes_and_choices(rng, dtype):
    a, b = leaf(rng, 3, 4, dtype=dtype), leaf(rng, 4, dtype=dtype)
    joined = pb.concat([a, pb.reshape(b * b, (1, 4))], axis=0)[1:, ::2]
    chosen = pb.where(joined > 0, joined, pb.exp(joined))
    bent = pb.clip(chosen * 1.5, -0.4, 0.9) + pb.abs(chosen) + pb.maximum(chosen, pb.permute_dims(b[:2], (0,)))
    return pb.sum(bent * pb.broadcast_to(b[2:], bent.shape)), [a, b, joined]


def recurrence(rng, dtype):
    w, u = leaf(rng, 3, 3, dtype=dtype), leaf(rng, 2, 3, dtype=dtype)
    xs, h = rng.normal(size=(12, 2)).astype(dtype), pb.zeros(3, dtype=dtype)
    for x in xs:
        h = pb.tanh(h @ w + x @ u)
    return pb.sum(h**2), [w, u, h]


def checkpointed(rng, dtype):
    w, x = leaf(rng, 3, 3, dtype=dtype), rng.normal(size=(4, 3)).astype(dtype)
    block = pb.checkpoint(lambda h: pb.sigmoid(h @ w) * h)
    return pb.sum(block(block(pb.tensor(x)))), [w]


def convolution(rng, dtype):
    x, t = rng.normal(size=(3, 1, 6, 6)).astype(dtype), pb.tensor(rng.integers(0, 2, 3))
    kernel, bias, w = leaf(rng, 2, 1, 3, 3, dtype=dtype), leaf(rng, 2, dtype=dtype), leaf(rng, 2, 8, dtype=dtype)
    h = pb.relu(pb.conv2d(pb.tensor(x), kernel, bias))
    h = pb.flatten(pb.max_pool2d(h, 2), 1)
    return nn.CrossEntropyLoss()(pb.linear(h, w), t), [kernel, bias, w]


def batch_normalised(rng, dtype):
    x, t = dataset(rng, dtype, 6, 4, 3)
    net = module(rng, nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3)), dtype)
    return nn.CrossEntropyLoss()(net(x), t), list(net.parameters())


def multihead_attention(rng, dtype):
    x = pb.tensor(rng.normal(size=(2, 3, 4)).astype(dtype), requires_grad=True)
    block = module(rng, nn.MultiheadAttention(4, 2, batch_first=True), dtype)
    norm = module(rng, nn.LayerNorm(4), dtype)
    y = norm(x + block(x, x, x)[0])
    return pb.mean(y**2 * pb.tensor(rng.normal(size=(2, 3, 4)).astype(dtype))), [x, *block.parameters()]


def lstm(rng, dtype):
    x = pb.tensor(rng.normal(size=(4, 2, 3)).astype(dtype))
    net = module(rng, nn.LSTM(3, 4), dtype)
    y, (_, c) = net(x)
    return pb.sum(y[-1] ** 2) + pb.mean(c), list(net.parameters())


PROGRAMS = {
    f.__name__: f
    for f in (
        scalar_expression, scalar_functions, mlp, residual_mlp, embedding, second_order, batched, user_mapping,
        forward_mode, attention, reductions, shapes_and_choices, recurrence, checkpointed,
        convolution, batch_normalised, multihead_attention, lstm,
    )
}  # fmt: skip


def equal(gradient, total, dtype):
    return abs(gradient - total) <= SUM[dtype] * abs(gradient)


def small(rounding, magnitude, dtype):
    return abs(rounding) <= ROUNDING * np.finfo(dtype).eps * magnitude


def sampled(rng, tensors):
    """Return a tensor and one of its elements, at random."""
    x = tensors[int(rng.integers(len(tensors)))]
    return x, tuple(int(rng.integers(n)) for n in x.shape)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", PROGRAMS)
def test_receipts_add_up_and_are_checked(name, dtype):
    rng = np.random.default_rng(7)
    for _ in range(2):
        loss, tensors = PROGRAMS[name](rng, dtype)
        for _ in range(3):
            x, index = sampled(rng, tensors)
            receipt = pb.explain(loss, x, index=index, lang="en")
            products = [row.product for row in receipt.rows]
            magnitude = sum(map(abs, products)) + abs(receipt.rows_omitted_total)
            assert receipt.agrees, receipt
            assert equal(receipt.gradient, receipt.total, dtype), receipt
            assert small(receipt.rounding, magnitude, dtype), receipt
            whole = math.fsum([*products, receipt.rows_omitted_total, receipt.rounding])
            assert whole == pytest.approx(receipt.total, rel=1e-12, abs=1e-15 * magnitude)
            assert receipt.check.verdict in ("agrees", "kink"), receipt
            for step in receipt.steps:  # what arrives at a step is the sum of what its readers sent
                if step.rows and not step.rows_omitted:
                    parts = [row.product for row in step.rows]
                    assert small(step.incoming - math.fsum(parts), sum(map(abs, parts)), dtype), step
            assert receipt.text() and receipt.to_dict()
        before = [x.grad for x in tensors]
        loss.backward(retain_graph=True)
        for x, old in zip(tensors, before, strict=True):
            if x.is_leaf:
                index = tuple(int(rng.integers(n)) for n in x.shape)
                assert old is None  # explaining writes nothing
                assert pb.explain(loss, x, index=index, check=False, lang="en").gradient == x.grad.numpy()[index]
                x.grad = None


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_thousand_gradients_of_each_program(name, dtype):
    rng = np.random.default_rng(11)
    verdicts = {"agrees": 0, "kink": 0}
    for _ in range(20):
        loss, tensors = PROGRAMS[name](rng, dtype)
        history = History(loss._link)
        scenes = [Scene(history, loss, x._link, "en") for x in tensors]
        for _ in range(50):
            scene = scenes[int(rng.integers(len(scenes)))]
            index = tuple(int(rng.integers(n)) for n in np.shape(scene.array))
            figures = scene.figures(index)
            assert figures.agrees
            assert equal(figures.gradient, figures.total, dtype), (name, index, figures)
            edges = figures.edges
            assert small(figures.total - edges.total, edges.magnitude, dtype), (name, index, figures)
            assert figures.check.why is None, (name, index, figures)  # no rounding is called for
            verdicts[figures.check.verdict] += 1
            for kink in figures.check.kinks:
                assert kink.words and kink.origin.line
    assert sum(verdicts.values()) == 1000 and verdicts["kink"] <= 5


def on_a_grid(rng, dtype):
    """Numbers of which many are exactly at the kinks of what reads them: ties, zeros, ends of an interval."""
    x, y = (pb.tensor(rng.integers(-1, 2, (4, 3)).astype(dtype), requires_grad=True) for _ in range(2))
    c = rng.uniform(0.5, 2, (5, 4, 3)).astype(dtype)
    parts = [pb.relu(x) * c[0], pb.abs(x - y) * c[1], pb.maximum(x, y) * c[2], pb.hardtanh(x * y + x) * c[3]]
    return sum(map(pb.sum, parts)) + pb.sum(pb.max(x, axis=1) * c[4, :, 0]), [x, y]


def bends(x, y, moved, index):
    """Whether the program bends at an element, worked out from the numbers by hand."""
    at_x, at_y, row = x[index], y[index], x[index[0]]
    if moved == "x":
        tied = at_x == row.max() and (row == row.max()).sum() > 1
        return at_x == 0 or at_x == at_y or (abs(at_x * at_y + at_x) == 1 and at_y != -1) or tied
    return at_x == at_y or (abs(at_x * at_y + at_x) == 1 and at_x != 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_exactly_at_a_kink_it_is_named_and_elsewhere_differences_agree(dtype):
    rng = np.random.default_rng(5)
    counts = {"agrees": 0, "kink": 0}
    for _ in range(4):
        loss, (x, y) = on_a_grid(rng, dtype)
        history = History(loss._link)
        for name, tensor in (("x", x), ("y", y)):
            scene = Scene(history, loss, tensor._link, "en")
            for index in np.ndindex(4, 3):
                figures = scene.figures(index)
                assert figures.agrees and equal(figures.gradient, figures.total, dtype)
                expected = "kink" if bends(x.numpy(), y.numpy(), name, index) else "agrees"
                assert figures.check.verdict == expected, (name, index, x, y, figures.check)
                assert (expected == "kink") == bool(figures.check.kinks) == figures.check.here
                assert all(kink.words and kink.origin.line for kink in figures.check.kinks)
                counts[expected] += 1
    assert min(counts.values()) >= 20, counts


def test_where_the_products_cancel_the_rounding_has_a_line_of_its_own():
    w = pb.tensor(np.float32(1), requires_grad=True)
    x = np.array([0.1, 0.2, -0.3], np.float32)  # 0.1 + 0.2 - 0.3 is 0 in float32, and -7.45e-9 of these numbers
    loss = pb.sum(w * x)
    receipt = pb.explain(loss, w, lang="en")
    loss.backward(retain_graph=True)
    exact = math.fsum(x.astype(float))
    assert receipt.total == receipt.gradient == w.grad.item() != exact
    assert math.fsum(row.product for row in receipt.rows) == exact and receipt.rounding == receipt.total - exact
    assert "rounding to float32, on the way and in adding up: 7.45e-9" in receipt.text("en")
    assert "rounding to" not in pb.explain(pb.sum(w * x**2), w, lang="en").text()  # too small to be seen


def test_an_engine_that_loses_a_contribution_is_found_out(monkeypatch):
    x, y = (pb.tensor(np.float64(v), requires_grad=True) for v in (2.0, 3.0))
    loss = x * y + pb.sin(x)
    assert pb.explain(loss, x).agrees

    def forgetful(*args, **settings):
        with monkeypatch.context() as patch:
            patch.setattr(space, "add", lambda a, b: b if a is None else a)
            return walk_back(*args, **settings)

    monkeypatch.setattr(cotangents, "walk_back", forgetful)
    receipt = pb.explain(loss, x, lang="en")
    assert receipt.gradient in (3.0, np.cos(2.0)) and not receipt.agrees
    assert receipt.total == pytest.approx(3 + np.cos(2), rel=1e-15) and receipt.check.verdict == "differs"
    assert "✗" in receipt.text()

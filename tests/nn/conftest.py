"""Layers held against PyTorch's of the same name and the same weights, and to the laws that hold for every layer."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn


def tensors_of(y):
    """The tensors among what a layer returns, nested tuples and None included."""
    if y is None:
        return []
    return [x for part in y for x in tensors_of(part)] if isinstance(y, tuple | list) else [y]


def weighted(y, weights):
    """The sum of all elements of all results, each with a weight of its own."""
    return sum((part * w).sum() for part, w in zip(tensors_of(y), weights, strict=True))


@pytest.fixture
def like_torch(agreement):
    """Hold value, gradients and second derivatives of a layer against PyTorch's, both in float64."""
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def compare(ours, theirs, inputs, options=None, their_options=None, *, name=None, steps=1, second=True, **limit):
        rng = np.random.default_rng(0)
        name = name or type(ours).__name__
        options = options or {}
        ours, theirs = ours.double(), theirs.double()
        ours.load_state_dict({path: x.numpy() for path, x in theirs.state_dict().items()})
        assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
        assert list(ours.state_dict()) == list(theirs.state_dict())
        for _ in range(steps):  # state such as running statistics goes along
            mine = [pb.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
            other = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
            have, want = ours(*mine, **options), theirs(*other, **(options if their_options is None else their_options))
            pairs = [(a, b) for a, b in zip(tensors_of(have), tensors_of(want), strict=True)]
            for a, b in pairs:
                agreement.compare("layer", name, "value", a, b)
            weights = [rng.normal(size=a.shape) for a, _ in pairs]
            leaves = [x for x in [*mine, *ours.parameters()] if x.requires_grad]
            their_leaves = [x for x in [*other, *theirs.parameters()] if x.requires_grad]
            for leaf in leaves:
                leaf.grad = None
            weighted(have, weights).backward(create_graph=second)
            grads = torch.autograd.grad(
                weighted(want, [torch.tensor(w) for w in weights]), their_leaves, create_graph=second, allow_unused=True
            )
            scale = max(float(b.detach().abs().max()) for b in grads if b is not None)
            kept = []
            for leaf, b in zip(leaves, grads, strict=True):
                b = torch.zeros(leaf.shape, dtype=torch.float64) if b is None else b
                a = np.zeros(leaf.shape) if leaf.grad is None else leaf.grad
                if float(b.detach().abs().max()) > 1e-9 * scale:
                    agreement.compare("layer", name, "gradient", a, b, **limit)
                else:  # a gradient that is 0 but for rounding
                    assert np.abs(np.asarray(a)).max() <= 1e-12 * scale
                kept.append((leaf.grad, b))
            if second and any(b.grad_fn is not None for _, b in kept):
                vs = [rng.normal(size=leaf.shape) for leaf in leaves]
                one = sum((a * v).sum() for (a, _), v in zip(kept, vs, strict=True) if a is not None)
                two = sum((b * torch.tensor(v)).sum() for (_, b), v in zip(kept, vs, strict=True))
                for leaf in leaves:
                    leaf.grad = None
                if getattr(one, "requires_grad", False):  # else the layer is linear
                    one.backward()
                seconds = torch.autograd.grad(two, their_leaves, allow_unused=True)
                scale = max((float(b.abs().max()) for b in seconds if b is not None), default=0) or 1
                error = 0.0
                for leaf, b in zip(leaves, seconds, strict=True):
                    a = np.zeros(leaf.shape) if leaf.grad is None else np.asarray(leaf.grad)
                    error = max(error, float(np.abs(a - (0 if b is None else b.numpy())).max()) / scale)
                agreement("layer", name, "second order", error)
            for a, b in zip(ours.buffers(), theirs.buffers(), strict=True):
                agreement.compare("layer", name, "state", a, b)

    math = torch.nn.attention.SDPBackend.MATH  # the only one of its kernels that has second derivatives
    with torch.nn.attention.sdpa_kernel(math):
        yield compare
    torch.set_num_threads(threads)


@pytest.fixture
def laws():
    """Hold a layer, as a function of its parameters and inputs, to what holds for every layer.

    `active`: the inputs that vary; all floating ones unless given. `seeded`: the layer draws at random, the same in
    every call. `turned`: the batch is made of the inputs in another order, where other numbers would make no sense.
    """

    def hold(layer, *inputs, options=None, batched=True, seed=0, active=None, seeded=False, turned=False):
        rng = np.random.default_rng(seed)
        options = options or {}
        layer = layer.double()
        parameters = {path: p.numpy().copy() for path, p in layer.named_parameters()}
        if active is None:
            active = [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]
        copies = [x.copy() for x in inputs]

        def results(parameters, *xs):
            given = list(inputs)
            for i, x in zip(active, xs, strict=True):
                given[i] = x
            if seeded:
                pb.random.manual_seed(seed)
            return tensors_of(nn.functional_call(layer, parameters, *given, **options))

        values = [np.asarray(y) for y in results(parameters, *[inputs[i] for i in active])]
        weights = [rng.normal(size=y.shape) for y in values]

        def loss(parameters, *xs):
            return weighted([pb.sin(y) for y in results(parameters, *xs)], weights)

        xs = [inputs[i] for i in active]
        everything = tuple(range(1 + len(xs)))
        gradient = pb.grad(loss, argnums=everything)(parameters, *xs)
        tangents = (
            {k: rng.normal(size=p.shape) for k, p in parameters.items()},
            *(rng.normal(size=x.shape) for x in xs),
        )
        flat = lambda t: [*t[0].values(), *t[1:]]
        inner = lambda a, b: sum(
            float(np.sum(np.asarray(u) * np.asarray(v))) for u, v in zip(flat(a), flat(b), strict=True)
        )

        # forward mode: the tangent of the loss is ⟨gradient, tangent⟩
        _, slope = pb.jvp(loss, (parameters, *xs), tangents)
        size = sum(
            float(np.sum(np.abs(np.asarray(u) * v))) for u, v in zip(flat(gradient), flat(tangents), strict=True)
        )
        assert abs(float(slope) - inner(gradient, tangents)) <= 1e-12 * size

        # second order: forward over reverse is the difference of gradients along the tangent
        _, hvp = pb.jvp(lambda *a: pb.grad(loss, argnums=everything)(*a), (parameters, *xs), tangents)
        step = 1e-5

        def moved(sign):
            ps = {k: p + sign * step * tangents[0][k] for k, p in parameters.items()}
            return pb.grad(loss, argnums=everything)(
                ps, *(x + sign * step * t for x, t in zip(xs, tangents[1:], strict=True))
            )

        up, down = moved(1), moved(-1)
        numeric = [(np.asarray(a) - np.asarray(b)) / (2 * step) for a, b in zip(flat(up), flat(down), strict=True)]
        scale = max(float(np.abs(n).max(initial=0.0)) for n in numeric) + 1e-3
        for a, n in zip(flat(hvp), numeric, strict=True):
            np.testing.assert_allclose(np.asarray(a), n, rtol=1e-5, atol=1e-6 * scale)

        # per-sample gradients: vmap is a loop
        if batched and xs:
            several = [np.stack([x, x[::-1], np.roll(x, 1, 0)] if turned else [x, x[::-1] * 0.5, -x]) for x in xs]
            together = pb.vmap(pb.grad(loss, argnums=everything), in_axes=(None, *(0 for _ in xs)))(
                parameters, *several
            )
            for k in range(3):
                alone = pb.grad(loss, argnums=everything)(parameters, *(x[k] for x in several))
                for a, b in zip(flat(together), flat(alone), strict=True):
                    b = np.asarray(b)
                    np.testing.assert_allclose(
                        np.asarray(a)[k], b, rtol=1e-10, atol=1e-11 * (1 + np.abs(b).max(initial=0.0))
                    )

        # a traced step is the eager one, bit for bit
        def step_of(*xs):
            layer.zero_grad()
            if not parameters:
                value = lambda *xs: weighted(tensors_of(layer(*xs, **options)), weights)
                if not active:
                    return (value(*xs),)
                return pb.value_and_grad(value, argnums=tuple(active))(*xs)[1]
            y = tensors_of(layer(*xs, **options))
            weighted(y, weights).backward()
            return (*y, *(p.grad for p in layer.parameters() if p.grad is not None))

        state = {path: b.numpy().copy() for path, b in layer.state_dict().items()}
        pb.random.manual_seed(1)
        eager = [[np.asarray(y) for y in step_of(*map(pb.tensor, inputs))] for _ in range(2)]
        layer.load_state_dict(state)
        pb.random.manual_seed(1)
        traced = pb.trace(step_of)
        for want in eager:
            for a, b in zip(traced(*map(pb.tensor, inputs)), want, strict=True):
                np.testing.assert_array_equal(np.asarray(a), b)
        layer.load_state_dict(state)

        # read-only and strided inputs give the same, and none is modified
        locked = [x.copy() for x in inputs]
        for x in locked:
            x.flags.writeable = False
        strided = [np.repeat(x[..., None], 2, axis=-1)[..., 1] for x in inputs]
        backwards = [x[::-1].copy()[::-1] for x in inputs]
        for version in (locked, strided, backwards):
            if seeded:
                pb.random.manual_seed(seed)
            for a, b in zip(tensors_of(layer(*version, **options)), values, strict=True):
                np.testing.assert_allclose(np.asarray(a), b, rtol=1e-13, atol=1e-14 * (1 + np.abs(b).max(initial=0)))
            layer.load_state_dict(state)
        for a, b in zip(inputs, copies, strict=True):
            np.testing.assert_array_equal(a, b)

    return hold

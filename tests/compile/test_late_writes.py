"""State that cannot be written where it lies: beside it and copied at the end, or in turn where that is much."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import pullback as pb
from pullback import nn, optim
from pullback.compile import late

rng = np.random.default_rng(3)
BATCHES = [(rng.random((16, 6), dtype=np.float32), rng.integers(0, 5, 16)) for _ in range(3)]
WRONG = np.full((16, 6), np.inf, np.float32)
STEPS = 10  # enough for a call to take the shortest way in


@pytest.fixture(params=["copied", "in turn"])
def copied(request, monkeypatch):
    """Whether plans copy what they may; those that are on disk do."""
    monkeypatch.setenv("PULLBACK_CACHE", "")
    if request.param == "in turn":
        monkeypatch.setattr(late, "LITTLE", -1)
    return request.param == "copied"


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"], autouse=True)
def threads(request):
    before = pb.get_num_threads()
    pb.set_num_threads(request.param)
    yield
    pb.set_num_threads(before)


def clipped(strict, make=lambda p: optim.Adam(p, lr=1e-2)):
    """Return a model and its step: the norm of all gradients is known late, and the last bias is updated with it."""
    pb.random.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5))
    optimizer, loss_of = make(model.parameters()), nn.CrossEntropyLoss()

    def step(x, labels):
        optimizer.zero_grad()
        loss = loss_of(model(x), labels)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.2, error_if_nonfinite=strict)
        optimizer.step()
        return loss.detach(), norm

    return model, step


def state(model):
    return [np.array(x) for p in model.parameters() for x in (p, p.grad) if x is not None]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("make", [lambda p: optim.Adam(p, lr=1e-2), lambda p: optim.SGD(p, lr=0.1, momentum=0.9)])
def test_a_step_that_clips_equals_eager(copied, strict, make):
    (model, step), (ours, native) = clipped(strict, make), clipped(strict, make)
    native = pb.compile(native)
    for i in range(STEPS):
        wanted, found = step(*BATCHES[i % 3]), native(*BATCHES[i % 3])
        np.testing.assert_allclose(np.stack(found), np.stack(wanted), rtol=1e-5)
    for p, q in zip(state(model), state(ours), strict=True):
        np.testing.assert_allclose(q, p, rtol=0, atol=1e-5)
    assert bool(native.last.swapped) != copied, "the step is one of those that this is about"
    assert (native._enter is not None) == copied


def test_a_late_error_leaves_everything_as_it_was(copied):
    model, step = clipped(True)
    native = pb.compile(step)
    for _ in range(3):
        for i in range(STEPS):
            native(*BATCHES[i % 3])
        assert (native._enter is not None) == copied
        before = state(model)
        with np.errstate(all="ignore"), pytest.raises(ValueError, match="cannot be clipped"):
            native(WRONG, BATCHES[0][1])
        assert all(np.array_equal(a, b) for a, b in zip(before, state(model), strict=True))


def test_who_looks_at_a_value_keeps_what_is_seen(copied):
    model, step = clipped(False)
    native = pb.compile(step)
    for i in range(STEPS):
        held = [p.numpy() for p in model.parameters()]
        before = [np.array(x) for x in held]
        native(*BATCHES[i % 3])
        assert all(np.array_equal(a, b) for a, b in zip(before, held, strict=True))
        assert not any(np.array_equal(a, p.numpy()) for a, p in zip(before, model.parameters(), strict=True))


def test_what_is_much_is_not_copied(monkeypatch):
    monkeypatch.setenv("PULLBACK_CACHE", "")
    monkeypatch.setattr(late, "LITTLE", 3 * 5 * 4)
    native = pb.compile(clipped(False)[1])
    native(*BATCHES[0])
    assert not native.last.swapped, "a bias of five numbers and its two slots are as much as is copied"
    monkeypatch.setattr(late, "LITTLE", 3 * 5 * 4 - 1)
    native = pb.compile(clipped(False)[1])
    native(*BATCHES[0])
    assert native.last.swapped


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_values_that_are_read_after_their_successors_are_made(copied, kind):
    dtype = np.dtype(kind)
    start = np.arange(12, dtype=dtype).reshape(4, 3)
    one, two = nn.Buffer(pb.tensor(start)), nn.Buffer(pb.tensor(-start))

    def step(x):
        with pb.no_grad():
            new = pb.flip(one, axis=0) * x + two
            two.assign_(pb.flip(pb.flip(one, axis=1) - two * x, axis=0))
            one.assign_(new)
            return pb.sum(new), pb.sum(two)

    x = np.full((1, 3), 0.125, dtype)
    wanted = [(*map(float, step(x)), one.tolist(), two.tolist()) for _ in range(STEPS)]
    one.assign_(pb.tensor(start))
    two.assign_(pb.tensor(-start))
    native = pb.compile(step)
    found = [(*map(float, native(x)), one.tolist(), two.tolist()) for _ in range(STEPS)]
    for a, b in zip(found, wanted, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-5 if kind == "float32" else 1e-2)
    assert bool(native.last.swapped) != (copied and kind == "float32")

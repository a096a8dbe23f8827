"""Large pages: state of some megabytes lies side by side in them, and is the same state."""

import os

import numpy as np
import pytest

import pullback as pb
from pullback import nn, optim
from pullback.compile.memory import LINE
from pullback.compile.pages import LARGE, WORTH, Room, block

rng = np.random.default_rng(0)


def address(x):
    return x.__array_interface__["data"][0]


@pytest.mark.parametrize("size", [0, 1, 4096, LARGE - 1, LARGE, 3 * LARGE + 5])
def test_a_block_is_zero_aligned_and_of_the_size(size):
    memory = block(size)
    assert memory.nbytes == size and not memory.any()
    assert size == 0 or address(memory) % LINE == 0
    memory[...] = 7
    assert memory.all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_what_a_child_process_writes_is_its_own():
    memory = block(LARGE)
    child = os.fork()
    if not child:
        memory[...] = 1
        os._exit(0)
    os.waitpid(child, 0)
    assert not memory.any()


def test_a_room_has_place_for_what_it_was_made_for_and_no_more():
    room = Room([LARGE // 2, LARGE // 2, 100])
    first, second = room.bytes(LARGE // 2), room.bytes(LARGE // 2)
    assert address(second) == address(first) + LARGE // 2
    assert room.bytes(LARGE // 2) is None and room.bytes(100) is None
    assert Room([WORTH // 2]).bytes(WORTH // 2) is None, "so little gains nothing"


def trained(compiled, steps=4):
    model = nn.Sequential(nn.Linear(600, 700), nn.Tanh(), nn.Linear(700, 50))
    values = np.random.default_rng(1)
    for p in model.parameters():
        p.data = values.normal(size=p.shape, scale=0.05).astype(np.float32)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    x, y = values.normal(size=(8, 600)).astype(np.float32), values.normal(size=(8, 50)).astype(np.float32)

    def step(x, y):
        optimizer.zero_grad()
        loss = pb.mean((model(x) - y) ** 2)
        loss.backward()
        optimizer.step()
        return loss.detach()

    run = pb.compile(step) if compiled else step
    return model, optimizer, run, [float(run(x, y)) for _ in range(steps)], (x, y)


def test_training_is_the_same_and_its_state_lies_side_by_side():
    model, _, _, losses, _ = trained(True)
    other, _, _, expected, _ = trained(False)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-3, atol=1e-5)
    large = [p.numpy() for p in model.parameters() if p.numpy().nbytes > 4096]
    assert len(large) == 2 and max(map(address, large)) - min(map(address, large)) < 4 * LARGE
    assert all(address(x) % LINE == 0 for x in large)


def test_who_holds_an_array_keeps_its_numbers():
    model, _, run, _, batch = trained(True)
    held = model[0].weight.numpy()
    kept = held.copy()
    run(*batch)
    np.testing.assert_array_equal(held, kept)
    assert (model[0].weight.numpy() != kept).any()


def test_state_outlives_the_plan_that_moved_it():
    model, optimizer, run, _, batch = trained(True)
    before = [p.numpy().copy() for p in model.parameters()]
    del run
    for p, values in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.numpy(), values)
    other = pb.compile(lambda x: model(x).detach())
    np.testing.assert_allclose(np.asarray(other(batch[0])), np.asarray(model(batch[0]).detach()), rtol=1e-4, atol=1e-5)
    assert all(np.isfinite(s).all() for s in optimizer.state_dict()["state"][0].values() if isinstance(s, np.ndarray))

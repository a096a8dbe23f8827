"""Other processors: AVX2 and scalar code run here with the features narrowed, NEON code is emitted and verified."""

from __future__ import annotations

import numpy as np
import pytest

import pullback as pb
from pullback import optim
from pullback.compile import planning as plans
from pullback.compile.emit.machine import compile_text, narrowed
from pullback.compile.lowering import lowered

from .programs import MODELS, training
from .random_programs import draw


@pytest.fixture(params=["avx2", "scalar"])
def target(request, monkeypatch):
    chosen = narrowed(request.param)
    monkeypatch.setattr(plans, "host", lambda: chosen)
    return chosen


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "attention"])
def test_steps_equal_eager(target, name):
    build, data = training(name, lambda p: optim.SGD(p, lr=0.05, momentum=0.9))
    (eager, step), (native, function) = build(), build()
    compiled = pb.compile(function)
    for i in range(4):
        assert float(compiled(*data[i % 3])) == pytest.approx(float(step(*data[i % 3])), rel=1e-5)
    assert compiled.last.plan.target is target
    for p, q in zip(eager.parameters(), native.parameters(), strict=True):
        np.testing.assert_allclose(q.numpy(), p.numpy(), rtol=0, atol=1e-5)


def test_random_programs_equal_eager(target):
    for seed in range(3000, 3025):
        program = draw(seed)
        eager = program.function(*program.arguments)
        compiled = pb.compile(program.function)(*program.arguments)
        for want, got in zip(pb_leaves(eager), pb_leaves(compiled), strict=True):
            scale = max(0.1, float(np.abs(want).max(initial=0)))
            np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-4 * scale, err_msg="; ".join(program.lines))


def pb_leaves(result):
    from pullback.core import tree

    return [np.asarray(x) for x in tree.flatten(result)[0]]


@pytest.mark.parametrize("name", MODELS)
def test_code_for_arm_is_emitted_and_verified(name):
    build, data = training(name, lambda p: optim.Adam(p, lr=1e-3))
    _, function = build()
    target = narrowed("neon")
    plan = plans.made(lowered(pb.compile(function).graph(*data[0])), target)
    code = compile_text(plan.text, target)
    assert code[:4] == b"\x7fELF"
    assert code[18] == 183, "the machine in the header is AArch64"

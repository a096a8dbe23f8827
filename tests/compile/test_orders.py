"""State that is computed in another order in memory than it is read in keeps its values, and is not laid out anew."""

import numpy as np
import pytest

import pullback as pb
from pullback import nn

rng = np.random.default_rng(0)
IMAGES = rng.normal(size=(4, 8, 12, 12)).astype(np.float32)
conv = nn.Conv2d(8, 8, 3, padding=1)
kept = nn.Conv2d(8, 8, 3, padding=1).weight.detach().numpy().copy()

STATES = {
    "what a convolution gives": (IMAGES, lambda s, x: conv(s) * 0.5),
    "a transposition": (rng.normal(size=(64, 64)).astype(np.float32), lambda s, x: pb.tanh(pb.matrix_transpose(s) * x)),
    "with its transposition": (
        rng.normal(size=(64, 64)).astype(np.float32),
        lambda s, x: 0.9 * s + 0.1 * pb.matrix_transpose(s) * x,
    ),
    "an axis of length one": (
        rng.normal(size=(4, 1, 12, 12)).astype(np.float32),
        lambda s, x: nn.functional.conv2d(s, kept[:1, :1], padding=1) * x,
    ),
    "weights that a convolution reads": (
        kept,
        lambda s, x: s.at[0, 0, 0].set(x) + pb.mean(nn.functional.conv2d(IMAGES, s)),
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_state_is_what_it_is_eagerly(name):
    initial, new = STATES[name]

    def run(wrap):
        state = nn.Parameter(initial.copy(), requires_grad=False)

        def step(x):
            with pb.no_grad():
                state.assign_(new(state, x))
                return pb.sum(state)

        step = wrap(step)
        return [float(step(np.float32(1 + 0.1 * i))) for i in range(5)], state.detach().numpy().copy(), step

    want, expected, _ = run(lambda f: f)
    got, state, compiled = run(pb.compile)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(state, expected, rtol=1e-5, atol=1e-5)
    for holding in compiled.last.holdings:
        if holding.read is not None and holding.written is not None:
            assert holding.written.whole().lies_in(holding.read.order)

"""Several arrays taken together and handed on as they are: one place that all their gradients pass."""

from __future__ import annotations

from ..core.families import irregular
from ..core.mapping import NOTHING
from ..core.samples import Sample, fixed
from ..core.spec import Spec
from .slicing import NO_OPERATOR, repeated

__all__: list[str] = []


_together = irregular(
    "together",
    lambda *xs: xs,
    spec=lambda *specs: tuple(Spec(s.shape, s.dtype) for s in specs),
    pullback=lambda gs, ys, *xs, needs: list(gs),
    pushforward=lambda ts, ys, *xs: tuple(ts),
    batch=lambda batched, xs: _together(*repeated(batched, xs)),
    uses=NOTHING,
    outputs=0,
    arguments=("arrays",),
    flops=lambda *specs: 0,
    formula="{arrays}",
    words="{arrays}, taken together",
    lower="together",
    onnx=NO_OPERATOR,
    samples=fixed(lambda rng: [Sample((rng.normal(size=(2, 3)), rng.normal(size=4))), Sample((rng.normal(size=()),))]),
)

"""Forward mode from a pullback rule alone: the transpose of the transpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import space
from ..core.errors import UnsupportedError
from ..core.mapping import Mapping
from ..core.spec import dtype_of, shape_of, spec_of
from ..transforms.walk import pull
from .arrays import numbers, parts

__all__ = ["pushforward_by_transposing"]


def pushforward_by_transposing(target: Mapping, ts: Sequence[Any], y: Any, *xs: Any, **static: Any) -> Any:
    """J·t as the transpose of g ↦ Jᵀg, which is linear: the pullback of the pullback rule.

    The rule is run on values that record. Whether all of it was recorded is proved by ⟨Jᵀg, t⟩ = ⟨g, J·t⟩.
    """
    assert target.pullback is not None
    rule = target.pullback
    rng = np.random.default_rng(0)
    seeds = [rng.standard_normal(shape_of(part)).astype(dtype_of(part))[()] for part in parts(y)]
    wanted = [t is not None for t in ts]
    kept: list[int] = []

    def transposed(*gs: Any) -> tuple[Any, ...]:
        g = gs if target.outputs is not None else gs[0]
        hs = rule(g, y, *xs, needs=wanted, **static)
        kept[:] = [i for i, h in enumerate(hs) if wanted[i] and h is not None]
        return tuple(space.fit(hs[i], spec_of(xs[i])) for i in kept)

    try:
        cotangents, back = pull(transposed, seeds)
        pushed = back(tuple(ts[i] for i in kept))
    except Exception as error:
        raise UnsupportedError(_refusal(target, f"its pullback rule raises {error!r} there")) from error
    if not kept:
        return None
    tangents = [ts[i] for i in kept]
    if all(t is None for t in pushed):
        if any((there := numbers(h)) is None or np.any(there) for h in cotangents):
            raise UnsupportedError(_refusal(target, "its pullback rule turns g into a plain array"))
        return None
    _require_transpose(target, cotangents, tangents, seeds, pushed)
    if target.outputs is None:
        return pushed[0]
    return tuple(pushed)


def _require_transpose(
    target: Mapping, cotangents: Sequence[Any], tangents: Sequence[Any], seeds: Sequence[Any], pushed: Sequence[Any]
) -> None:
    left = [(numbers(h), numbers(t)) for h, t in zip(cotangents, tangents, strict=True)]
    right = [(numbers(g), numbers(t)) for g, t in zip(seeds, pushed, strict=True) if t is not None]
    before = [np.multiply(a, b) for a, b in left if a is not None and b is not None]
    after = [np.multiply(a, b) for a, b in right if a is not None and b is not None]
    if len(before) < len(left) or len(after) < len(right):
        return  # batched or traced: there are no numbers to compare
    scale = sum(float(np.sum(np.abs(product))) for product in before + after)
    gap = abs(sum(float(np.sum(product)) for product in before) - sum(float(np.sum(product)) for product in after))
    eps = max(float(np.finfo(dtype_of(g)).eps) for g in seeds)
    if np.isfinite(scale) and gap > eps**0.5 * scale:
        raise UnsupportedError(
            _refusal(target, "its pullback rule is not linear in g, or turns part of it into a plain array")
        )


def _refusal(target: Mapping, why: str) -> str:
    name, xs = target.name, ", ".join(target.arguments)
    y = "y" if "y" not in target.arguments else "out"
    return (
        f"{name}: forward mode cannot be derived from the pullback rule, because {why}. Write\n"
        f"  @{name}.pushforward\n  def _(ts, {y}, {xs}):\n      return ...  # the tangent of {y}, with one tangent "
        f"per argument in ts"
    )

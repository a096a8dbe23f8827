"""Finite differences on the spot: does the gradient say what the recorded graph does when the element is moved?"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.spec import shape_of
from . import language
from .bent import kink_of
from .history import Place, origin_of
from .moved import Moved
from .receipt import Check, Kink
from .slopes import parts, pulled, pushed

__all__ = ["check"]

CUBE_ROOT = float(np.finfo(np.float64).eps ** (1 / 3))
MOST_KINKS = 5
JUMP = 1e-3
NEAR = 1000
"""A loss that changes as much over so small a part of the way jumps; one that still bends there bends just there."""


def check(moved: Moved, gradient: float, magnitude: float, eps: float, lang: str) -> Check:
    """Compare a gradient with central differences of the loss.

    `magnitude` is the sum of the absolute products that make up the gradient, `eps` the rounding unit of the
    dtype it was computed in. Steps h are tried until one agrees; where none does, the first is examined.
    """
    here = moved.here
    if not np.isfinite(here):
        return Check("not checked", why=language.text("receipt.check.not_finite", lang))
    base = moved.values(here)
    value = float(np.asarray(base[moved.root]))
    if not np.isfinite(value) or not np.isfinite(gradient):
        return Check("not checked", why=language.text("receipt.check.loss_not_finite", lang))
    resolution = moved.resolution(base)
    first: Check | None = None
    for h in _steps(here, resolution):
        low, high = here - h, here + h
        if low == here or high == here:
            continue
        below, above = moved.loss(low), moved.loss(high)
        numeric = (above - below) / (high - low)
        noise = 8 * resolution * (abs(value) + abs(above - below)) / h
        tolerance = 2e-5 * max(abs(gradient), abs(numeric)) + 64 * eps * magnitude + noise
        if resolution > 1e-10 or eps > 1e-10:
            tolerance += 1e-4 * max(abs(gradient), abs(numeric))
        made = Check(
            "agrees",
            numeric,
            h,
            (value - below) / (here - low),
            (above - value) / (high - here),
            abs(numeric - gradient),
            tolerance,
        )
        if np.isfinite(numeric) and abs(numeric - gradient) <= tolerance:
            return _beside_kinks(moved, made, noise, lang)
        first = first or made
    if first is None:
        return Check("not checked", why=language.text("receipt.check.not_finite", lang))
    return _examined(moved, first, gradient, eps, lang)


def _steps(here: float, resolution: float) -> list[float]:
    """Step lengths: for a smooth function of moderate size first, then shorter, longer, and relative to the element."""
    unit = CUBE_ROOT if resolution < 1e-10 else float(resolution ** (1 / 3))
    size = max(abs(here), 1.0)
    steps = [unit * size, unit * size / 30, unit * size * 30]
    if 0 < abs(here) < 0.1:
        steps += [unit * abs(here), unit * abs(here) * 30]
    return steps


def _beside_kinks(moved: Moved, made: Check, noise: float, lang: str) -> Check:
    """Name a kink that lies between the moved points although the mean of its two slopes agrees with the gradient."""
    left, right = made.left or 0.0, made.right or 0.0
    if made.h is None or abs(right - left) <= JUMP * max(abs(left), abs(right)) + 4 * noise:
        return made
    below, above = moved.values(moved.here - made.h), moved.values(moved.here + made.h)
    kinks = _kinks(moved, below, above, lang)
    return _bending(moved, made, kinks) if kinks else made


def _examined(moved: Moved, made: Check, gradient: float, eps: float, lang: str) -> Check:
    """Say why the difference quotient is not the gradient: a kink in between, float32's rounding, or a wrong rule."""
    assert made.h is not None
    below, above = moved.values(moved.here - made.h), moved.values(moved.here + made.h)
    kinks = _kinks(moved, below, above, lang)
    if kinks:
        return _bending(moved, made, kinks)
    if eps > 1e-10 and made.numeric is not None and made.tolerance is not None:
        exact = moved.tangent()
        close = abs(made.numeric - exact) <= 2e-5 * max(abs(exact), abs(made.numeric)) + made.tolerance
        if close and abs(gradient - exact) <= 1e-2 * abs(exact) + 1e3 * eps * max(1.0, abs(exact)):
            return _with(made, "agrees", why=language.text("receipt.check.rounding", lang, exact=f"{exact:.6g}"))
    suspect = _suspect(moved, below, above)
    return _with(made, "differs", suspect=suspect)


def _bending(moved: Moved, made: Check, kinks: list[Kink]) -> Check:
    """Name the kinks, and say whether the loss jumps there, and whether it bends at the element itself or beside it."""
    assert made.h is not None
    h = made.h / NEAR
    below, value, above = (moved.loss(moved.here + step) for step in (-h, 0.0, h))
    far = [moved.loss(moved.here + step) for step in (-made.h, made.h)]
    jumps = abs(above - below) > abs(far[1] - far[0]) / 2 > 0
    left, right = (value - below) / h, (above - value) / h
    noise = 16 * moved.resolution(moved.values(moved.here)) * abs(value) / h
    here = jumps or abs(right - left) > 0.01 * max(abs(left), abs(right)) + noise
    return _with(made, "kink", kinks=tuple(kinks[:MOST_KINKS]), jump=(below, above) if jumps else None, here=here)


def _with(made: Check, verdict: str, **changes: Any) -> Check:
    return Check(verdict, made.numeric, made.h, made.left, made.right, made.difference, made.tolerance, **changes)


def _kinks(moved: Moved, below: dict[Place, Any], above: dict[Place, Any], lang: str) -> list[Kink]:
    """Find the mappings with a kink that are no longer (or not yet) straight between the two runs.

    A smooth mapping changes by what its slope at either end says, and the slopes at both ends are alike.
    """
    found = []
    for node, low, high, moves in moved.plans(below, above):
        mapping = node.mapping
        if mapping.kink is None or not any(moves):
            continue
        ys = [moved.output(node, run) for run in (below, above)]
        ts = [np.subtract(b, a) if move else None for a, b, move in zip(low, high, moves, strict=True)]
        try:
            at_low = pushed(mapping, node.static, low, ys[0], ts)
            at_high = pushed(mapping, node.static, high, ys[1], ts)
        except Exception:  # forward mode is not there for every rule of a user's; then nothing is said of kinks
            continue
        for first, second, p, q in zip(parts(ys[0]), parts(ys[1]), at_low, at_high, strict=True):
            change = np.subtract(second, first, dtype=np.float64)
            p = np.zeros_like(change) if p is None else np.asarray(p)
            q = np.zeros_like(change) if q is None else np.asarray(q)
            floor = 1e-13 * np.maximum(np.abs(first), np.abs(second)) + 1e-300
            with np.errstate(all="ignore"):
                size = np.maximum(np.maximum(np.abs(p), np.abs(q)), np.abs(change))
                bent = np.maximum(np.abs(q - p), np.abs(change - (p + q) / 2))
                crossed = (bent > JUMP * size + floor) | ~np.isfinite(bent)
            if crossed.any():
                k = int(np.argmax(np.where(crossed, np.nan_to_num(bent, nan=np.inf), -1.0)))
                index = tuple(int(i) for i in np.unravel_index(k, shape_of(change)))
                found.append(Kink(mapping.name, node.serial, kink_of(node, lang), origin_of(node), index))
                break
    return found


def _suspect(moved: Moved, below: dict[Place, Any], above: dict[Place, Any]) -> int | None:
    """Return the serial of the mapping whose pullback disagrees most with how its own value changes, if one does."""
    worst, found = 1e-3, None
    rng = np.random.default_rng(0)
    for node, low, high, moves in moved.plans(below, above):
        ys = [moved.output(node, run) for run in (below, above)]
        middle = [np.add(a, b) / 2 if move else a for a, b, move in zip(low, high, moves, strict=True)]
        try:
            y = node.mapping.evaluate(*middle, **node.static)
            gs = tuple(np.asarray(rng.standard_normal(shape_of(p)))[()] for p in parts(y))
            back = pulled(node.mapping, node.static, middle, y, gs if y.__class__ is tuple else gs[0], moves)
        except Exception:  # a rule that cannot run here is not what made the gradient
            continue
        change = sum(float(np.sum(g * np.subtract(b, a))) for g, a, b in zip(gs, *map(parts, ys), strict=True))
        carried = sum(
            float(np.sum(np.asarray(h) * np.subtract(b, a)))
            for h, a, b in zip(back, low, high, strict=True)
            if h is not None
        )
        size = max(abs(change), abs(carried))
        gap = abs(change - carried) / size if size > 0 else 0.0
        if gap > worst:
            worst, found = gap, node.serial
    return found

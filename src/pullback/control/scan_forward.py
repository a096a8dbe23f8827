"""The way along `scan`: a scan over the pushforward of the body, which carries the tangents beside the values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import space
from ..core.spec import Spec, spec_of
from ..transforms.forward import push
from .body import Body, Flags, record
from .scan_mapping import Loop, apply_scan, scan_mapping

__all__: list[str] = []


def _pushforward(ts: Sequence[Any], y: Sequence[Any], *args: Any, loop: Loop) -> tuple[Any, ...]:
    k, whole = loop.constants, loop.whole
    specs = tuple(map(spec_of, args))
    moving = loop.moving(specs)
    active = (*(t is not None for t in ts[:k]), *moving, *(t is not None for t in ts[whole:]))
    along, has_tangent = loop.body.derive(
        ("along", k, specs, active, loop.history), lambda: _forward_step(loop, specs, active)
    )
    carry = args[k:whole]
    start = [space.zeros(x) if t is None else t for t, x, m in zip(ts[k:whole], carry, moving, strict=True) if m]
    results = iter(
        apply_scan(
            along,
            [*args[:k], *(t for t in ts[:k] if t is not None)],
            [*carry, *start],
            [*args[whole:], *(t for t in ts[whole:] if t is not None)],
            length=loop.length,
            reverse=loop.reverse,
        )
    )
    for _ in carry:
        next(results)
    return tuple(next(results) if has else None for has in (*moving, *has_tangent))


def _forward_step(loop: Loop, specs: Sequence[Spec], active: Flags) -> tuple[Body, Flags]:
    """Record a step that carries values and tangents, and note which of its results have a tangent.

    Of constants, carry and entries in turn it gets the values, then the tangents that there are.
    """
    k, n, whole = loop.constants, loop.carries, loop.whole
    step = loop.step(specs)
    parts = (range(k), range(k, whole), range(whole, len(step)))
    moving = active[k:whole]
    has_tangent: list[bool] = []

    def forward(*values: Any) -> list[Any]:
        rest = iter(values)
        xs: list[Any] = []
        ts: list[Any] = []
        for part in parts:
            xs += [next(rest) for _ in part]
            ts += [next(rest) if active[i] else None for i in part]
        ys, tangents = push(lambda *new: loop.body(*new), xs, ts)
        carry = [space.zeros(y) if t is None else t for t, y, m in zip(tangents, ys, moving, strict=False) if m]
        stacked = [*tangents[n:], *(ts[k:whole] if loop.history else ())]
        has_tangent[:] = [t is not None for t in stacked]
        return [*ys[:n], *carry, *(t for t in stacked if t is not None)]

    inputs = [spec for part in parts for spec in (*(step[i] for i in part), *(step[i] for i in part if active[i]))]
    body = record(forward, inputs)
    return body, tuple(has_tangent)


scan_mapping.pushforward = _pushforward

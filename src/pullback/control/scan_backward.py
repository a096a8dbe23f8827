"""The way back through `scan`: a scan in the other direction over the pullback of the body.

It goes through the carries before each step (`history`; where they were not kept they are computed once
more), pulls the cotangent of a step's carry back to that of the carry before, and adds up the cotangents
of the constants. What happened inside a step is computed again there, so that nothing but the carries is
kept. It is made of mappings, so it can be differentiated, batched and recorded itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import space
from ..core.spec import Spec, spec_of
from ..transforms.walk import pull
from .body import Flags, record
from .scan_mapping import Loop, apply_scan, scan_mapping

__all__: list[str] = []


def _pullback(g: Sequence[Any], y: Sequence[Any], *args: Any, needs: Sequence[Any], loop: Loop) -> list[Any]:
    n, whole = loop.carries, loop.whole
    if n and not loop.history:
        y = scan_mapping(*args, loop=loop.with_(history=True))
    specs = tuple(map(spec_of, args))
    moving = loop.moving(specs)
    wanted = [spec.dtype.kind == "f" and bool(needed) for spec, needed in zip(specs, needs, strict=True)]
    wanted[loop.constants : whole] = moving
    given = tuple(gi is not None for gi in g[n:])
    back = loop.body.derive(
        ("back", loop.constants, specs, tuple(wanted), given),
        lambda: _BackwardStep(loop, specs, tuple(wanted), given),
    )
    carry = args[loop.constants : whole]
    start = [space.zeros(x) if gi is None else gi for gi, x, m in zip(g, carry, moving, strict=False) if m]
    results = iter(
        apply_scan(
            back.body,
            args[: loop.constants],
            [*start, *map(space.zeros, back.totals)],
            [*y[loop.results :], *args[whole:], *(gi for gi in g[n:] if gi is not None)],
            length=loop.length,
            reverse=not loop.reverse,
        )
    )
    to_carry = [next(results) if m else None for m in moving]
    to_constants = [next(results) if has else None for has in back.reached[: loop.constants]]
    to_xs = [next(results) if has else None for has in back.reached[whole:]]
    return [*to_constants, *to_carry, *to_xs]


class _BackwardStep:
    """One step of the way back, recorded.

    Its inputs are the constants; the cotangents of the carry after the step and the sums so far; then the
    carry before the step, the entries, and the given cotangents of what the step gave and of the history.
    It returns the cotangents of the carry before, the new sums, and the cotangents of the entries.
    """

    def __init__(self, loop: Loop, specs: Sequence[Spec], wanted: Flags, given: Flags) -> None:
        self.loop, self.wanted, self.given = loop, wanted, given
        self.moving = wanted[loop.constants : loop.whole]
        step = loop.step(specs)
        carry = step[loop.constants : loop.whole]
        stacked = [*loop.body.specs(step)[loop.carries :], *carry]
        before = [*step[: loop.constants], *(spec for spec, m in zip(carry, self.moving, strict=True) if m)]
        entries = [*step[loop.constants :], *(spec for spec, has in zip(stacked, given, strict=False) if has)]
        found: list[Spec | None] = []

        def probe(*values: Any) -> list[Any]:
            gs, _ = self._pull(values)
            found.extend(None if g is None else spec_of(g) for g in gs)
            return []

        record(probe, [*before, *entries])
        self.reached = [spec is not None for spec in found]
        """Which inputs of the body get a cotangent at all."""
        self.totals = [spec for spec in found[: loop.constants] if spec is not None]
        self.body = record(self._add_up, [*before, *self.totals, *entries])

    def _pull(self, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return the cotangents of the inputs of the step, and those given to the carry before it."""
        k, n = self.loop.constants, self.loop.carries
        rest = iter(values)
        constants = [next(rest) for _ in range(k)]
        g_carry = [next(rest) if m else None for m in self.moving]
        entries = [next(rest) for _ in self.wanted[k:]]
        g_stacked = [next(rest) if has else None for has in self.given]
        outs = self.loop.results - n
        _, back = pull(lambda *xs: self.loop.body(*xs), [*constants, *entries], self.wanted)
        return back((*g_carry, *g_stacked[:outs])), g_stacked[outs:] or [None] * n

    def _add_up(self, *values: Any) -> list[Any]:
        k, whole = self.loop.constants, self.loop.whole
        first = k + sum(self.moving)
        last = first + len(self.totals)
        gs, of_history = self._pull([*values[:first], *values[last:]])
        g_carry = []
        for j, m in enumerate(self.moving):
            if m:
                g = space.add(gs[k + j], of_history[j])
                g_carry.append(space.zeros(values[last + j]) if g is None else g)
        reached = [g for g, has in zip(gs[:k], self.reached, strict=False) if has]
        sums = [space.add(total, g) for total, g in zip(values[first:last], reached, strict=True)]
        return [*g_carry, *sums, *(g for g in gs[whole:] if g is not None)]


scan_mapping.pullback = _pullback

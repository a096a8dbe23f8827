"""`scan` over a batch: a scan over the batched body, in which as few carries as possible are batched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import space
from ..core.spec import Spec, spec_of
from .body import Body, Flags, batch_flags, batched, record, repeated, with_axis
from .scan_mapping import Loop, scan_mapping

__all__: list[str] = []


def _batch(flags: Sequence[bool], args: Sequence[Any], *, loop: Loop) -> tuple[Any, ...]:
    k, n, whole = loop.constants, loop.carries, loop.whole
    size = next(spec_of(x).shape[0] for x, flag in zip(args, flags, strict=True) if flag)
    args = [space.move_axis(x, 1, 0) if i >= whole and flags[i] else x for i, x in enumerate(args)]
    specs = loop.step(list(map(spec_of, args)))
    one = [Spec(spec.shape[1:], spec.dtype) if flag else spec for spec, flag in zip(specs, flags, strict=True)]
    body, of_carry, of_steps = loop.body.derive(
        ("batch", k, n, tuple(one), tuple(flags), size), lambda: _batched_step(loop, one, flags, size)
    )
    for j, becomes in enumerate(of_carry):
        args[k + j] = repeated(args[k + j], flags[k + j] or not becomes, size)
    results = scan_mapping(*args, loop=loop.with_(body=body))
    has_axis = [*of_carry, *of_steps, *(of_carry if loop.history else ())]
    return tuple(
        (y if i < n else space.move_axis(y, 0, 1)) if has else space.repeat(y, size)
        for i, (y, has) in enumerate(zip(results, has_axis, strict=True))
    )


def _batched_step(
    loop: Loop, specs: Sequence[Spec], flags: Sequence[bool], size: int
) -> tuple[Body, list[bool], Flags]:
    """Record the step for a batch; return with it which carries and which results have a batch axis."""
    k, n, whole = loop.constants, loop.carries, loop.whole
    of_carry = list(flags[k:whole])
    while True:  # a carry that meets the batch in one step belongs to it in all of them
        now = [*flags[:k], *of_carry, *flags[whole:]]
        found = batch_flags(loop.body, specs, now, size)
        more = [a or b for a, b in zip(of_carry, found, strict=False)]
        if more == of_carry:
            break
        of_carry = more

    def step(*values: Any) -> list[Any]:
        results = batched(loop.body, now, values, size)
        return [repeated(y, flag or i >= n or not of_carry[i], size) for i, (y, flag) in enumerate(results)]

    return record(step, with_axis(specs, now, size)), of_carry, found[n:]


scan_mapping.batch = _batch

"""The mapping behind `while_loop`: a recorded body, applied as long as a recorded test holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import space
from ..core.families import irregular
from ..core.mapping import INPUTS, unsupported
from ..core.samples import Sample, fixed
from ..core.spec import Spec, spec_of
from ..mappings import add, any, cos, less, multiply, where
from ..transforms.forward import push
from .body import Body, Flags, batch_flags, batched, record, repeated, with_axis

__all__ = ["NO_WAY_BACK", "Turns", "turns_mapping"]

NO_WAY_BACK = (
    "while_loop: the number of steps of a recorded loop is not known beforehand, so nothing was kept for the way "
    "back.\n"
    "  wrong:  pb.trace(pb.grad(lambda x: pb.while_loop(test, body, x)))(x)\n"
    "  right:  pb.fori_loop or pb.scan with a fixed number of steps, in which pb.where (or pb.cond) keeps what is done "
    "as it is; or pb.jvp, which goes along; or no trace around it"
)


@dataclass(frozen=True)
class Turns:
    """What is static of a while loop: the test, the body, and how many constants each of them takes first."""

    test: Body
    body: Body
    test_constants: int
    body_constants: int

    @property
    def constants(self) -> int:
        """How many arrays come before the carry."""
        return self.test_constants + self.body_constants

    def __repr__(self) -> str:
        return f"while {self.test!r}: {self.body!r}"


def _evaluate(*args: Any, turns: Turns) -> tuple[Any, ...]:
    of_test, of_body = args[: turns.test_constants], args[turns.test_constants : turns.constants]
    carry = args[turns.constants :]
    test, body = turns.test.evaluate, turns.body.evaluate
    while test([*of_test, *carry])[0]:
        carry = tuple(body([*of_body, *carry]))
    return carry


def _spec(*specs: Spec, turns: Turns) -> tuple[Spec, ...]:
    return specs[turns.constants :]


def _pushforward(ts: Sequence[Any], y: Any, *args: Any, turns: Turns) -> tuple[Any, ...]:
    k, c = turns.test_constants, turns.constants
    specs = tuple(map(spec_of, args))
    carry = args[c:]
    moving = tuple(spec.dtype.kind == "f" for spec in specs[c:])
    active = (*(t is not None for t in ts[k:c]), *moving)
    test, body = turns.body.derive(
        ("turns along", turns.test, k, specs, active), lambda: _along(turns, specs, active, moving)
    )
    start = [space.zeros(x) if t is None else t for t, x, m in zip(ts[c:], carry, moving, strict=True) if m]
    tangents = [t for t in ts[k:c] if t is not None]
    along = Turns(test, body, k, turns.body_constants + len(tangents))
    results = turns_mapping(*args[:c], *tangents, *carry, *start, turns=along)
    found = iter(results[len(carry) :])
    return tuple(next(found) if m else None for m in moving)


def _along(turns: Turns, specs: Sequence[Spec], active: Flags, moving: Flags) -> tuple[Body, Body]:
    """Record the test and the body of the loop that carries values and tangents."""
    k, c, b = turns.test_constants, turns.constants, turns.body_constants
    carry = specs[c:]
    tangents = [spec for spec, m in zip(carry, moving, strict=True) if m]

    def test(*values: Any) -> Any:
        return turns.test(*values[: k + len(carry)])

    def body(*values: Any) -> list[Any]:
        rest = iter(values)
        constants = [next(rest) for _ in range(b)]
        of_constants = [next(rest) if has else None for has in active[:b]]
        before = [next(rest) for _ in carry]
        of_carry = [next(rest) if m else None for m in moving]
        ys, ts = push(lambda *new: turns.body(*new), [*constants, *before], [*of_constants, *of_carry])
        dense = [space.zeros(y) if t is None else t for t, y, m in zip(ts, ys, moving, strict=True) if m]
        return [*ys, *dense]

    given = [spec for spec, has in zip(specs[k:c], active[:b], strict=True) if has]
    return (
        record(test, [*specs[:k], *carry, *tangents]),
        record(body, [*specs[k:c], *given, *carry, *tangents]),
    )


def _batch(flags: Sequence[bool], args: Sequence[Any], *, turns: Turns) -> tuple[Any, ...]:
    c = turns.constants
    size = next(spec_of(x).shape[0] for x, flag in zip(args, flags, strict=True) if flag)
    specs = [
        Spec(spec.shape[1:], spec.dtype) if flag else spec
        for spec, flag in zip(map(spec_of, args), flags, strict=True)
    ]
    test, body, of_carry = turns.body.derive(
        ("turns batch", turns.test, turns.test_constants, tuple(specs), tuple(flags), size),
        lambda: _of_a_batch(turns, specs, flags, size),
    )
    carry = [
        repeated(x, flag or not becomes, size)
        for x, flag, becomes in zip(args[c:], flags[c:], of_carry, strict=True)
    ]
    many = Turns(test, body, turns.test_constants, c)
    results = turns_mapping(*args[: turns.test_constants], *args[:c], *carry, turns=many)
    return tuple(repeated(y, has, size) for y, has in zip(results, of_carry, strict=True))


def _of_a_batch(
    turns: Turns, specs: Sequence[Spec], flags: Sequence[bool], size: int
) -> tuple[Body, Body, list[bool]]:
    """Record test and body for a batch, and say which carries have the batch axis; the body takes all constants.

    Where the test differs from example to example, the loop runs until all are done, and who is done stays.
    """
    k, c = turns.test_constants, turns.constants
    of_carry = list(flags[c:])
    while True:
        (by_example,) = batch_flags(turns.test, [*specs[:k], *specs[c:]], [*flags[:k], *of_carry], size)
        found = batch_flags(turns.body, specs[k:], [*flags[k:c], *of_carry], size)
        more = [a or b or by_example for a, b in zip(of_carry, found, strict=True)]
        if more == of_carry:
            break
        of_carry = more

    def test(*values: Any) -> list[Any]:
        ((y, flag),) = batched(turns.test, [*flags[:k], *of_carry], values, size)
        return [any(y) if flag else y]

    def of_one(*values: Any) -> Sequence[Any]:
        before = values[c:]
        after = turns.body(*values[k:c], *before)
        if not by_example:
            return after
        (going,) = turns.test(*values[:k], *before)
        return [where(going, new, old) for new, old in zip(after, before, strict=True)]

    def body(*values: Any) -> list[Any]:
        results = batched(of_one, [*flags[:c], *of_carry], values, size)
        return [repeated(y, flag or not due, size) for (y, flag), due in zip(results, of_carry, strict=True)]

    with_batch = with_axis(specs, [*flags[:c], *of_carry], size)
    return record(test, [*with_batch[:k], *with_batch[c:]]), record(body, with_batch), of_carry


# ----------------------------------------------------------------------------------------------- samples


def _is_going(i: Any, x: Any) -> list[Any]:
    return [less(i, 3)]


def _turn(a: Any, i: Any, x: Any) -> list[Any]:
    return [add(i, 1), cos(multiply(a, x))]


_sample_turns: list[Turns] = []


def _samples(rng: np.random.Generator) -> list[Sample]:
    if not _sample_turns:
        whole, real = Spec((), np.dtype(np.int64)), Spec((3,), np.dtype(np.float64))
        test, body = record(_is_going, [whole, real]), record(_turn, [real, whole, real])
        _sample_turns.append(Turns(test, body, 0, 1))
    arrays = rng.normal(size=3), np.int64(0), rng.normal(size=3)
    return [Sample(arrays, {"turns": _sample_turns[0]})]


turns_mapping = irregular(
    "while_loop",
    _evaluate,
    spec=_spec,
    pullback=unsupported(NO_WAY_BACK),
    pushforward=_pushforward,
    batch=_batch,
    arguments=("arrays",),
    outputs=0,
    uses=INPUTS,
    formula=r"c_T, \quad c_{{t+1}} = f(c_t) \text{{ while }} p(c_t), \quad c_0 = {arrays}",
    words="what a recorded function makes of {arrays}, applied as long as a recorded test holds",
    lower=unsupported("its test and its body run in NumPy, where a loop without an end can be stopped"),
    onnx=unsupported("ONNX's Loop takes a sub-graph as an attribute; exporting one is not written"),
    samples=fixed(_samples),
)

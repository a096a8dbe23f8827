"""The proof of a user's rule: `gradcheck`, and what a wrong ratio looks like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.spec import spec_of
from ..core.value import Value
from ..tensor import asarray
from ..transforms import jvp, no_grad, vjp
from ..transforms.backward import numbers_of
from ..user import UserMapping
from .gradcheck import Entry, GradcheckError, GradientReport, gradcheck

__all__ = ["check_rules"]


def check_rules(mapping: UserMapping, example: Sequence[Any], static: dict[str, Any]) -> GradientReport:
    """Hold the rules of a user's mapping to finite differences, and the pushforward to the pullback."""
    name = mapping.mapping.name
    try:
        report = gradcheck(lambda *xs: mapping(*xs, **static), *example, names=mapping.arguments)
    except GradcheckError as error:
        lines = [f"{name}: the rule is wrong.", str(error.report)]
        lines += [f"  hint: {hint}" for hint in hints(mapping, error.report, example, static)]
        raise GradcheckError("\n".join(lines), error.report) from None
    if "pushforward" in mapping.declared:
        _check_transpose(mapping, example, static, report)
    return report


def _check_transpose(
    mapping: UserMapping, example: Sequence[Any], static: dict[str, Any], report: GradientReport
) -> None:
    """A pushforward that was written out must be the transpose of the pullback."""
    rng = np.random.default_rng(0)
    arrays = [np.asarray(numbers_of(x)) for x in example]
    active = [i for i, x in enumerate(arrays) if x.dtype.kind == "f"]
    xs = [arrays[i].astype(np.float64)[()] for i in active]

    def of_active(*new: Any) -> Any:
        full: list[Any] = list(example)
        for i, x in zip(active, new, strict=True):
            full[i] = x
        y = mapping(*full, **static)
        return tuple(part for part in (y if isinstance(y, tuple) else (y,)) if spec_of(part).dtype.kind == "f")

    for k, i in enumerate(active):
        ts = [np.asarray(rng.standard_normal(x.shape) if j == k else np.zeros(x.shape))[()] for j, x in enumerate(xs)]
        values, tangents = jvp(of_active, tuple(xs), tuple(ts))
        us = tuple(rng.standard_normal(spec_of(v).shape)[()] for v in values)
        gs = vjp(of_active, *xs)[1](us)
        forward = sum(float(np.sum(u * numbers_of(t))) for u, t in zip(us, tangents, strict=True))
        back = sum(float(np.sum(numbers_of(g) * t)) for g, t in zip(gs, ts, strict=True))
        if abs(forward - back) > 1e-9 * (abs(forward) + abs(back)) + 1e-12:
            raise GradcheckError(
                f"{mapping.mapping.name}: the pushforward rule disagrees with the pullback rule, which agrees with "
                f"finite differences. Along a random tangent of {mapping.arguments[i]} it gives {forward:.10g}, "
                f"expected {back:.10g} (ratio {forward / back if back else float('inf'):.6g})",
                report,
            )


# ------------------------------------------------------------------------------------------------ hints


def hints(
    mapping: UserMapping, report: GradientReport, example: Sequence[Any], static: dict[str, Any]
) -> list[str]:
    """Say, for each argument, what finite difference over rule looks like; nothing where it is unclear."""
    found = []
    for argument in dict.fromkeys(entry.argument for entry in report.failures):
        wrong = [entry for entry in report.failures if entry.argument == argument and entry.kink is None]
        telling = [entry for entry in report.entries if entry.argument == argument and entry.numeric]
        hint = _hint(mapping, wrong, telling, example, static)
        if hint:
            found.append(hint if len(mapping.arguments) == 1 else f"{argument}: {hint}")
    return found


def _hint(
    mapping: UserMapping,
    wrong: Sequence[Entry],
    telling: Sequence[Entry],
    example: Sequence[Any],
    static: dict[str, Any],
) -> str | None:
    if not wrong:
        return None
    if all(entry.analytic == 0 for entry in telling):
        return "the rule gives 0 everywhere"
    if any(entry.analytic == 0 for entry in telling):
        return None
    missing = np.array([entry.numeric / entry.analytic for entry in telling])
    said = []
    if np.allclose(missing, missing[0], rtol=1e-5):
        said.append(_constant(float(missing[0])))
    for name, value in _candidates(mapping, example, static).items():
        at = [_element(value, entry) for entry in telling]
        if any(a is None or a == 0 for a in at):
            continue
        there = np.array(at, dtype=np.float64)
        if len(wrong) > 1 and np.allclose(there, there[0]):
            continue  # a constant does not tell a factor from a number
        if np.allclose(missing, there, rtol=1e-5):
            said.append(f"a factor {name} is missing")
        elif np.allclose(missing, 1 / there, rtol=1e-5):
            said.append(f"a factor {name} is too many")
    said = [text for text in said if text]
    return "it looks as if " + ", or ".join(said) if said else None


def _constant(missing: float) -> str:
    if np.isclose(missing, -1, rtol=1e-5):
        return "the sign is flipped"
    for factor, shown in ((2.0, "2"), (3.0, "3"), (4.0, "4"), (10.0, "10"), (np.pi, "π"), (np.log(2), "ln 2")):
        if np.isclose(abs(missing), factor, rtol=1e-5):
            return f"a factor {'−' if missing < 0 else ''}{shown} is missing"
        if np.isclose(abs(missing), 1 / factor, rtol=1e-5):
            return f"a factor {'−' if missing < 0 else ''}{shown} is too many"
    return f"a constant factor {missing:.6g} is missing"


def _candidates(mapping: UserMapping, example: Sequence[Any], static: dict[str, Any]) -> dict[str, Any]:
    with no_grad():
        y = mapping(*(asarray(x) if not isinstance(x, Value) else x for x in example), **static)
    values = dict(zip(mapping.arguments, map(numbers_of, example), strict=True))
    if not isinstance(y, tuple):
        values["y" if "y" not in values else "the value"] = numbers_of(y)
    return values


def _element(value: Any, entry: Entry) -> float | None:
    """The entry of `value` at the output element, if it broadcasts to it."""
    place = entry.output[len(entry.output) - value.ndim :] if value.ndim <= len(entry.output) else None
    if place is None:
        return None
    place = tuple(0 if n == 1 else i for i, n in zip(place, value.shape, strict=True))
    if any(i >= n for i, n in zip(place, value.shape, strict=True)):
        return None
    return float(value[place])

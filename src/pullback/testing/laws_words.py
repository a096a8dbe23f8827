"""Laws of the declaration: no facet is missing, the formula and the words render."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping as ReadOnlyDict
from typing import Any

from ..core.mapping import INPUTS, unsupported
from ..core.samples import Sample
from ..transforms import jvp, vjp
from .law import NotApplicable, require, require_close
from .laws_derivative import refused
from .subject import Case, Subject, arrays_of

__all__ = ["facets", "formula"]


def facets(subject: Subject) -> None:
    """Every facet is there, or says `unsupported` with a reason, and refuses; closed forms equal the body's."""
    mapping = subject.mapping
    missing = [name for name in _needed(subject) if getattr(mapping, name) in (None, "")]
    require(not missing, f"{mapping.name} has no {', '.join(missing)}")
    for name in ("spec", "pullback", "pushforward", "batch", "lower", "onnx"):
        facet = getattr(mapping, name)
        if facet.__class__ is unsupported:
            require(refused(facet), f"{name} is unsupported, but gives no reason or does not raise")
    for case in subject.cases:
        require(
            len(case.args) >= len(mapping.arguments),  # more than that belong to the last, which is then variadic
            f"{case}: {len(case.args)} arrays for the arguments {mapping.arguments}",
        )
    if mapping.body is not None and mapping.differentiable:
        _closed_forms(subject)


def _needed(subject: Subject) -> list[str]:
    mapping = subject.mapping
    needed = ["samples", "formula", "words", "lower", "onnx"]
    if mapping.body is None:
        needed += ["spec", "batch"]
        if mapping.differentiable:
            needed += ["pullback", "pushforward"]
    return needed


def _closed_forms(subject: Subject) -> None:
    """A pullback or pushforward written out beside a body gives what the body's gives."""
    mapping = subject.mapping
    if mapping.pullback is None and mapping.pushforward is None:
        return
    body = Subject(mapping.replace(pullback=None, pushforward=None, batch=None, uses=INPUTS))
    try:
        cases = subject.smooth_cases
    except NotApplicable:
        return
    for case in cases:
        plain = Case(body, case.index, Sample(case.args, case.static))
        xs, us, vs = case.primals(case.active), case.cotangents(), case.directions(case.active)
        f, g = case.function(case.active), plain.function(case.active)
        if mapping.pullback is not None and mapping.pullback.__class__ is not unsupported:
            for i, got, expected in zip(
                case.active, arrays_of(vjp(f, *xs)[1](us)), arrays_of(vjp(g, *xs)[1](us)), strict=True
            ):
                _require_as_body(case, got, expected, f"cotangent of {case.name(i)}")
        if mapping.pushforward is not None and mapping.pushforward.__class__ is not unsupported:
            pushed = arrays_of(jvp(f, tuple(xs), tuple(vs))[1]), arrays_of(jvp(g, tuple(xs), tuple(vs))[1])
            for got, expected in zip(*pushed, strict=True):
                _require_as_body(case, got, expected, "tangent")




def _require_as_body(case: Case, got: Any, expected: Any, what: str) -> None:
    scale = float(abs(expected).max(initial=0.0))
    require_close(
        got, expected, f"{case}: {what}", rtol=1e-11, atol=1e-12 * scale, names=("closed form gives", "the body gives")
    )


# --------------------------------------------------------------------------------------------- formula


def formula(subject: Subject) -> None:
    """Formula and words render with the argument names, an elementwise or linear one mentions each, braces balance."""
    mapping = subject.mapping
    require(mapping.formula and mapping.words, f"{mapping.name} has no formula or no words")
    case = subject.cases[0]
    count = len(case.args)
    names = {name: f"q_{i}" for i, name in enumerate(mapping.arguments)}
    said = {}
    for facet in ("formula", "words"):
        template = getattr(mapping, facet)
        text = template(**names, **case.static) if callable(template) else _filled(template, names, case.static)
        require(isinstance(text, str) and text.strip(), f"the {facet} renders as {text!r}")
        said[facet] = text
    for i, (name, shown) in enumerate(names.items()):
        require(
            i >= count
            or mapping.family in ("irregular", "composite")  # a random key, a step number: not part of a formula
            or any(re.search(rf"{shown}(?!\d)", text) for text in said.values()),
            f"neither the formula {said['formula']!r} nor the words {said['words']!r} mention {name}",
        )
    text = said["formula"]
    require(_balanced(text), f"the braces of the formula {text!r} do not balance")


def _filled(template: str, names: ReadOnlyDict[str, str], static: ReadOnlyDict[str, Any]) -> str:
    known = {**names, **static}
    fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    unknown = [field for field in fields if re.split(r"[.\[]", field)[0] not in known]
    require(not unknown, f"{template!r} names {unknown}, which is neither an argument nor a static parameter")
    return template.format(**known)


def _balanced(text: str) -> bool:
    depth = 0
    for character in text.replace(r"\{", "").replace(r"\}", ""):
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0

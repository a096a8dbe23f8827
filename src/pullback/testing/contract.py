"""The contract: one table of laws that every mapping in the catalogue is held to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .. import control, mappings  # noqa: F401  # control flow declares mappings too
from ..core.mapping import CATALOGUE, Mapping
from . import laws_batching, laws_compiled, laws_derivative, laws_inputs, laws_kernels, laws_value, laws_words
from .exemptions import EXEMPT
from .law import Law, LawBroken, Outcome
from .subject import Subject

__all__ = ["LAWS", "check_mapping", "judge"]

mappings.complete()


def _law(name: str, check: Callable[[Subject], None]) -> Law:
    return Law(name, (check.__doc__ or "").strip(), check)


LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        _law("facets", laws_words.facets),
        _law("formula", laws_words.formula),
        _law("value", laws_value.value),
        _law("spec", laws_value.spec),
        _law("special", laws_value.special),
        _law("magnitudes", laws_value.magnitudes),
        _law("adjoint", laws_derivative.adjoint),
        _law("derivative", laws_derivative.derivative),
        _law("second", laws_derivative.second),
        _law("subsets", laws_derivative.subsets),
        _law("uses", laws_derivative.uses),
        _law("kernels", laws_kernels.kernels),
        _law("vmap", laws_batching.vmap_equals_loop),
        _law("traced", laws_batching.traced),
        _law("compiled", laws_compiled.compiled),
        _law("inputs", laws_inputs.inputs),
        _law("memory", laws_inputs.memory),
        _law("integers", laws_inputs.integers),
    )
}


def judge(subject: Subject, law: Law) -> Outcome:
    """Hold a mapping to a law, unless the table of exemptions says why it is not held to it."""
    reason = EXEMPT.get((subject.mapping.name, law.name))
    if reason is not None:
        return Outcome(subject.mapping.name, law.name, "not applicable", reason, 0.0)
    return law.judge(subject)


def judge_all(mappings: Iterable[Mapping] | None = None, laws: Sequence[str] | None = None) -> Iterator[Outcome]:
    """Hold the mappings (the whole catalogue by default) to the laws (all by default), one after another."""
    for mapping in list(CATALOGUE.values() if mappings is None else mappings):
        subject = Subject(mapping)
        for name in laws or LAWS:
            yield judge(subject, LAWS[name])


def check_mapping(mapping: Any, *, laws: Sequence[str] | None = None) -> list[Outcome]:
    """Hold one mapping to the laws and return the outcomes.

    `mapping` is a mapping with `samples`, one's own (`pullback.mapping`) included; `laws` names some of
    `LAWS`, all by default. Raises LawBroken with every counterexample when a law is broken.

    >>> from pullback.core.mapping import CATALOGUE
    >>> [outcome.status for outcome in check_mapping(CATALOGUE["multiply"], laws=["adjoint", "derivative"])]
    ['kept', 'kept']
    """
    outcomes = list(judge_all([getattr(mapping, "mapping", mapping)], laws))
    broken = [f"{o.mapping} breaks the law {o.law!r}: {o.detail}" for o in outcomes if o.status == "broken"]
    if broken:
        raise LawBroken("\n".join(broken))
    return outcomes

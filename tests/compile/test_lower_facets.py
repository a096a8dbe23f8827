"""The names in `lower` facets and the tables of the compiler fit together: nothing is missing, nothing is left over."""

from __future__ import annotations

import pytest

pytest.importorskip("llvmlite")

from pullback.compile.checks import CHECKS
from pullback.compile.emit.scalars import LOWERED
from pullback.compile.kernels import EMITTERS, emitter
from pullback.compile.rules import CONDITIONS, RULES
from pullback.core.mapping import CATALOGUE, unsupported
from pullback.testing import contract  # noqa: F401  # which completes the catalogue

# What rules themselves write, for parts of a mapping; no mapping is one of these alone.
BY_RULES = {"copy", "equal", "where", "add", "multiply", "divide", "maximum", "minimum", "convert"}


def unresolved(mapping):
    """Whether a mapping names something that the compiler does not know."""
    if not isinstance(mapping.lower, str):
        return False
    return mapping.lower not in (LOWERED | CHECKS.keys() if mapping.family == "elementwise" else RULES.keys())


def test_every_name_is_a_rule_or_an_emitted_scalar():
    assert [m.name for m in CATALOGUE.values() if unresolved(m)] == []
    assert unresolved(CATALOGUE["exp"].replace(lower="nothing of this name"))
    assert unresolved(CATALOGUE["exp"].replace(lower="matmul")), "a scalar operation has to be emitted"


def test_every_other_mapping_says_why_it_has_no_name():
    for mapping in CATALOGUE.values():
        if not isinstance(mapping.lower, str):
            assert isinstance(mapping.lower, unsupported), mapping.name
            assert mapping.lower.reason, mapping.name


def test_every_kind_of_kernel_has_something_that_writes_it():
    assert all(callable(emitter(kind)) for kind in EMITTERS)


def test_nothing_in_the_tables_is_unused():
    named = {m.lower for m in CATALOGUE.values() if isinstance(m.lower, str)}
    assert RULES.keys() - named == set()
    assert LOWERED - named - BY_RULES == set()
    assert CONDITIONS.keys() - RULES.keys() == set()

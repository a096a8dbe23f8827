"""Which mappings NumPy evaluates inside a plan, and why: the list is whole, and the documentation has it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import pullback as pb
from pullback.compile.lowering import lowered
from pullback.compile.program import Call
from pullback.core.mapping import CATALOGUE
from pullback.core.spec import spec_of
from pullback.testing import contract  # noqa: F401  # which completes the catalogue

SPECIAL = "a special function that is rare in training"

FLOATING = {
    "while_loop": "a loop without an end can be stopped in NumPy",
    "ctc_alignment": "it checks numbers while it builds a table, once a batch",
    "digamma": SPECIAL,
    "erfinv": SPECIAL,
    "lgamma": SPECIAL,
    "polygamma": SPECIAL,
    "nextafter": "it steps through the bits of a number",
}
"""What is evaluated whatever the numbers are."""

STEPS = "its steps are NumPy's integer arithmetic, which wraps or has a smaller dtype than the result"
CONVOLVED = "convolutions of whole numbers"
MEANS = "weighted means of whole numbers"
WHOLE = {
    "exp_of_difference": STEPS,
    "gelu_tanh": STEPS,
    "hard_sigmoid": STEPS,
    "hard_swish": STEPS,
    "hardshrink": STEPS,
    "softshrink": STEPS,
    "softsign": STEPS,
    "huber": STEPS,
    "pinball": STEPS,
    "nan_to_num": STEPS,
    "threshold": STEPS,
    "xlogy": STEPS,
    "xlog1py": STEPS,
    "binary_cross_entropy": STEPS,
    "binary_cross_entropy_with_logits": STEPS,
    "prelu": STEPS,
    "not_negative": STEPS,
    "finite_norm": STEPS,
    "norm": STEPS,
    "avg_pool": MEANS,
    "avg_pool_back": MEANS,
    "resample": MEANS,
    "convolution": CONVOLVED,
    "convolution_input": CONVOLVED,
    "convolution_weight": CONVOLVED,
    "pow": "a negative exponent is an error",
}
"""What is evaluated, besides, of numbers of the dtype int64."""


def evaluated(dtype):
    """The mappings that NumPy evaluates when all samples of the catalogue are compiled in this dtype."""
    found = set()
    for mapping in CATALOGUE.values():
        for sample in mapping.samples(np.random.default_rng(0)):
            args = [x.astype(dtype) if hasattr(x, "dtype") and x.dtype.kind == "f" else x for x in sample.args]
            specs = [spec_of(x) for x in args]
            if any(math.prod(s.shape) == 0 or s.dtype.kind == "c" for s in specs):
                continue  # nothing to compute, or complex numbers, of which there is no machine type
            try:
                with np.errstate(all="ignore"):
                    values = mapping.evaluate(*args, **sample.static)
            except (TypeError, ValueError, OverflowError):
                continue  # the mapping does not take this dtype
            if any(np.size(y) == 0 for y in (values if isinstance(values, tuple) else [values])):
                continue
            graph = pb.compile(lambda *xs, m=mapping, s=sample: m(*xs, **s.static)).graph(*args)
            found |= {i.mapping.name for i in lowered(graph).instructions if isinstance(i, Call)}
    return found


def test_the_list_is_whole():
    assert evaluated(np.float64) == set(FLOATING)
    assert evaluated(np.float32) == set(FLOATING)


def test_the_list_for_whole_numbers_is_whole():
    assert evaluated(np.int64) == {*FLOATING, *WHOLE}


@pytest.mark.parametrize("page", ["compile.md", "compile.zh.md"])
def test_the_documentation_names_each_of_them(page):
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    for name in FLOATING:
        assert f"`{name}`" in text, name


def test_a_mapping_without_a_rule_says_why():
    for name in FLOATING:
        reason = getattr(CATALOGUE[name].lower, "reason", "")
        assert reason and "inside the plan" not in reason, f"{name}: {reason!r} is no reason"

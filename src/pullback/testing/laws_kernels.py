"""The law of the kernels on the way back: they compute the numbers of their rules, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..core.families import fused
from ..core.interpret import EVALUATE, interpreting
from ..core.spec import spec_of
from .law import NotApplicable, require
from .subject import Case, Subject

__all__ = ["kernels"]


def kernels(subject: Subject) -> None:
    """The kernel of a pullback gives what its rule gives, bit for bit: each dtype, layout and subset of inputs."""
    pullback = subject.mapping.pullback
    if pullback.__class__ is not fused:
        raise NotApplicable("the pullback has no kernel")
    assert isinstance(pullback, fused)
    for case in subject.smooth_cases:
        for dtype in (np.float64, np.float32):
            same = case.with_args([x.astype(dtype) if i in case.active else x for i, x in enumerate(case.args)])
            for layout, g in _cotangents(same):
                for wanted in same.subsets():
                    by_rule, by_kernel = (_pulled(same, rule, g, wanted) for rule in (pullback.rule, pullback.kernel))
                    about = f"{same}, {layout} cotangent, ({', '.join(map(same.name, wanted))}) asked for"
                    require(
                        len(by_rule) == len(by_kernel) == len(same.args),
                        f"{about}: the rule gives {len(by_rule)} cotangents, the kernel {len(by_kernel)}",
                    )
                    for i, (a, b) in enumerate(zip(by_rule, by_kernel, strict=True)):
                        require(_alike(a, b), f"{about}: of {same.name(i)} the rule gives {a}, the kernel {b}")


def _cotangents(case: Case) -> Iterator[tuple[str, Any]]:
    """Random cotangents of the one output, in both orders of memory and with every other element of a wider array."""
    (y,) = case.outputs
    g = case.rng(9).standard_normal(y.shape).astype(y.dtype)
    yield "plain", g[()]
    if y.ndim:
        yield "Fortran-ordered", np.asarray(g, order="F")
        yield "strided", np.repeat(g, 2, axis=-1)[..., ::2]


def _pulled(case: Case, rule: Callable[..., Any], g: Any, wanted: Sequence[int]) -> list[Any]:
    uses, (y,) = case.mapping.uses, case.outputs
    with interpreting(EVALUATE):
        return list(
            rule(
                g,
                y[()] if uses.output else spec_of(y),
                *(case.args if uses.inputs else map(spec_of, case.args)),
                needs=[i in wanted for i in range(len(case.args))],
                **case.static,
            )
        )


def _alike(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return spec_of(a) == spec_of(b) and np.asarray(a).tobytes() == np.asarray(b).tobytes()

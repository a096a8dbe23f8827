"""A local receipt as text for the terminal: word for word what the page writes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .columns import shown_number, signed
from .language import text
from .local import LocalReceipt, Use

__all__ = ["all_digits", "render"]


def render(receipt: LocalReceipt, lang: str) -> str:
    """Return the account as lines."""
    return "\n".join(_lines(receipt, lang)) + "\n"


def _lines(r: LocalReceipt, lang: str) -> Iterator[str]:
    def say(key: str, **values: object) -> str:
        return text(f"page.local_{key}", lang, **values)

    name = f"∂{r.loss}/∂{r.symbol}"
    absent = say("empty" if 0 in r.shape else "missing", name=name)
    yield absent if r.gradient is None else f"{name} = {shown_number(r.gradient)}"
    if r.reason is not None:
        yield say("reason", code=text(f"receipt.code.{r.reason.code}", lang), words=r.reason.words)
    if r.before_hook is not None:
        yield say("hook", before=shown_number(r.before_hook), after=shown_number(r.gradient))
    if r.gradient is None:
        return
    if r.uses:
        yield say("uses", x=r.symbol)
    for i, use in enumerate(r.uses, 1):
        first, *rest = _use(use, r, lang)
        yield f"  {i}. {first}"
        yield from (f"     {line}" for line in rest)
    if r.uses_omitted:
        yield "  " + say("omitted", count=r.uses_omitted, total=shown_number(r.omitted_total))
    if r.is_root:
        yield say("root", gradient=all_digits(r.gradient))
        return
    key = "sum" if r.exact else "sum_rounded" if r.agrees else "sum_wrong"
    gradient = r.gradient if r.before_hook is None else r.before_hook
    yield say(key, total=all_digits(r.total), gradient=all_digits(gradient))


def _use(use: Use, r: LocalReceipt, lang: str) -> Iterator[str]:
    value = [] if use.value is None else [shown_number(use.value)]
    forward = [use.formula] if use.formula is not None else []
    if use.substituted is not None and [use.substituted] != value:
        forward.append(use.substituted)
    yield " = ".join([use.output, *forward, *value])
    if use.statement is not None:
        yield use.statement
    slope = f"∂{use.output}/∂{use.input}"
    if use.local is not None:
        chain = [use.symbolic, use.half, shown_number(use.local)]
        yield " = ".join([slope, *dict.fromkeys(step for step in chain if step is not None)])
        yield _check(use, r, lang)
        factors = f"{signed(use.incoming)} · {signed(use.local)} = {shown_number(use.product)}"
        yield f"∂{r.loss}/∂{use.output} · {slope} = {factors}"
        return
    for term in use.terms:
        factors = f"{signed(term.incoming)} · {signed(term.local)} = {shown_number(term.product)}"
        yield f"∂{r.loss}/∂{term.output} · ∂{term.output}/∂{use.input} = {factors}"
    if use.terms_omitted:
        yield text("page.local_terms_more", lang, count=use.terms_omitted)
    yield text("page.local_sends", lang, mapping=use.mapping, product=shown_number(use.product))
    yield _check(use, r, lang)


def _check(use: Use, r: LocalReceipt, lang: str) -> str:
    key = f"page.local_check_{use.verdict.replace(' ', '_')}"
    return text(
        key, lang, numeric=shown_number(use.numeric), mapping=use.mapping, dtype=use.dtype, kink=use.kink or ""
    )


def all_digits(x: float | None) -> str:
    """Write a number in as many digits as tell it from all others of its dtype.

    >>> all_digits(0.1), all_digits(-1.5e-7), all_digits(1e21)
    ('0.1', '−1.5e-7', '1e21')
    """
    if x is None or not math.isfinite(x):
        return shown_number(x)
    if 1e-6 <= abs(x) < 1e21 or x == 0:
        shown = np.format_float_positional(x + 0.0, trim="-")
    else:
        shown = np.format_float_scientific(x, trim="-", exp_digits=1).replace("e+", "e")
    return shown.replace("-", "−", 1) if shown.startswith("-") else shown

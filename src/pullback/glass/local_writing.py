"""From the numbers of local receipts to what is read: a receipt in Python, and the columns that a page carries."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.spec import shape_of
from . import language
from .columns import shown_number
from .diagram import Box
from .local import LocalReceipt, Term, Use
from .local_accounts import Account, Accounts
from .local_kinds import Kinds
from .names import element_symbol
from .pattern import fill
from .rates import KINK, TOO_LARGE, VERDICTS, Rate
from .shown import number
from .slopes import parts

__all__ = ["carried_locals", "local_receipt"]


class _Writer:
    def __init__(self, accounts: Accounts) -> None:
        self.accounts, self.lang = accounts, accounts.lang
        self.boxes = accounts.diagram.boxes
        self.loss = self.boxes[accounts.diagram.root].symbol
        self.names, self.history = accounts.record.names, accounts.record.history
        self.places = accounts.record.places
        self.kinds = Kinds(self.loss)

    # --------------------------------------------------------------------------------------- names of elements

    def output(self, rate: Rate, part: int, index: tuple[int, ...]) -> str:
        """Return what an element of the output is called."""
        y = parts(self.history.output(rate.node))[part]
        return element_symbol(self.names.of((rate.node.serial, part)), shape_of(y), index)

    def inputs(self, rate: Rate, box: Box) -> list[str]:
        """Return what the elements are called that the output's is made of."""
        if rate.at is None:
            return [x.symbol for x in box.inputs]
        return [element_symbol(x.symbol, at, at) for x, at in zip(box.inputs, rate.at, strict=True)]

    def kink(self, rate: Rate) -> str | None:
        """Return what the mapping chooses, where it stands at its kink."""
        if rate.verdict != KINK:
            return None
        names = {name: name for name in rate.node.mapping.arguments}
        return language.kink(rate.node.mapping, self.lang, **names)


# ------------------------------------------------------------------------------------------- in Python


def local_receipt(accounts: Accounts, account: Account) -> LocalReceipt:
    """Return an account as a receipt."""
    writer, box = _Writer(accounts), account.box
    name = box.symbol if box.serial is None else writer.names.of((box.serial, account.part))
    known = account.gradient is not None
    return LocalReceipt(
        lang=accounts.lang,
        loss=writer.loss,
        box=box.number,
        symbol=element_symbol(name, account.shape, account.index) if known else name,
        name=name,
        kind=box.kind,
        shape=tuple(account.shape) if known else box.spec.shape,
        dtype=box.spec.dtype.name,
        index=account.index,
        value=_float(account.value) if known else None,
        gradient=_float(account.gradient),
        total=_float(account.total),
        exact=account.exact if known else None,
        agrees=account.agrees if known else None,
        uses=tuple(_use(writer, rate, account) for rate in account.shown),
        uses_omitted=account.omitted,
        omitted_total=account.omitted_total,
        before_hook=_float(account.before_hook),
        is_root=box.number == accounts.diagram.root and known,
        reason=account.reason,
        downstream=account.downstream,
    )


def _use(writer: _Writer, rate: Rate, account: Account) -> Use:
    node = rate.node
    box = writer.boxes[writer.places[node.serial]]
    kind = writer.kinds.of(box)
    given = box.inputs[rate.position]
    single = rate.target is not None
    pointwise = single and bool(rate.xs)
    y = writer.output(rate, *rate.target) if rate.target is not None else box.symbol
    names = writer.inputs(rate, box) if pointwise else [x.symbol for x in box.inputs]
    numbers = [shown_number(_float(x)) for x in rate.xs] if pointwise else []
    value = _float(rate.y) if single else None
    derivative = kind.derivative(rate.position, rate.xs) if pointwise else None
    forward = kind.forward
    line = writer.kinds.statement(box, kind, rate.position) if account.shape else None
    shown_y = shown_number(value)
    return Use(
        box=box.number,
        mapping=node.mapping.name,
        argument=given.argument,
        output=y,
        input=element_symbol(given.symbol, account.shape, account.index),
        formula=None if forward is None else fill(forward.symbols, names, y),
        substituted=fill(forward.numbers, numbers, shown_y) if forward and forward.numbers and pointwise else None,
        value=value,
        symbolic=None if derivative is None else fill(derivative.symbols, names, y),
        half=fill(derivative.numbers, numbers, shown_y) if derivative and derivative.numbers else None,
        local=_float(rate.slope) if single else None,
        incoming=_float(rate.incoming) if single else None,
        product=_float(rate.product) or 0.0,
        terms=tuple(Term(writer.output(rate, i, at), slope, g, product) for i, at, slope, g, product in rate.terms),
        terms_omitted=rate.count - len(rate.terms) if not single and rate.verdict != TOO_LARGE else 0,
        statement=None if line is None else fill(line, names if not pointwise else [x.symbol for x in box.inputs],
                                                 box.symbol),
        verdict=VERDICTS[rate.verdict],
        numeric=None if rate.numeric is None or not np.isfinite(rate.numeric) else rate.numeric,
        kink=writer.kink(rate),
        dtype=box.spec.dtype.name,
    )


# ------------------------------------------------------------------------------------------ for a page


def carried_locals(accounts: Accounts) -> dict[str, Any]:
    """Return the local receipts of all boxes as columns, which a page writes out when a box is clicked.

    `slopes`, `numeric` and `verdicts` have an entry for each input of each box, in order; `totals` one for each box.
    Everything else is rare, and by number: of the edge or of the box.
    """
    writer = _Writer(accounts)
    boxes, places = writer.boxes, writer.places
    first, edges = [], 0
    for box in boxes:
        first.append(edges)
        edges += len(box.inputs)
    slopes: list[Any] = [None] * edges
    numeric: list[Any] = [None] * edges
    verdicts = ["."] * edges
    more: dict[int, dict[str, Any]] = {}
    totals: list[Any] = [None] * len(boxes)
    facts: dict[int, dict[str, Any]] = {}
    others: dict[int, list[dict[str, Any]]] = {}
    reasons: dict[tuple[str, str], int] = {}
    for account in accounts.all():
        fact = _facts(account, writer, reasons)
        for rate in account.rates:
            box = boxes[places[rate.node.serial]]
            edge = first[box.number] + rate.position
            kind = writer.kinds.of(box)
            verdicts[edge] = str(rate.verdict)
            if rate.numeric is not None and np.isfinite(rate.numeric):
                numeric[edge] = number(rate.numeric, 6)
            if rate.target is not None:
                slopes[edge] = _six(rate.slope)
                if rate.xs:
                    kind.derivative(rate.position, rate.xs)
            if extra := _more(writer, rate, account, box, kind):
                more[edge] = extra
        if len(account.shown) < len(account.rates):
            fact["shown"] = [first[places[r.node.serial]] + r.position for r in account.shown]
            fact["omitted"], fact["omittedTotal"] = account.omitted, number(account.omitted_total, 6)
        if account.part:
            others.setdefault(account.box.number, []).append(fact | {"total": number(account.total)})
            continue
        totals[account.box.number] = number(account.total)
        if fact:
            facts[account.box.number] = fact
    return {
        "kinds": [kind.to_dict() for kind in writer.kinds.found.values()],
        "kindOf": [None if box.mapping is None else writer.kinds.of(box).number for box in boxes],
        "slopes": slopes,
        "numeric": numeric,
        "verdicts": "".join(verdicts),
        "totals": totals,
        "more": more,
        "boxes": facts,
        "parts": others,
        "statements": list(writer.kinds.statements),
        "reasons": [{"code": code, "words": words} for code, words in reasons],
    }


def _facts(account: Account, writer: _Writer, reasons: dict[tuple[str, str], int]) -> dict[str, Any]:
    """Return what is to be said of a box beyond its sum."""
    fact: dict[str, Any] = {}
    if account.gradient is not None and (account.shape or account.box.parts > 1):
        fact["element"] = element_symbol(
            writer.names.of((account.box.serial or 0, account.part)), account.shape, account.index
        )
        fact["gradient"] = number(account.gradient)
    if account.gradient is not None and not account.exact:
        fact["agrees"] = account.agrees
    if account.before_hook is not None:
        fact["before"] = number(account.before_hook)
    if account.reason is not None:
        code = language.text(f"receipt.code.{account.reason.code}", writer.lang)
        fact["reason"] = reasons.setdefault((code, account.reason.words), len(reasons))
    if account.downstream is not None:
        fact["downstream"] = account.downstream
    return fact


def _more(writer: _Writer, rate: Rate, account: Account, box: Box, kind: Any) -> dict[str, Any]:
    """Return what the boxes' own numbers do not say of a use: single elements of arrays, and sums of products."""
    made: dict[str, Any] = {}
    plain = not account.shape and rate.target == (0, ()) and len(rate.xs) == len(box.inputs)
    if not plain and rate.target is not None:
        made |= {"output": writer.output(rate, *rate.target), "value": number(np.asarray(rate.y)[()])}
        made["incoming"] = number(np.asarray(rate.incoming)[()])
        if rate.xs:
            made["names"] = writer.inputs(rate, box)
            made["numbers"] = [number(np.asarray(x)[()]) for x in rate.xs]
    if rate.xs and kind.has_cases(rate.position, rate.xs):
        made["zero"] = True
    if account.shape:
        made["product"] = number(np.asarray(rate.product)[()])
        if (line := writer.kinds.statement(box, kind, rate.position)) is not None:
            made["statement"] = writer.kinds.statement_number(line)
    if rate.target is None:
        made["count"] = rate.count
        made["terms"] = [
            [writer.output(rate, i, at), *(number(x, 6) for x in (slope, g, product))]
            for i, at, slope, g, product in rate.terms
        ]
    if (kink := writer.kink(rate)) is not None:
        made["kink"] = kink
    return made


def _six(x: Any) -> Any:
    """Return a number in six digits, rounded from as many as tell it from all others of its dtype."""
    return number(np.float64(str(x)) if isinstance(x, np.float32 | np.float16) else x, 6)


def _float(x: Any) -> float | None:
    return None if x is None else float(str(x)) if isinstance(x, np.float32 | np.float16) else float(x)

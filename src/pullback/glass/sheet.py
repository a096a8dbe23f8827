"""Receipts as one HTML file that needs nothing else: the same account as in the terminal, formulas as MathML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from .account import jump_of, meaning, place, remarks, rounding_shows, shaped, unwritten
from .columns import shown_number, signed
from .formula import Formula, to_mathml, to_unicode
from .language import language, text
from .receipt import Local, Receipt, Row, Step

__all__ = ["to_sheet"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = """
:root { color-scheme: light dark; --ink: #1d2230; --quiet: #5a6275; --ground: #fff; --soft: #f2f4f9; --line: #d5d9e4;
  --value: #0b5cad; --gradient: #a8430a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaf2; --quiet: #a2abbf; --ground: #14171f; --soft: #1e222d;
  --line: #343b4b; --value: #78b4f5; --gradient: #f0a071; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 4rem; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.3rem; overflow-wrap: anywhere; } h2 { margin: 2.5rem 0 .3rem; font-size: 1.5rem; }
h2, .number { font-variant-numeric: tabular-nums; } h3 { margin: 1.6rem 0 .4rem; font-size: 1.05rem; }
p { margin: .3rem 0; } .facts, .where, figcaption { color: var(--quiet); }
.meaning { font-size: 1.05rem; }
.reason { border-left: 4px solid var(--gradient); padding: .3rem .8rem; background: var(--soft); }
.table { overflow-x: auto; } table { border-collapse: collapse; margin: .3rem 0; }
td, th { padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: baseline; font-weight: normal; }
tr.wanted td { color: var(--gradient); font-weight: 600; } tfoot td { border-top: 1px solid var(--line); }
.step { border: 1px solid var(--line); border-radius: 8px; padding: .6rem .9rem; margin: .6rem 0;
  background: var(--soft); }
.forward { color: var(--value); overflow-x: auto; } math { font-size: 1.1em; }
nav a { margin-right: 1rem; color: var(--value); }
pre { overflow-x: auto; background: var(--soft); padding: .8rem; border-radius: 8px; }
"""


def to_sheet(title: str, receipts: Sequence[Receipt], lang: str | None = None) -> str:
    """Return a page with these receipts, which asks nobody for anything and runs no script."""
    lang = language(lang)
    links = "".join(f'<a href="#r{i}">{escape(_gradient(r))}</a>' for i, r in enumerate(receipts))
    sections = "\n".join("".join(_Sheet(r, lang).section(f"r{i}")) for i, r in enumerate(receipts))
    return (
        f'<!doctype html>\n<html lang="{lang}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)} · pullback</title>'
        f"<style>{STYLE}</style></head>\n<body><main><h1><code>{escape(title)}</code></h1>\n"
        f'<nav aria-label="{escape(text("sheet.gradients", lang))}">{links}</nav>\n{sections}\n</main></body></html>\n'
    )


def _gradient(receipt: Receipt) -> str:
    return f"∂{receipt.loss.name}/∂{receipt.wrt.symbol}"


class _Sheet:
    def __init__(self, receipt: Receipt, lang: str) -> None:
        self.r, self.lang = receipt, lang

    def say(self, key: str, **values: object) -> str:
        return escape(text(f"receipt.text.{key}", self.lang, **values)).strip()

    def section(self, name: str) -> Iterator[str]:
        r = self.r
        yield f'<section id="{name}" aria-labelledby="{name}-title">'
        yield from self.head(f"{name}-title")
        if r.reason is not None:
            code = text(f"receipt.code.{r.reason.code}", self.lang)
            yield f'<p class="reason">{self.say("reason", code=code, words=r.reason.words)}</p>'
            if len(r.reason.causes) > 1:
                named = ((text(f"receipt.code.{code}", self.lang), count) for code, count in r.reason.causes)
                met = text("receipt.text.separator", self.lang).join(f"{code} ×{count}" for code, count in named)
                yield f"<p>{self.say('causes', met=met)}</p>"
        yield from (f"<p>{escape(note)}</p>" for note in r.notes)
        if r.gradient is not None:
            yield from self.array()
            yield from self.rows()
            yield from self.steps()
            yield from self.check()
        yield from self.update()
        if r.layers is not None:
            yield f"<pre>{escape(str(r.layers))}</pre>"
        yield "</section>"

    def head(self, name: str) -> Iterator[str]:
        r = self.r
        title = _gradient(r)
        if r.gradient is None:
            yield f'<h2 id="{name}">{self.say("missing", name=title)}</h2>'
        else:
            yield f'<h2 id="{name}">{escape(title)} = {shown_number(r.gradient)}</h2>'
        facts = [f"{r.loss.name} = {shown_number(r.loss.value)}"]
        if r.wrt.value is not None:
            facts.append(f"{r.wrt.symbol} = {shown_number(r.wrt.value)}")
        if r.wrt.shape:
            facts.append(f"{r.wrt.name}: {shaped(r.wrt)}")
        yield f'<p class="facts number">{escape(text("receipt.text.separator", self.lang).join(facts))}</p>'
        if r.gradient is not None:
            if math.isfinite(r.gradient):
                yield f'<p class="meaning">{escape(meaning(r, self.lang))}</p>'
            held = shown_number(r.grad) if r.grad is not None else self.say(unwritten(r))
            if r.wrt.kind == "leaf" and (r.grad is None or str(r.grad) != str(r.gradient)):
                yield f'<p class="facts">{self.say("grad", name=r.wrt.name, held=held)}</p>'

    def array(self) -> Iterator[str]:
        account, name = self.r.array, self.r.wrt.name
        if account is None:
            return
        yield f"<h3>{self.say('array', name=name, shape=shaped(self.r.wrt))}</h3>"
        yield from (f"<p>{escape(line)}</p>" for line in account.statements)
        for formula in account.pullbacks:
            yield f"<p>∂{escape(self.r.loss.name)}/∂{escape(name)} = {to_mathml(formula)}</p>"
        yield from _table(
            [
                self.say(key),
                f"‖·‖ {shown_number(s.norm, 4)}",
                f"{shown_number(s.low, 4)} … {shown_number(s.high, 4)}",
                self.say("array.zeros", zeros=s.zeros, size=s.size),
            ]
            for key, s in (("array.gradient", account.gradient), ("array.values", account.values))
        )
        if account.largest != self.r.wrt.index:
            element = f"{name}[{', '.join(map(str, account.largest))}]"
            yield f"<p>{self.say('array.largest', element=element)}</p>"

    def rows(self) -> Iterator[str]:
        r = self.r
        if not r.rows:
            return
        yield f"<h3>{self.say('rows.paths' if r.rows_are == 'paths' else 'rows.edges', x=r.wrt.symbol)}</h3>"
        yield from _table(self.row(i, row) for i, row in enumerate(r.rows, 1))
        yield from (f"<p>{escape(remark)}</p>" for remark in remarks(r, self.lang))
        if r.rows_omitted:
            rest = shown_number(r.rows_omitted_total)
            yield f"<p>{self.say('rows.rest', count=r.rows_omitted, total=rest)}</p>"
        if rounding_shows(r):
            yield f"<p>{self.say('rows.rounding', dtype=r.wrt.dtype, rounding=shown_number(r.rounding, 3))}</p>"
        mark = "✓" if r.agrees else "✗"
        total, engine = shown_number(r.total), shown_number(r.gradient)
        yield f"<p><strong>{self.say('rows.total', total=total, engine=engine, mark=mark, x=r.wrt.symbol)}</strong></p>"

    def row(self, i: int, row: Row) -> list[str]:
        factors = row.factors if self.r.rows_are == "paths" else (row.incoming, row.local)
        product = " · ".join(map(signed, factors))
        share = "" if row.share is None else f"{100 * row.share:.0f} %"
        shown = escape(" ← ".join([*row.through, self.r.wrt.symbol]))
        return [f"{i}.", shown, product, f"= {shown_number(row.product)}", share]

    def steps(self) -> Iterator[str]:
        r = self.r
        if not r.steps:
            return
        yield f"<h3>{self.say('steps', loss=r.loss.name, x=r.wrt.symbol)}</h3>"
        for step in r.steps:
            yield from self.step(step)
        if r.steps_omitted:
            yield f"<p>{self.say('steps.omitted', count=r.steps_omitted)}</p>"

    def step(self, step: Step) -> Iterator[str]:
        value = None if step.output.value is None else shown_number(step.output.value)
        forward = _equation(step.output.symbol, step.formula, step.substituted, value)
        where = place(step.origin) + (f", {step.module}" if step.module else "")
        yield f'<div class="step"><p class="forward">{forward}</p>'
        yield f'<p>{self.say("step.words", words=step.words)} <span class="where">({escape(where)})</span></p>'
        incoming = f"∂{self.r.loss.name}/∂{step.output.symbol} = {shown_number(step.incoming)}"
        if step.hook is not None:
            incoming += f" → {shown_number(step.hook)} {text('receipt.text.step.hook', self.lang)}"
        count = len(step.rows) + step.rows_omitted
        if count > 1:
            incoming += " " + text("receipt.text.step.sum", self.lang, count=count)
        yield f"<p>{self.say('step.incoming', incoming=incoming)}</p>"
        yield from _table((self.local(step, local) for local in step.locals), [local.wanted for local in step.locals])
        if step.statement is not None:
            yield f"<p>{self.say('step.statement')} {escape(step.statement)}</p>"
        yield "</div>"

    def local(self, step: Step, local: Local) -> list[str]:
        slope = f"∂{step.output.symbol}/∂{local.input.symbol}"
        sent = f"∂{self.r.loss.name}/∂{local.input.symbol}"
        g = step.incoming if step.hook is None else step.hook
        carried = f"{signed(g)} · {signed(local.number)} = {shown_number(local.product)}"
        equation = _equation(slope, local.symbolic, local.substituted, shown_number(local.number))
        return ["→" if local.wanted else "", equation, self.say("step.carries", name=sent, product=carried)]

    def check(self) -> Iterator[str]:
        c, r = self.r.check, self.r
        if c.verdict == "not checked":
            yield f"<p>{self.say('check.not', why=c.why or '')}</p>"
            return
        numbers = {"numeric": shown_number(c.numeric), "engine": shown_number(r.gradient), "h": shown_number(c.h, 3)}
        yield f"<p>{self.say(f'check.{c.verdict}', **numbers, x=r.wrt.symbol)}</p>"
        if c.why:
            yield f"<p>{escape(c.why)}</p>"
        if c.jump is not None:
            yield f"<p>{self.say('check.jump', loss=r.loss.name, **jump_of(c))}</p>"
        elif c.verdict != "agrees":
            yield f"<p>{self.say('check.sides', left=shown_number(c.left), right=shown_number(c.right))}</p>"
        for kink in c.kinks:
            where = place(kink.origin)
            yield f"<p>{self.say('check.at_kink', mapping=kink.mapping, place=where, words=kink.words)}</p>"
        for step in (step for step in r.steps if step.serial == c.suspect):
            yield f"<p>{self.say('check.suspect', mapping=step.mapping, place=place(step.origin))}</p>"

    def update(self) -> Iterator[str]:
        u, r = self.r.update, self.r
        if u is None:
            return
        settings = ", ".join(f"{key}={value}" for key, value in u.settings if value not in (None, False))
        yield f"<h3>{self.say('update', optimizer=u.optimizer, settings=settings)}</h3>"
        yield f"<p>{self.say('update.words', words=u.words)}</p>"
        meant = f"p = {r.wrt.symbol}, g = ∂{r.loss.name}/∂{r.wrt.symbol} = {shown_number(u.gradient)}"
        yield f"<p>{escape(meant)}</p>"
        for line in u.lines:
            equation = _equation(line.name, line.formula, line.substituted, shown_number(line.value))
            yield f'<p class="forward">{equation}</p>'
        before, after, change = map(shown_number, (u.before, u.after, u.change))
        yield f"<p>{self.say('update.change', x=r.wrt.symbol, before=before, after=after, change=change)}</p>"


def _equation(name: str, formula: Formula | None, substituted: Formula | None, value: str | None) -> str:
    """The name, the formula, the formula with numbers, and the number, with what repeats left out."""
    parts, seen = [escape(name)], ""
    for part in (formula, substituted):
        if part is not None and to_unicode(part) not in (seen, value):
            parts.append(to_mathml(part))
            seen = to_unicode(part)
    return " = ".join([*parts, *([] if value is None else [value])])


def _table(rows: Iterable[Sequence[str]], wanted: Sequence[Any] = ()) -> Iterator[str]:
    """A table of cells that are HTML already; the rows that are wanted stand out."""
    yield '<div class="table"><table class="number">'
    for i, row in enumerate(rows):
        cells = "".join(f"<td>{cell}</td>" for cell in row)
        yield f'<tr class="wanted">{cells}</tr>' if i < len(wanted) and wanted[i] else f"<tr>{cells}</tr>"
    yield "</table></div>"

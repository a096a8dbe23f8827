"""A receipt as text for the terminal."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

from .columns import aligned, shown_number, signed, width_of
from .formula import to_unicode
from .language import text
from .receipt import Check, Group, Local, Origin, Quantity, Receipt, Row, Step
from .typed import is_typed

__all__ = ["jump_of", "meaning", "place", "remarks", "render", "rounding_shows", "shaped", "unwritten"]

MOST_ROWS = 8
SMALL = 0.1
"""A factor below this is worth a remark."""
FOLD_FROM = 12
"""Accounts of so many steps and more are folded."""


def render(receipt: Receipt, lang: str, width: int, all_steps: bool) -> str:
    """Return the account as lines of at most about `width` columns."""
    text_ = _Text(receipt, lang, width, all_steps)
    return "\n".join(piece.rstrip() for line in text_.lines() for piece in text_.wrapped(line)) + "\n"


class _Text:
    def __init__(self, receipt: Receipt, lang: str, width: int, all_steps: bool) -> None:
        self.r, self.lang, self.width, self.all_steps = receipt, lang, width, all_steps

    def say(self, key: str, **values: object) -> str:
        return text(f"receipt.text.{key}", self.lang, **values)

    def lines(self) -> Iterator[str]:
        r = self.r
        yield from self.head()
        if r.reason is not None:
            yield ""
            yield self.say("reason", code=self.code(r.reason.code), words=r.reason.words)
            if len(r.reason.causes) > 1:
                met = self.say("separator").join(f"{self.code(code)} ×{count}" for code, count in r.reason.causes)
                yield self.say("causes", met=met)
        yield from r.notes
        if r.gradient is not None:
            if r.array is not None:
                yield from self.array()
            if r.rows:
                yield from self.rows()
            if r.steps:
                yield from self.steps()
            yield from self.check()
        if r.update is not None:
            yield from self.update()
        if r.layers is not None:
            yield ""
            yield str(r.layers)

    # ------------------------------------------------------------------------------------------ pieces

    def head(self) -> Iterator[str]:
        r = self.r
        name = f"∂{r.loss.name}/∂{r.wrt.symbol}"
        if r.gradient is None:
            yield self.say("missing", name=name)
        else:
            yield f"{name} = {shown_number(r.gradient)}"
        facts = [f"{r.loss.name} = {shown_number(r.loss.value)}"]
        if r.wrt.value is not None:
            facts.append(f"{r.wrt.symbol} = {shown_number(r.wrt.value)}")
        if r.wrt.shape:
            facts.append(f"{r.wrt.name}: {shaped(r.wrt)}")
        yield "  " + self.say("separator").join(facts)
        if r.gradient is not None:
            if math.isfinite(r.gradient):
                yield "  " + meaning(r, self.lang)
            held = shown_number(r.grad) if r.grad is not None else self.say(unwritten(r))
            if r.wrt.kind == "leaf" and (r.grad is None or str(r.grad) != str(r.gradient)):
                yield "  " + self.say("grad", name=r.wrt.name, held=held)

    def array(self) -> Iterator[str]:
        account = self.r.array
        assert account is not None
        yield ""
        yield self.say("array", name=self.r.wrt.name, shape=shaped(self.r.wrt))
        yield from self.few([f"  {line}" for line in account.statements])
        name = f"∂{self.r.loss.name}/∂{self.r.wrt.name}"
        yield from self.few([f"  {name} = {to_unicode(formula)}" for formula in account.pullbacks])
        table = []
        for key, s in (("array.gradient", account.gradient), ("array.values", account.values)):
            table.append(
                [
                    self.say(key),
                    f"‖·‖ {shown_number(s.norm, 4)}",
                    f"{shown_number(s.low, 4)} … {shown_number(s.high, 4)}",
                    self.say("array.zeros", zeros=s.zeros, size=s.size),
                ]
            )
        yield from self.fitted(table, "  ", 2)
        if account.largest != self.r.wrt.index:
            where = ", ".join(map(str, account.largest))
            yield "  " + self.say("array.largest", element=f"{self.r.wrt.name}[{where}]")

    def few(self, lines: list[str]) -> Iterator[str]:
        """Lines of which many are alike: the first ones and the last."""
        if len(lines) <= 4:
            yield from lines
            return
        yield from lines[:2]
        yield "  " + self.say("few", count=len(lines) - 3)
        yield lines[-1]

    def rows(self) -> Iterator[str]:
        r = self.r
        yield ""
        yield self.say("rows.paths" if r.rows_are == "paths" else "rows.edges", x=r.wrt.symbol)
        shown = r.rows[:MOST_ROWS]
        yield from self.fitted([self.row(i, row) for i, row in enumerate(shown, 1)], "  ", 2)
        for remark in remarks(r, self.lang):
            yield "  " + remark
        rest = len(r.rows) - len(shown) + r.rows_omitted
        if rest:
            others = sum(row.product for row in r.rows[MOST_ROWS:]) + r.rows_omitted_total
            yield "  " + self.say("rows.rest", count=rest, total=shown_number(others))
        if rounding_shows(r):
            said = self.say("rows.rounding", dtype=r.wrt.dtype, rounding=shown_number(r.rounding, 3))
            yield "  " + said
        mark = "✓" if r.agrees else "✗"
        sums = {"total": shown_number(r.total), "engine": shown_number(r.gradient), "mark": mark, "x": r.wrt.symbol}
        yield "  " + self.say("rows.total", **sums)

    def row(self, i: int, row: Row) -> list[str]:
        shown = " ← ".join([*row.through, self.r.wrt.symbol])
        factors = row.factors if self.r.rows_are == "paths" else (row.incoming, row.local)
        product = " · ".join(map(signed, factors))
        share = "" if row.share is None else f"{100 * row.share:.0f} %"
        return [f"{i}.", shown, product, f"= {shown_number(row.product)}", share]

    def steps(self) -> Iterator[str]:
        r = self.r
        yield ""
        yield self.say("steps", loss=r.loss.name, x=r.wrt.symbol)
        folded = {} if self.all_steps or len(r.steps) + r.steps_omitted < FOLD_FROM else self.folds()
        i = 0
        counted = (g.times * g.period - (g.last - g.first + 1) for g in folded.values() if g.kind == "repetition")
        omitted = r.steps_omitted - sum(counted)
        while i < len(r.steps):
            group = folded.get(i)
            if group is not None:
                yield f"  ⋯ {self.fold_line(group)}"
                i = group.last + 1
                continue
            yield from self.step(r.steps[i])
            i += 1
        if omitted:
            yield "  " + self.say("steps.omitted", count=omitted)

    def folds(self) -> dict[int, Group]:
        """The largest groups, none inside another, by where they start; repetitions before modules."""
        chosen: dict[int, Group] = {}
        covered: set[int] = set()  # asked for membership only
        order = sorted(self.r.groups, key=lambda g: (g.kind != "repetition", g.first - g.last))
        for group in order:
            inside = range(group.first, group.last + 1)
            if len(inside) > 1 and not covered.intersection(inside):
                covered.update(inside)
                chosen[group.first] = group
        return chosen

    def fold_line(self, group: Group) -> str:
        if group.kind == "repetition":
            return self.say("fold.repetition", name=group.name, times=group.times)
        names = " ← ".join(dict.fromkeys(s.mapping for s in self.r.steps[group.first : group.last + 1]))
        return self.say("fold.module", name=group.name, count=group.last - group.first + 1, mappings=names)

    def step(self, step: Step) -> Iterator[str]:
        forward = f"{step.output.symbol} = {to_unicode(step.formula)}"
        if step.substituted is not None and to_unicode(step.substituted) != shown_number(step.output.value):
            forward += f" = {to_unicode(step.substituted)}"
        if step.output.value is not None:
            forward += f" = {shown_number(step.output.value)}"
        where = place(step.origin) + (f", {step.module}" if step.module else "")
        yield f"  {forward}"
        yield f"      {self.say('step.words', words=step.words)}  ({where})"
        incoming = f"∂{self.r.loss.name}/∂{step.output.symbol} = {shown_number(step.incoming)}"
        if step.hook is not None:
            incoming += f" → {shown_number(step.hook)} {self.say('step.hook')}"
        count = len(step.rows) + step.rows_omitted
        if count > 1:
            incoming += " " + self.say("step.sum", count=count)
        yield f"      {self.say('step.incoming', incoming=incoming)}"
        yield from self.fitted([self.local(step, local) for local in step.locals], "      ", 2)
        if step.statement is not None:
            yield f"      {self.say('step.statement')} {step.statement}"

    def local(self, step: Step, local: Local) -> list[str]:
        mark = "→" if local.wanted else " "
        slope = f"∂{step.output.symbol}/∂{local.input.symbol}"
        parts = [slope]
        if local.symbolic is not None:
            parts.append(to_unicode(local.symbolic))
        if local.substituted is not None and to_unicode(local.substituted) != parts[-1]:
            parts.append(to_unicode(local.substituted))
        number = shown_number(local.number)
        if parts[-1] != number:
            parts.append(number)
        sent = f"∂{self.r.loss.name}/∂{local.input.symbol}"
        g = step.incoming if step.hook is None else step.hook
        carried = f"{signed(g)} · {signed(local.number)} = {shown_number(local.product)}"
        return [mark, " = ".join(parts), self.say("step.carries", name=sent, product=carried)]

    def check(self) -> Iterator[str]:
        c = self.r.check
        yield ""
        if c.verdict == "not checked":
            yield self.say("check.not", why=c.why or "")
            return
        yield self.say(
            f"check.{c.verdict}",
            numeric=shown_number(c.numeric),
            engine=shown_number(self.r.gradient),
            h=shown_number(c.h, 3),
            x=self.r.wrt.symbol,
        )
        if c.why:
            yield f"  {c.why}"
        if c.jump is not None:
            yield "  " + self.say("check.jump", loss=self.r.loss.name, **jump_of(c))
        elif c.verdict != "agrees":
            yield "  " + self.say("check.sides", left=shown_number(c.left), right=shown_number(c.right))
        for kink in c.kinks:
            yield "  " + self.say("check.at_kink", mapping=kink.mapping, place=place(kink.origin), words=kink.words)
        if c.suspect is not None:
            step = next((s for s in self.r.steps if s.serial == c.suspect), None)
            if step is not None:
                yield "  " + self.say("check.suspect", mapping=step.mapping, place=place(step.origin))

    def update(self) -> Iterator[str]:
        u = self.r.update
        assert u is not None
        yield ""
        settings = ", ".join(f"{key}={value}" for key, value in u.settings if value not in (None, False))
        yield self.say("update", optimizer=u.optimizer, settings=settings)
        yield f"  {self.say('update.words', words=u.words)}"
        yield f"  p = {self.r.wrt.symbol}, g = ∂{self.r.loss.name}/∂{self.r.wrt.symbol} = {shown_number(u.gradient)}"
        table = []
        for line in u.lines:
            table.append(
                [
                    line.name,
                    f"= {to_unicode(line.formula)}",
                    f"= {to_unicode(line.substituted)}",
                    f"= {shown_number(line.value)}",
                ]
            )
        for row in table:
            joined = "  " + " ".join(row)
            if width_of(joined) <= self.width:
                yield joined
            else:
                yield f"  {row[0]} {row[1]}"
                yield f"      {row[2]} {row[3]}"
        yield "  " + self.say(
            "update.change",
            x=self.r.wrt.symbol,
            before=shown_number(u.before),
            after=shown_number(u.after),
            change=shown_number(u.change),
        )

    # --------------------------------------------------------------------------------------- writing

    def code(self, code: str) -> str:
        return text(f"receipt.code.{code}", self.lang)

    def fitted(self, table: list[list[str]], indent: str, first: int) -> Iterator[str]:
        """Rows in columns; where that is too wide, each on two lines, the first cells and the others."""
        lines = aligned(table, indent=indent)
        if all(width_of(line) <= self.width for line in lines):
            yield from lines
            return
        for row in table:
            yield indent + "  ".join(row[:first])
            yield indent + "     " + "  ".join(filter(None, row[first:]))

    def wrapped(self, line: str) -> Iterator[str]:
        """Break a line that is too long between words, or between Chinese characters, and indent what follows."""
        if width_of(line) <= self.width or "\n" in line:  # the layer view keeps to its columns
            yield line
            return
        indent = " " * (len(line) - len(line.lstrip()))
        current = ""
        for piece in _pieces(line.strip()):
            if current and width_of(indent + current + piece.rstrip()) > self.width:
                yield indent + current.rstrip()
                current = "  " + piece.lstrip()
            else:
                current += piece
        yield indent + current.rstrip()


def _pieces(line: str) -> Iterator[str]:
    """Cut a line where it may be broken: behind spaces and Chinese characters, but not inside an index."""
    piece, depth = "", 0
    for character in line:
        piece += character
        depth += (character == "[") - (character == "]")
        if depth <= 0 and (character == " " or width_of(character) == 2):
            yield piece
            piece = ""
    yield piece


def meaning(receipt: Receipt, lang: str) -> str:
    """Return what a gradient says of the loss in one sentence, also where the loss bends or jumps."""
    r, c = receipt, receipt.check
    assert r.gradient is not None and r.loss.value is not None
    names: dict[str, Any] = {"x": r.wrt.symbol, "loss": r.loss.name}
    if c.jump is not None:
        return text("receipt.text.meaning.jump", lang, **names, **jump_of(c))
    if c.here:
        sides = {"left": shown_number(c.left), "right": shown_number(c.right), "taken": shown_number(r.gradient)}
        return text("receipt.text.meaning.kink", lang, **names, **sides)
    if not math.isfinite(r.loss.value):
        return text("receipt.text.meaning.undefined", lang, **names, value=shown_number(r.loss.value))
    kind = "flat" if r.gradient == 0 else "up" if r.gradient > 0 else "down"
    size = shown_number(abs(r.gradient))
    times = text("receipt.text.meaning.once" if size == "1" else "receipt.text.meaning.times", lang, size=size)
    return text(f"receipt.text.meaning.{kind}", lang, **names, times=times)


def remarks(receipt: Receipt, lang: str) -> list[str]:
    """Return what makes the first path negative, and what makes it small: the factors that do, each by its name."""
    row = receipt.rows[0] if receipt.rows else None
    if row is None or receipt.rows_are != "paths" or len(row.factors) < 2 or not math.isfinite(row.product):
        return []
    ends = [*row.through, receipt.wrt.symbol]
    named = [f"∂{a}/∂{b} = {shown_number(f)}" for a, b, f in zip(ends[:-1], ends[1:], row.factors, strict=True)]
    told = []
    negative = [name for name, factor in zip(named, row.factors, strict=True) if factor < 0]
    if row.product < 0:
        factors = text("receipt.text.list", lang).join(negative)
        told.append(text("receipt.text.rows.negative", lang, factors=factors))
    sizes = [abs(factor) for factor in row.factors]
    least = min(range(len(sizes)), key=sizes.__getitem__)
    if 0 < sizes[least] < SMALL:
        told.append(text("receipt.text.rows.small", lang, factor=named[least]))
    return told


def unwritten(receipt: Receipt) -> str:
    """Return what there is to say of a `.grad` that is None: a gradient of 0 need not be written by `backward()`."""
    return "grad.nothing" if receipt.gradient == 0 else "grad.none"


def jump_of(check: Check) -> dict[str, str]:
    """Return the losses on either side of a jump, as they are shown."""
    assert check.jump is not None
    return {"below": shown_number(check.jump[0]), "above": shown_number(check.jump[1])}


def rounding_shows(receipt: Receipt) -> bool:
    """Whether the rows, added in double precision, would be written as another number than the sum."""
    total, rounding = receipt.total or 0.0, receipt.rounding or 0.0
    return shown_number(total) != shown_number(total - rounding)


def shaped(q: Quantity) -> str:
    """Return dtype and shape: float32[128, 784]."""
    return f"{q.dtype}[{', '.join(map(str, q.shape))}]"


def place(origin: Origin) -> str:
    """Return file and line, the file by its last name; of a typed expression, the part of it."""
    if is_typed(origin.file):
        return origin.text
    return f"{os.path.basename(origin.file)}:{origin.line}"

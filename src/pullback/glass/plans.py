"""The report of a compiled function in words: a table of its kernels, in English or Chinese."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .language import text

if TYPE_CHECKING:
    from ..compile.report import Report

__all__ = ["report_text"]

WIDE = 44
"""How many characters the names of a kernel's mappings may take."""


def report_text(report: Report, lang: str | None = None) -> str:
    """Return the report as text; `lang`: "en", "zh", or the locale's.

    The times are those of the kernels run one by one on one thread.
    """
    total = sum(k.milliseconds for k in report.kernels)
    evaluated = sum(not k.native for k in report.kernels)
    lines = [
        text(
            "plan.head",
            lang,
            kernels=len(report.kernels),
            native=len(report.kernels) - evaluated,
            evaluated=evaluated,
            milliseconds=f"{total:.3f}",
        ),
        text("plan.memory", lang, arena=_size(report.arena), state=_size(report.state)),
        text("plan.from_disk" if report.from_disk else "plan.compiled", lang, seconds=f"{report.seconds:.2f}"),
        *([text("plan.again", lang)] if any(k.again for k in report.kernels) else []),
        "",
        text("plan.columns", lang),
    ]
    for k in report.kernels:
        share = f"{100 * k.milliseconds / total:.0f} %" if total else ""
        rate = f"{k.operations / k.milliseconds / 1e6:.0f}" if k.milliseconds > 0 and k.operations else ""
        marked = (f"↻{name}" if name in k.again else name for name in k.mappings)
        names = _short((f"×{k.times:,} " if k.times > 1 else "") + " → ".join(marked))
        kind = text("plan.native" if k.native else "plan.evaluated", lang)
        way = "←" if k.backward else " "
        where = f"{k.module}  {', '.join(k.lines)}".strip()
        cost = f"{k.milliseconds:9.4f} {share:>5} {rate:>7}"
        lines.append(f"{k.number:4d} {way} {cost}  {kind:9} {names:{WIDE}}  {where}")
    return "\n".join(line.rstrip() for line in lines)


def _short(names: str) -> str:
    return names if len(names) <= WIDE else names[: WIDE - 1] + "…"


def _size(count: int) -> str:
    number = float(count)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"

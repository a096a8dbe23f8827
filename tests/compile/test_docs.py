"""docs/compile.md: its program runs, and the Chinese page has the same one."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def programs(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(encoding="utf8"), re.S)


def test_the_program_runs_and_the_loss_falls(capsys):
    (program,) = programs("compile.md")
    names: dict[str, object] = {}
    exec(compile(program, "docs/compile.md", "exec"), names)
    losses = names["losses"]
    assert losses[-1] < 0.8 * losses[0]
    shown = capsys.readouterr().out
    assert "matmul → add → tanh" in shown
    assert "native" in shown or "原生" in shown


def test_both_languages_show_the_same_program_and_have_the_same_parts():
    assert programs("compile.md") == programs("compile.zh.md")
    english, chinese = ((DOCS / n).read_text(encoding="utf8") for n in ("compile.md", "compile.zh.md"))
    assert english.count("\n## ") == chinese.count("\n## ")
    assert english.count("\n| ") == chinese.count("\n| ")

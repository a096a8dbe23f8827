"""docs/graphs.md: its program runs, and the two languages show the same one."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def program(name):
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(encoding="utf8"), re.DOTALL)
    return code


@pytest.mark.parametrize("name", ["graphs.md", "graphs.zh.md"])
def test_the_program_runs_and_writes_the_page(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(program(name), name, "exec"), {"__name__": "__main__"})
    assert (tmp_path / "graph.html").read_text(encoding="utf8").startswith("<!DOCTYPE html>")
    assert "flowchart TB" in capsys.readouterr().out


def test_both_languages_show_the_same_program():
    def bare(name):
        return re.sub(r"\s*#.*", "", program(name)).replace(', lang="zh"', "")

    assert bare("graphs.md") == bare("graphs.zh.md")
    assert (DOCS / "images" / "graph.png").read_bytes()[:4] == b"\x89PNG"

"""docs/explain.md answers twelve questions with commands and their output: here the commands are run."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import pullback as pb
from pullback.cli import main

DOCS = Path(__file__).parents[2] / "docs"
FILES = ["explain.md", "explain.zh.md"]


def blocks(name):
    """The commands of a document, each with the lines that it is said to print."""
    text = (DOCS / name).read_text(encoding="utf8")
    found = re.findall(r"^```console\n\$ (.*?)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [(command, printed.splitlines()) for command, printed in found]


def agrees(printed, lines):
    """Whether lines are those of an output, where "..." stands for any number of them."""
    pattern = "".join("(?:.*\n)*?" if line == "..." else re.escape(line) + "\n" for line in lines)
    return re.fullmatch(pattern, "".join(line.rstrip() + "\n" for line in printed.rstrip("\n").split("\n"))) is not None


@pytest.mark.parametrize(
    ("command", "lines"), [block for name in FILES for block in blocks(name)], ids=lambda value: str(value)[:60]
)
def test_a_command_prints_what_the_document_says(command, lines, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    program, *words = shlex.split(command)
    assert program == "pullback"
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert agrees(result.stdout, lines), result.stdout


def test_twelve_questions_are_answered_in_both_languages_by_the_same_commands():
    english, chinese = ([command for command, _ in blocks(name)] for name in FILES)
    assert [f"{command} --lang zh" for command in english] == chinese
    for name in FILES:
        titles = re.findall(r"^## (\d+)\. .*[?？]$", (DOCS / name).read_text(encoding="utf8"), re.MULTILINE)
        assert titles == [str(i) for i in range(1, 13)]


def test_the_comparison_can_fail():
    assert agrees("a\nb\nc\n", ["a", "...", "c"]) and agrees("a\nc\n", ["a", "...", "c"])
    assert not agrees("a\nb\nc\n", ["a", "c"]) and not agrees("a\nb\nd\n", ["a", "...", "c"])


def test_what_the_document_says_of_python_is_so(tmp_path):
    w = pb.tensor(2.0, requires_grad=True)
    loss = w * w
    assert str(pb.explain(loss, w, lang="en")).startswith("∂loss/∂w = 4\n")
    optimizer = pb.optim.SGD([w], lr=0.1)
    assert "w: 2 → 1.6" in str(pb.explain(loss, w, optimizer=optimizer, lang="en"))
    assert pb.graph(loss).html(tmp_path / "page.html") == (tmp_path / "page.html").read_text(encoding="utf8")

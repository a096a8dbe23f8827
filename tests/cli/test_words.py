"""The catalogues: every language says everything, with the same figures in it."""

import re
import string
from pathlib import Path

import pytest
from click.testing import CliRunner

import pullback.cli
from pullback.cli import main
from pullback.cli.words import CATALOGUES
from pullback.glass.language import locale_language
from pullback.train.progress import ENGLISH

ENGLISH_WORDS = CATALOGUES["en"]


def figures(text: str) -> list[str]:
    return sorted(f"{name}:{form}" for _, name, form, _ in string.Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("language", sorted(CATALOGUES))
def test_every_language_has_every_entry_with_the_same_figures(language):
    catalogue = CATALOGUES[language]
    assert list(catalogue) == list(ENGLISH_WORDS), "the same entries in the same order"
    for key, text in catalogue.items():
        assert text.strip()
        assert figures(text) == figures(ENGLISH_WORDS[key]), key


def test_chinese_is_chinese():
    same = {key for key, text in CATALOGUES["zh"].items() if text == ENGLISH_WORDS[key]}
    assert same == {"r2"}


def test_every_entry_is_used_and_every_use_has_an_entry():
    """Entries are asked for as words["…"]; an option's help by its name; the progress asks for its own."""
    folder = Path(pullback.cli.__file__).parent
    source = "\n".join(path.read_text(encoding="utf8") for path in folder.glob("*.py"))
    asked = set(re.findall(r"""words(?:_of\(language\(\)\))?\[f?["']([^"'{]+)["']\]""", source))
    helps = set(re.findall(r'help="(help\.[^"]+)"', source))
    options = {f"help.{name.replace('-', '_')}" for name in re.findall(r'option\(\s*"--([a-z-]+)"', source)}
    kinds = {f"data.{kind}" for kind in ("digits", "idx", "classes", "values")}
    plan = {"data", "network", "training", "folder"}
    assert asked | helps | options | kinds | plan | set(ENGLISH) | {"test", "help.help"} == set(ENGLISH_WORDS)


@pytest.mark.parametrize(
    "environment, language",
    [({}, "en"), ({"LANG": "zh_TW"}, "zh"), ({"LC_ALL": "", "LC_MESSAGES": "zh_CN.UTF-8", "LANG": "C"}, "zh")],
)
def test_the_locale_chooses(environment, language):
    assert locale_language(environment) == language


@pytest.mark.parametrize(
    "words",
    ["--help --lang zh", "--lang zh --help", "--lang=zh explain --help", "explain --help --lang zh",
     "explain --lang zh --help", "graph --help --lang=zh", "train --help --lang zh"],
)  # fmt: skip
def test_help_is_in_the_language_that_is_asked_for_wherever_it_is_asked(words, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    shown = CliRunner().invoke(main, words.split())
    assert shown.exit_code == 0 and shown.output.startswith("用法："), shown.output
    command = words.split()[0] if not words.startswith("-") else "main"
    assert CATALOGUES["zh"][f"help.{'explain' if 'explain' in words else command}"].split("\n")[0][:20] in shown.output


def test_the_command_s_own_language_goes_before_that_of_the_group(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    both = ["--lang", "zh", "explain", "x * 2", "--at", "x=1"]
    assert "已检验" in CliRunner().invoke(main, both).output
    assert "Checked" in CliRunner().invoke(main, [*both, "--lang", "en"]).output


@pytest.mark.parametrize(
    ("words", "english", "chinese"),
    [
        ("explain --wtr x", "there is no option --wtr; perhaps --wrt", "没有选项 --wtr；是否指 --wrt"),
        ("explain", "EXPR|RUN is missing", "缺少 EXPR|RUN"),
        ("exlain x", "there is no command exlain; perhaps explain", "没有命令 exlain；是否指 explain"),
    ],
)
def test_a_command_that_is_misspelt_is_refused_in_its_language(words, english, chinese):
    for language, said in (("en", english), ("zh", chinese)):
        result = CliRunner().invoke(main, [*words.split(), "--lang", language])
        assert result.exit_code == 2 and said in result.stderr, result.stderr

"""The catalogues: every language says everything, with the same figures in it."""

import errno
import re
import string
from pathlib import Path

import pytest
from click.testing import CliRunner

import pullback.cli
from pullback.cli import main
from pullback.cli.refused import reason
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
    asked = set(re.findall(r"""words(?:_of\(language\((?:ctx)?\)\))?\[f?["']([^"'{]+)["']\]""", source))
    asked |= set(re.findall(r'"(error\.[a-z_]+)"', source))
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


REFUSED = [
    ("train --epochs a", "--epochs: expected a whole number x ≥ 1; got 'a'", "--epochs：应为整数 x ≥ 1；得到 'a'"),
    ("train --epochs 0", "expected a whole number x ≥ 1; got '0'", "应为整数 x ≥ 1；得到 '0'"),
    ("train --lr -1", "--lr: expected a number x > 0; got '-1'", "--lr：应为数 x > 0；得到 '-1'"),
    ("train --lr x", "expected a number x > 0; got 'x'", "应为数 x > 0；得到 'x'"),
    ("train --lr nan", "--lr: expected a finite number; got 'nan'", "--lr：应为有限的数；得到 'nan'"),
    ("train --dropout 1", "expected a number 0 ≤ x < 1; got '1'", "应为数 0 ≤ x < 1；得到 '1'"),
    ("train --layers a", "--layers: expected widths such as 128,64", "--layers：应为类似 128,64 的宽度"),
    ("train --activation foo", "expected one of tanh, relu, ", "应为 tanh, relu, "),
    ("explain x --dtype int", "expected one of float64, float32; got 'int'", "应为 float64, float32 之一；得到 'int'"),
    ("explain x --items a", "--items: expected a whole number x ≥ 1", "--items：应为整数 x ≥ 1"),
    ("graph x --port 99999", "expected a whole number 0 ≤ x ≤ 65535", "应为整数 0 ≤ x ≤ 65535"),
    ("train digits extra more", "too much is given: extra more", "给得太多了：extra more"),
    ("explain x y", "too much is given: y (see", "给得太多了：y (参见"),
    ("explain x --steps=3", "--steps takes no value", "--steps 不带值"),
    ("--lang zz", "--lang: expected one of en, zh; got 'zz'", None),
    ("explain x --lang zz", "--lang: expected one of en, zh; got 'zz'", None),
    ("explain x*x --at x=1 --html .", "--html: . is a folder; expected a file", "--html：. 是文件夹；应为文件"),
    ("graph x*x --at x=1 --html no/f", "no/f: there is no such file or folder", "no/f：没有这个文件或文件夹"),
    ("explain .", "config.json: there is no such file or folder", "config.json：没有这个文件或文件夹"),
    ("train --resume nothing", "there is no such file or folder", "没有这个文件或文件夹"),
    ("train csv:no.csv --target y", "no.csv: there is no such file", "no.csv：没有这个文件"),
]  # fmt: skip


@pytest.mark.parametrize("where", ["first", "last", "locale"])
@pytest.mark.parametrize(("words", "english", "chinese"), [row for row in REFUSED if row[2] or "zz" in row[0]])
def test_what_is_refused_is_said_in_the_language_wherever_it_is_chosen(
    words, english, chinese, where, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    for language, said in (("en", english), ("zh", chinese)):
        if said is None:
            continue
        locale = {"en": "C.UTF-8", "zh": "zh_CN.UTF-8"}[language]
        monkeypatch.setenv("LC_ALL", locale if where == "locale" else {"en": "zh_CN.UTF-8", "zh": "C.UTF-8"}[language])
        chosen = ["--lang", language]
        if "zz" in words:
            monkeypatch.setenv("LC_ALL", locale)
            chosen = []
        given = {"first": [*chosen, *words.split()], "last": [*words.split(), *chosen], "locale": words.split()}[where]
        result = CliRunner().invoke(main, given)
        assert result.exit_code == 2 and said in result.stderr, result.stderr
        assert result.stderr.startswith({"en": "error: ", "zh": "错误: "}[language])
        assert result.stdout == "" and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["explain x --at", "train --out", "graph x --svg"])
def test_an_option_without_its_value(option):
    last = option.split()[-1]
    assert f"{last} needs a value" in CliRunner().invoke(main, ["--lang", "en", *option.split()]).stderr
    assert f"{last} 需要一个值" in CliRunner().invoke(main, ["--lang", "zh", *option.split()]).stderr


def test_without_a_command_they_are_named_and_without_anything_there_is_help(monkeypatch):
    result = CliRunner().invoke(main, ["--lang", "zh"])
    assert result.exit_code == 2 and "缺少命令；可用的命令有 explain, graph, train" in result.stderr
    assert "which command? There are explain, graph, train" in CliRunner().invoke(main, ["--lang=en"]).stderr
    usages = {"zh_CN.UTF-8": "用法：pullback [选项] 命令 [参数]...", "C.UTF-8": "Usage: pullback [OPTIONS] COMMAND"}
    for locale, usage in usages.items():
        monkeypatch.setenv("LC_ALL", locale)
        result = CliRunner().invoke(main, [], prog_name="pullback")
        assert result.exit_code == 2 and result.stderr.startswith(usage), result.stderr


def test_help_has_no_english_of_click_s_own_in_chinese():
    for command in ("train", "explain", "graph"):
        shown = CliRunner().invoke(main, [command, "--help", "--lang", "zh"]).output
        assert not re.search("default|Usage|Options|OPTIONS|Show|required|RANGE|TEXT|INTEGER|FLOAT|PATH", shown), shown
    assert "[默认：256]" in CliRunner().invoke(main, ["train", "--help", "--lang", "zh"]).output
    assert "[default: 256]" in CliRunner().invoke(main, ["train", "--help", "--lang", "en"]).output


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_why_a_file_fails_is_said_without_the_number_of_the_error(number):
    for language in CATALOGUES:
        said = reason(OSError(number, "raw", "a/file"), CATALOGUES[language])
        assert said.startswith("a/file") and "Errno" not in said
        known = number in (errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOSPC, errno.EEXIST, errno.EROFS)
        assert not known or "raw" not in said

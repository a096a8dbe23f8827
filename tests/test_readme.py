"""What the READMEs say is so: their programs run, in both languages alike, and their commands exist."""

import io
import re
import tokenize
from contextlib import redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READMES = ["README.md", "README.zh.md"]


def programs(name):
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf8"), re.DOTALL)


def without_comments(source):
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [t.string for t in tokens if t.type not in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE)]


@pytest.mark.parametrize("name", READMES)
def test_the_program_runs_and_prints_what_its_comments_say(name):
    for source in programs(name):
        out = io.StringIO()
        with redirect_stdout(out):
            exec(compile(source, name, "exec"), {})
        printed = out.getvalue().splitlines()
        for promise in re.findall(r"print\(x\.grad.*#\s*(.+)", source):
            assert promise in printed
        assert "(tensor(32.), tensor(44.))" in printed


def test_both_languages_show_the_same_program():
    english, chinese = map(programs, READMES)
    assert [*map(without_comments, english)] == [*map(without_comments, chinese)]


@pytest.mark.parametrize("name", READMES)
def test_commands_pictures_and_links_exist(name):
    text = (ROOT / name).read_text(encoding="utf8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    for target in set(re.findall(r"`?make ([a-z-]+)", text)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in link:
            assert (ROOT / link).exists(), link
    for folder in re.findall(r"`((?:examples|docs)/[^`]*)`", text):
        assert (ROOT / folder).exists(), folder

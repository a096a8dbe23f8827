"""The questions of docs/explain.md that the page answers: the clicks are made, and the answer is there."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from pullback.cli import main
from pullback.glass.language import text

try:
    from playwright.sync_api import expect
except ImportError:
    pytest.skip("no playwright: the page is not driven", allow_module_level=True)

DOCS = Path(__file__).parents[2] / "docs"
ANSWERS = {  # by the number of the question, what is to be read after the last click
    1: ["∂f/∂v2 · ∂v2/∂x = 8 · 2 = 16", "∂f/∂v1 · ∂v1/∂x = 8 · 2 = 16", "32"],
    2: ["∂f/∂v2", "−4"],
    3: ["∂v2/∂v1", "0.00033524"],
    4: ["9 · 0.135335", "0.812012", "−0.406006"],
    6: ["relu", "v1"],
    10: ["0.5", "maximum"],
    11: ["∞", "√"],
    12: ["v2[1, 0]", "w[1, 0]", "w[1, 1]", "v1[0, 0]", "v1[1, 0]"],
}


def questions(name):
    """By number: the expression and its values, and what is to be clicked."""
    document = (DOCS / name).read_text(encoding="utf8")
    found = {}
    for number, body in re.findall(r"^## (\d+)\. (.*?)(?=^## )", document, re.DOTALL | re.MULTILINE):
        command = re.search(r"^\$ (pullback explain .*)$", body, re.MULTILINE)[1]
        clicks = re.search(r"^(?:In the page: click|在页面中：点击) (.*?)([.;。；]| and point|，指向)", body, re.M)
        if clicks:
            found[int(number)] = command, re.findall(r"`([^`]+)`", clicks[1])
    return found


@pytest.mark.parametrize(("name", "lang"), [("explain.md", "en"), ("explain.zh.md", "zh")])
@pytest.mark.parametrize("number", sorted(ANSWERS))
def test_at_most_three_clicks_lead_to_the_answer(opened, name, lang, number, tmp_path):
    command, clicks = questions(name)[number]
    _, _, *words = shlex.split(command)
    while "--wrt" in words:
        del words[words.index("--wrt") : words.index("--wrt") + 2]
    words = [*words, *([] if "--lang" in words else ["--lang", lang])]
    file = tmp_path / "page.html"
    assert CliRunner().invoke(main, ["graph", *words, "--html", str(file)], catch_exceptions=False).exit_code == 0
    page = opened(file.as_uri())
    assert 1 <= len(clicks) <= 3
    for at, symbol in enumerate(shown.split(" = ")[0] for shown in clicks):
        box = page.locator(f'.box[aria-label^="{symbol} "], .box[aria-label^="{symbol},"]')
        link = page.locator("#panel").get_by_role("button", name=text("page.local_downstream", lang, symbol=symbol))
        (link if number == 11 and at else box).first.click()
    if number == 12:
        page.locator("td[data-role=out][data-flat='1']").hover()
    for answer in ANSWERS[number]:
        expect(page.locator("#panel")).to_contain_text(answer)
    if number == 12:
        assert page.locator("td[data-role=in0].lit").evaluate_all("c => c.map((x) => x.dataset.flat)") == ["2", "3"]


def test_the_questions_that_the_page_answers_are_the_same_in_both_languages():
    english, chinese = (questions(name) for name in ("explain.md", "explain.zh.md"))
    assert {n: clicks for n, (_, clicks) in english.items()} == {n: clicks for n, (_, clicks) in chinese.items()}
    assert set(english) == set(ANSWERS)

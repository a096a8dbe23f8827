"""docs/receipts.md: its examples run, and the Chinese page has the same ones."""

import doctest
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def test_the_examples_run():
    result = doctest.testfile(str(DOCS / "receipts.md"), module_relative=False, optionflags=FLAGS)
    assert result.attempted > 20 and result.failed == 0


def test_the_chinese_page_has_the_same_examples():
    english, chinese = ((DOCS / name).read_text(encoding="utf8") for name in ("receipts.md", "receipts.zh.md"))
    blocks = re.compile(r"```python\n.*?```", re.DOTALL)
    assert blocks.findall(english) == blocks.findall(chinese)
    assert english.count("\n## ") == chinese.count("\n## ")

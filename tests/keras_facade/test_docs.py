"""The programs in docs/keras.md run, one after the other; the Chinese page has the same ones."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "keras.md").read_text(encoding="utf-8")
BLOCKS = re.compile(r"```python\n(.*?)```", re.S)


def test_the_programs_run(capsys):
    names: dict = {"__name__": "docs"}
    for program in BLOCKS.findall(TEXT):
        exec(compile(program, "docs/keras.md", "exec"), names)
    assert names["accuracy"] > 0.9 and names["same"]
    assert list(names["several"].history) == ["loss", "urgent_loss", "team_loss", "urgent_accuracy"]
    assert names["predictions"]["team"].shape == (64, 4)
    printed = capsys.readouterr().out
    assert "Total params: 4,810" in printed and "Epoch 8/8" in printed


def test_the_chinese_page_has_the_same_programs():
    chinese = (DOCS / "keras.zh.md").read_text(encoding="utf-8")
    assert BLOCKS.findall(TEXT) == BLOCKS.findall(chinese) and TEXT.count("\n## ") == chinese.count("\n## ")
    assert TEXT.count("\n- ") == chinese.count("\n- ")

"""The programs in docs/optimisation.md run, one after the other, and the names it mentions exist."""

import re
from pathlib import Path

import numpy as np

from pullback import nn, optim

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "optimisation.md").read_text(encoding="utf-8")


def test_the_programs_run():
    names = {}
    for program in re.findall(r"```python\n(.*?)```", TEXT, re.S):
        exec(compile(program, "docs/optimisation.md", "exec"), names)
    rates = names["rates"]
    np.testing.assert_allclose(rates[:6], 0.01 * np.array([0.1, 0.28, 0.46, 0.64, 0.82, 1.0]), rtol=1e-12)
    assert rates[-1] < rates[6]
    assert 0 <= names["accuracy"] <= 1


def test_the_names_exist():
    for name in re.findall(r"optim\.(\w+)", TEXT):
        assert hasattr(optim, name)
    for name in re.findall(r"nn\.(\w+)", TEXT):
        assert hasattr(nn, name)
    assert all(hasattr(optim, name) for name in ("OneCycleLR", "CyclicLR", "ReduceLROnPlateau"))


def test_the_chinese_page_has_the_same_programs():
    chinese = (DOCS / "optimisation.zh.md").read_text(encoding="utf-8")
    blocks = re.compile(r"```python\n.*?```", re.S)
    assert blocks.findall(TEXT) == blocks.findall(chinese) and TEXT.count("\n## ") == chinese.count("\n## ")

"""docs/agreement.md has a row for every layer, loss, optimiser and schedule, within its target or with a reason."""

import inspect
import re
from pathlib import Path

import pytest

from pullback import nn, optim

PAGE = (Path(__file__).parents[1] / "docs" / "agreement.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")[1:]}

# What has no row, and why.
WITHOUT = {
    **dict.fromkeys(["Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList"], "they are not called"),
    **dict.fromkeys(
        ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"],
        "they draw at random, which two libraries do differently; their distributions are under test",
    ),
    "Sequential": "what its layers are",
    "Residual": "x + f(x), under test against that",
}


def rows(section):
    """The numbers of each row by its name, and the reasons below the table."""
    text = SECTIONS[section]
    found = {}
    for line in re.findall(r"^\| (.+) \|$", text, re.M):
        name, *cells = line.split(" | ")
        if cells and name and not name.startswith("-"):
            found[name.strip()] = [float(x) for x in cells if re.fullmatch(r"[\d.]+(e[+-]?\d+)?", x.strip())]
    return found, re.findall(r"^- (.+), [^,:]+: .+$", text, re.M)


def kinds(module, base):
    return [
        name
        for name, x in vars(module).items()
        if inspect.isclass(x) and issubclass(x, base) and x is not base and not name.startswith("_")
    ]


def test_every_layer_and_every_loss_has_a_row():
    have = {**rows("Layers")[0], **rows("Losses")[0]}
    assert [name for name in kinds(nn, nn.Module) if name not in have and name not in WITHOUT] == []


def test_every_optimiser_has_a_row_with_its_three_trajectories():
    have = rows("Optimisers: every step of a trajectory")[0]
    for name in kinds(optim, optim.Optimizer):
        assert len(have.get(name, [])) == 3, name


def test_every_schedule_has_a_row():
    have = rows("Schedules: every step")[0]
    assert [name for name in kinds(optim, optim.Schedule) if name not in have and name != "Schedule"] == []


@pytest.mark.parametrize("section", list(SECTIONS))
def test_what_is_above_the_target_has_its_reason(section):
    found, reasons = rows(section)
    above = {name for name, numbers in found.items() if any(x > 1e-12 for x in numbers)}
    assert above == set(reasons)

"""Every example keeps the convention and is told of, and the runner tells a goal that was missed."""

import subprocess
import sys
from pathlib import Path

import pytest

from examples.__main__ import Outcome, examples, load, main, run

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", examples())
def test_it_states_its_goals(name):
    module = load(name)
    assert callable(module.main) and module.__doc__
    assert module.GOALS
    for figure, (relation, goal) in module.GOALS.items():
        assert isinstance(figure, str) and relation in (">=", "<=") and isinstance(goal, (int, float))


@pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])
def test_it_is_listed(readme):
    text = (ROOT / "examples" / readme).read_text(encoding="utf8")
    assert [name for name in examples() if "/" not in name and f"({name}.py)" not in text] == []


def test_a_goal_is_kept_only_with_every_seed():
    outcome = Outcome(
        "x", {"accuracy": (">=", 0.9), "error": ("<=", 1)}, {"accuracy": [0.9, 0.95], "error": [1.0, 1.1]}
    )
    assert outcome.reached("accuracy") and not outcome.reached("error")
    outcome.figures["accuracy"].append(float("nan"))
    assert not outcome.reached("accuracy")


def test_an_error_is_an_outcome(monkeypatch, tmp_path):
    program = tmp_path / "broken.py"
    program.write_text("GOALS = {'x': ('>=', 1)}\ndef main(): raise ValueError('what went wrong')\n")
    monkeypatch.setattr("examples.__main__.examples", lambda: {"broken": program})
    assert run("broken", quick=True, seeds=1).error == "ValueError: what went wrong"


def test_seeds_and_quick_are_handed_on_where_they_are_known(monkeypatch, tmp_path):
    program = tmp_path / "counts.py"
    program.write_text("GOALS = {'x': ('>=', 0)}\ndef main(quick=False, seed=0): return {'x': seed + 10 * quick}\n")
    monkeypatch.setattr("examples.__main__.examples", lambda: {"counts": program})
    assert run("counts", quick=True, seeds=3).figures == {"x": [10.0, 11.0, 12.0]}
    program.write_text("GOALS = {'x': ('>=', 0)}\ndef main(): return {'x': 5}\n")
    assert run("counts", quick=True, seeds=3).figures == {"x": [5.0]}


def test_a_missed_goal_is_a_failed_command(monkeypatch, tmp_path, capsys):
    program = tmp_path / "poor.py"
    program.write_text("GOALS = {'accuracy': ('>=', 0.9)}\ndef main(): return {'accuracy': 0.8}\n")
    monkeypatch.setattr("examples.__main__.examples", lambda: {"poor": program})
    monkeypatch.setattr("pullback.set_num_threads", lambda count: None)
    with pytest.raises(SystemExit) as exit_:
        main.callback((), quick=False, seeds=1)
    assert exit_.value.code == 1 and "✗" in capsys.readouterr().out
    with pytest.raises(SystemExit) as exit_:
        main.callback((), quick=True, seeds=1)  # shrunken, it need not reach anything
    assert exit_.value.code == 0


def test_the_command_prints_the_table():
    def command(*words):
        done = subprocess.run(
            [sys.executable, "-m", "examples", *words], cwd=ROOT, capture_output=True, text=True, encoding="utf8"
        )
        return done.returncode, done.stdout + done.stderr

    code, text = command("articles/chain_rule")
    assert code == 0 and "largest error" in text and "✓" in text
    code, text = command("articles/nonsense")
    assert code == 2 and "is not one of" in text

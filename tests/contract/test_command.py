"""`python -m pullback.testing`: what it prints, and how it exits."""

import json

import pytest
from click.testing import CliRunner

import pullback as pb
from pullback.core.mapping import CATALOGUE
from pullback.testing.__main__ import main


def run(*words):
    return CliRunner().invoke(main, words)


def test_a_kept_contract_exits_with_0_and_prints_the_table():
    result = run("--only", "add", "--only", "floor")
    assert result.exit_code == 0, result.output
    assert "12/12" in result.output
    assert "2 mappings, 18 laws" in result.output
    assert "0 broken; 15 of 15 mutants killed" in result.output


def test_json_has_every_law_and_the_mutants():
    report = json.loads(run("--only", "exp", "--json").stdout)
    assert report["mappings"]["exp"]["laws"]["adjoint"] == {"status": "kept", "detail": ""}
    assert report["mappings"]["exp"]["mutants"] == {"killed": 6, "survivors": []}


def test_one_law_without_mutants():
    report = json.loads(run("--only", "exp", "--law", "value", "--no-mutants", "--json").stdout)
    assert list(report["mappings"]["exp"]["laws"]) == ["value"]
    assert "mutants" not in report["mappings"]["exp"]


@pytest.mark.parametrize("words", [("--only", "ecks"), ("--law", "murphy")])
def test_an_unknown_name_is_refused(words):
    result = run(*words)
    assert result.exit_code == 2
    assert words[1] in result.output


def test_a_gap_exits_with_1_and_shows_the_counterexample(monkeypatch):
    monkeypatch.setitem(CATALOGUE, "exp", pb.exp.replace(special={0.0: 2.0}))
    result = run("--only", "exp", "--law", "special", "--no-mutants")
    assert result.exit_code == 1
    assert "exp, special: exp(0.0)" in result.output


def test_a_living_mutant_exits_with_1(monkeypatch):
    monkeypatch.setitem(CATALOGUE, "exp", pb.exp.replace(pullback=lambda g, y, x, *, needs: (g,)))
    result = run("--only", "exp", "--law", "value")
    assert result.exit_code == 1
    assert "the mutant lives" in result.output

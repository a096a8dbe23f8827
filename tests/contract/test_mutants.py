"""The mutation check: a derivative wrong by 1 %, or in sign, must break the contract."""

import numpy as np
import pytest

import pullback as pb
from pullback.core.mapping import CATALOGUE
from pullback.core.samples import Sample, fixed
from pullback.testing.mutants import check_mutants, mutants_of
from pullback.testing.subject import Subject


@pytest.mark.parametrize("name", [name for name, mapping in CATALOGUE.items() if mapping.differentiable])
def test_every_mutant_is_killed(name):
    result = check_mutants(Subject(CATALOGUE[name]))
    assert not result.survivors


def test_each_facet_of_each_argument_is_mutated():
    said = {mutant.says for mutant in mutants_of(Subject(pb.multiply))}
    for facet in ("derivative with respect to", "pullback to", "pushforward from"):
        for how in ("1 % too large", "negated"):
            assert any(text.startswith(facet) and text.endswith(how) for text in said), (facet, how)
    assert len(said) == 12


def test_a_derivative_that_is_zero_everywhere_is_moved():
    said = [mutant.says for mutant in mutants_of(Subject(pb.floor))]
    assert said
    assert all("moved from 0" in text for text in said)


def test_a_mutant_leaves_no_trace_when_the_laws_raise():
    mapping = CATALOGUE["multiply"]
    kept = mapping.pullback, mapping.pushforward, mapping.derivative
    for mutant in mutants_of(Subject(mapping)):
        with pytest.raises(ZeroDivisionError), mutant.alive():
            assert (mapping.pullback, mapping.pushforward) != kept[:2]
            raise ZeroDivisionError
    assert (mapping.pullback, mapping.pushforward, mapping.derivative) == kept


def test_samples_that_show_nothing_let_mutants_live():
    empty = fixed(lambda rng: [Sample((np.zeros((0, 3)),))])
    result = check_mutants(Subject(pb.exp.replace(samples=empty)))
    assert result.killed == 0
    assert result.survivors


def test_a_mapping_that_is_wrong_itself_is_not_said_to_kill_its_mutants():
    wrong = pb.exp.replace(pushforward=lambda ts, y, x: ts[0] * y * 1.01)
    result = check_mutants(Subject(wrong))
    assert result.killed == 0
    assert "itself breaks the law 'adjoint'" in result.survivors[0]

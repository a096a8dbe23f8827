"""Every mapping in the catalogue, held to every law."""

import pytest

from pullback.core.mapping import CATALOGUE
from pullback.testing.contract import LAWS, judge
from pullback.testing.exemptions import EXEMPT
from pullback.testing.subject import Subject

SUBJECTS = {name: Subject(mapping) for name, mapping in CATALOGUE.items()}


@pytest.mark.parametrize("name", list(CATALOGUE))
@pytest.mark.parametrize("law", list(LAWS))
def test_mapping_keeps_law(name, law):
    outcome = judge(SUBJECTS[name], LAWS[law])
    assert outcome.status != "broken", outcome.detail


def test_every_exemption_is_needed_and_speaks_of_something_that_exists():
    for (name, law), reason in EXEMPT.items():
        assert name in CATALOGUE and law in LAWS, (name, law)
        assert reason
        assert LAWS[law].judge(SUBJECTS[name]).status == "broken", f"{name} keeps {law}: the exemption can go"

"""Whether a plan is shared among threads: by what was measured, with another chance for threads that came late."""

import pytest

from pullback.compile import sharing
from pullback.compile.sharing import Sharing


def drive(chooser, runs, alone, together):
    """So many runs that take as long as these functions say; how many of them were shared."""
    shared = 0
    for _ in range(runs):
        choice = chooser.choose()
        chooser.took(choice, together() if choice else alone())
        shared += choice
    return shared


@pytest.mark.parametrize("alone, together, chosen", [(1e-4, 6e-5, True), (1e-4, 2e-4, False), (0.1, 0.06, True)])
def test_what_is_quicker_is_chosen(alone, together, chosen):
    chooser = Sharing()
    drive(chooser, 20, lambda: alone, lambda: together)
    assert chooser.chosen is chosen


def test_threads_that_were_slow_at_first_are_tried_again_soon():
    chooser = Sharing()
    drive(chooser, 20, lambda: 1e-4, lambda: 3e-4)
    assert not chooser.chosen
    drive(chooser, 2 * sharing.SOON, lambda: 1e-4, lambda: 6e-5)
    assert chooser.chosen


def test_threads_on_one_core_get_the_time_to_part():
    chooser = Sharing()
    drive(chooser, 20, lambda: 1e-4, lambda: 3e-4)
    tried = []

    def together():
        tried.append(1)
        return 3e-4 if len(tried) < 10 else 6e-5

    drive(chooser, 2 * sharing.SOON, lambda: 1e-4, together)
    assert chooser.chosen


def test_where_a_core_is_taken_little_is_lost():
    chooser = Sharing()
    runs = 4000
    assert drive(chooser, runs, lambda: 1e-4, lambda: 3e-4) < 0.08 * runs
    assert not chooser.chosen


def test_it_is_given_up_when_a_core_is_taken_later():
    chooser = Sharing()
    drive(chooser, 20, lambda: 1e-4, lambda: 6e-5)
    assert chooser.chosen
    drive(chooser, 20, lambda: 1e-4, lambda: 5e-4)
    assert not chooser.chosen


def test_what_is_over_before_threads_have_met_is_one_threads(monkeypatch):
    monkeypatch.setattr(sharing, "SMALL", 2e-5)
    chooser = Sharing()
    assert drive(chooser, 3000, lambda: 1e-5, lambda: 1e-9) == 0
    assert chooser.settled(), "and need not be measured"

"""Rates: means over sliding windows."""

import pytest

from drayman.core.clock import MINUTE, SECOND
from drayman.core.rates import BUCKET, NO_RATES, RateCounter, Rates, Transition

START = 1_700_000_000 * SECOND


def counter(*counts):
    """Return a counter to which transitions were added, each at a time after the start."""
    created = RateCounter(START)
    for transition, count, after in counts:
        created.advance((START + after) // BUCKET)
        created.present[transition] += count
    return created


def test_each_transition_is_counted_apart():
    rates = counter(*((each, int(each) + 1, 0) for each in Transition)).rates(START)
    assert rates["1m"] == Rates(1 / 60, 2 / 60, 3 / 60, 4 / 60)
    assert rates["15m"] == Rates(1 / 900, 2 / 900, 3 / 900, 4 / 900)


def test_a_steady_flow_has_its_rate_at_any_moment():
    flow = counter(*((Transition.CREATED, 1, SECOND * each) for each in range(1_000)))
    for milliseconds in (0, 1_500, 4_900):
        rates = flow.rates(START + 999 * SECOND + milliseconds * SECOND // 1_000)
        assert rates["1m"].created == pytest.approx(1, rel=0.1)
        assert rates["15m"].created == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(("after", "windows"), [(MINUTE, 2), (2 * MINUTE, 1), (20 * MINUTE, 0)])
def test_what_is_older_than_a_window_does_not_count(after, windows):
    rates = counter((Transition.FAILED, 5, 0)).rates(START + after)
    assert sum(each.failed > 0 for each in rates.values()) == windows


def test_an_event_that_comes_late_counts_in_the_present():
    late = counter((Transition.RETRIED, 1, MINUTE), (Transition.RETRIED, 1, 0))
    assert late.rates(START + MINUTE)["1m"].retried == 2 / 60


def test_a_clock_that_was_set_back_loses_nothing():
    assert counter((Transition.CREATED, 1, MINUTE)).rates(START)["1m"].created == 1 / 60


def test_a_queue_without_counts_has_rates_of_zero():
    assert RateCounter(START).rates(START) == NO_RATES

"""The checks after a fault notice what they are for."""

import pytest
from fault_audit import Books, check_concurrency, check_conservation, excess_of
from fault_target import Exchange

from drayman.core.clock import SECOND


def exchange(task, began=0, ended=1):
    return Exchange("slots", task, 200, began, ended)


def books(**fields):
    nothing = dict.fromkeys(("deleted", "unsure", "pending", "dead"), frozenset())
    return Books(**nothing | {"acknowledged": frozenset("a"), "delivered": {}} | fields)


@pytest.mark.parametrize("end", ["deleted", "unsure", "pending", "dead"])
def test_a_task_with_an_end_is_not_lost(end):
    check_conservation(books(**{end: frozenset("a")}))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "lost"),
        ({"pending": frozenset("a"), "delivered": {"a": [exchange("a")]}}, "two ends"),
        ({"deleted": frozenset("a"), "dead": frozenset("a")}, "two ends"),
    ],
)
def test_a_task_with_no_end_or_two_is_noticed(fields, problem):
    with pytest.raises(AssertionError, match=problem):
        check_conservation(books(**fields))


def test_what_succeeds_again_is_a_duplicate():
    first, second = exchange("a", 0, 1), exchange("a", 2, 3)
    assert books(delivered={"a": [first, second]}).duplicates == [first]


@pytest.mark.parametrize(
    ("starts", "excess"),
    [
        ([(0, 5, 10.0, 5), (SECOND, 5, 10.0, 5)], 0),
        ([(0, 5, 10.0, 5), (SECOND // 10, 2, 10.0, 5)], 1),
        ([(0, 1, 10.0, 5), (9 * SECOND, 6, 10.0, 5)], 1),
    ],
)
def test_attempts_above_the_rate_are_noticed_in_any_window(starts, excess):
    assert excess_of(starts) == pytest.approx(excess)


def test_requests_above_the_concurrency_are_noticed():
    exchanges = [exchange("a", 0, 2), exchange("b", 1, 3), exchange("c", 3, 4)]
    check_concurrency(exchanges, "slots", 2)
    with pytest.raises(AssertionError):
        check_concurrency(exchanges, "slots", 1)

"""The rules of a task's times (reference 2.3, 4.1)."""

import pytest

from drayman.core import limits, task
from drayman.core.clock import DAY, HOUR, MINUTE, SECOND
from drayman.core.errors import InvalidArgument

NOW = 1_700_000_000 * SECOND
HORIZON = 30 * DAY


@pytest.mark.parametrize("wanted", [None, NOW, NOW - 1, 0, -HOUR])
def test_a_task_without_a_time_or_with_a_past_one_is_due_now(wanted):
    assert task.check_schedule_time(wanted, NOW, HORIZON) == NOW


@pytest.mark.parametrize("ahead", [1, HOUR, HORIZON])
def test_a_task_may_be_scheduled_up_to_the_horizon(ahead):
    assert task.check_schedule_time(NOW + ahead, NOW, HORIZON) == NOW + ahead


def test_a_task_beyond_the_horizon_is_refused_with_its_time():
    with pytest.raises(InvalidArgument) as refusal:
        task.check_schedule_time(4_102_444_800 * SECOND, NOW, HORIZON)
    assert refusal.value.message == (
        "The Task.scheduleTime, 2099-12-31T16:00:00-08:00, is too far in the future. Schedule "
        "time must be no more than 720h in the future."
    )


def test_a_time_beyond_all_calendars_is_refused_too():
    with pytest.raises(InvalidArgument, match="too far in the future"):
        task.check_schedule_time(2**80, NOW, HORIZON)


@pytest.mark.parametrize("absent", [None, 0])
def test_an_absent_deadline_is_the_default(absent):
    allowed = limits.HTTP_DEADLINE_RANGE
    assert task.check_deadline(absent, allowed, 10 * MINUTE) == 10 * MINUTE
    assert task.check_deadline(absent, allowed, None) is None


@pytest.mark.parametrize(
    ("allowed", "deadline"),
    [
        (limits.HTTP_DEADLINE_RANGE, 15 * SECOND),
        (limits.HTTP_DEADLINE_RANGE, 30 * MINUTE),
        (limits.APP_ENGINE_DEADLINE_RANGE, HOUR),
        (limits.APP_ENGINE_DEADLINE_RANGE, 24 * HOUR + 15 * SECOND),
    ],
)
def test_a_deadline_within_its_range_is_kept(allowed, deadline):
    assert task.check_deadline(deadline, allowed, None) == deadline


def test_a_deadline_is_cut_to_milliseconds():
    allowed = limits.HTTP_DEADLINE_RANGE
    assert task.check_deadline(20 * SECOND + 1_999, allowed, None) == 20 * SECOND + 1_000


@pytest.mark.parametrize(
    ("allowed", "deadline", "shown"),
    [
        (limits.HTTP_DEADLINE_RANGE, 15 * SECOND - 1, "[15s, 30m]"),
        (limits.HTTP_DEADLINE_RANGE, 30 * MINUTE + 1, "[15s, 30m]"),
        (limits.HTTP_DEADLINE_RANGE, -1, "[15s, 30m]"),
        (limits.APP_ENGINE_DEADLINE_RANGE, 24 * HOUR + 15 * SECOND + 1, "[15s, 24h15s]"),
    ],
)
def test_a_deadline_out_of_its_range_is_refused(allowed, deadline, shown):
    with pytest.raises(InvalidArgument) as refusal:
        task.check_deadline(deadline, allowed, None)
    assert refusal.value.message == f"Task.dispatchDeadline must be between {shown}."

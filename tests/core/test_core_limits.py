"""The limits are Google's until somebody raises them (reference 2.2, 2.3, 2.4)."""

import dataclasses

from drayman.core import limits
from drayman.core.clock import DAY, HOUR, MINUTE, SECOND


def test_the_defaults_are_those_of_the_real_service():
    assert dataclasses.asdict(limits.Limits()) == {
        "queue": {"max_dispatches_per_second": 500, "max_concurrent_dispatches": 5000},
        "task": {
            "task_size": 1_048_569,
            "schedule_horizon": 720 * HOUR,
            "allow_http_tokens": False,
        },
        "retention": {
            "task_retention": 31 * DAY,
            "task_tombstone": 24 * HOUR,
            "queue_tombstone": 3 * DAY,
            "dead_letters": 31 * DAY,
        },
        "call_deadline": 30 * SECOND,
        "locations": (),
        "ramp_up": False,
        "mask_queries": False,
    }


def test_deadlines_are_those_of_the_two_kinds_of_target():
    assert limits.HTTP_DEADLINE_RANGE == (15 * SECOND, 30 * MINUTE)
    assert limits.HTTP_DEADLINE_DEFAULT == 10 * MINUTE
    assert limits.APP_ENGINE_DEADLINE_RANGE == (15 * SECOND, 24 * HOUR + 15 * SECOND)

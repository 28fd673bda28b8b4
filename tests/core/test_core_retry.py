"""The backoff of reference 2.8, and when a task is given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core import retry
from drayman.core.clock import HOUR, SECOND
from drayman.core.queue import RetryConfig

NOW = 1_700_000_000 * SECOND

CONFIGS = st.builds(
    RetryConfig,
    min_backoff=st.integers(0, 10 * SECOND),
    max_backoff=st.integers(10 * SECOND, 100 * HOUR),
    max_doublings=st.integers(0, 2**31 - 1),
)
RETRIES = st.integers(1, 2**31 - 1)


def seconds(minimum, maximum, doublings):
    return RetryConfig(
        min_backoff=int(minimum * SECOND), max_backoff=maximum * SECOND, max_doublings=doublings
    )


@pytest.mark.parametrize(
    ("config", "first_retry", "expected"),
    [
        # The example of the API text, and that of the queue.yaml page.
        (seconds(10, 300, 3), 1, [10, 20, 40, 80, 160, 240, 300, 300]),
        (seconds(10, 200, 0), 1, [10, 20, 30, 40]),
        (seconds(10, 200, 0), 18, [180, 190, 200, 200, 200]),
        # A real queue's defaults.
        (RetryConfig(), 1, [0.1, 0.2, 0.4]),
        (RetryConfig(), 15, [1638.4, 3276.8, 3600, 3600]),
        (seconds(5, 600, 4), 1, [5, 10, 20, 40, 80, 160, 240, 320, 400, 480, 560, 600, 600]),
        (seconds(1, 10, 2), 1, [1, 2, 4, 8, 10, 10]),
        (seconds(0, 0, 16), 1, [0, 0, 0]),
        (seconds(7, 7, 16), 1, [7, 7, 7]),
    ],
)
def test_delays_follow_the_documented_sequences(config, first_retry, expected):
    delays = [
        retry.backoff(config, number) / SECOND
        for number in range(first_retry, first_retry + len(expected))
    ]
    assert delays == expected


@given(CONFIGS, RETRIES)
def test_a_delay_lies_between_minimum_and_maximum(config, number):
    assert config.min_backoff <= retry.backoff(config, number) <= config.max_backoff


@given(CONFIGS, RETRIES, RETRIES)
def test_delays_never_shrink(config, one, other):
    earlier, later = sorted([one, other])
    assert retry.backoff(config, earlier) <= retry.backoff(config, later)


@given(CONFIGS)
def test_the_first_delay_is_the_minimum(config):
    assert retry.backoff(config, 1) == config.min_backoff


@given(CONFIGS, st.integers(1, 200))
def test_past_the_doublings_a_delay_grows_by_a_constant_step(config, number):
    step = config.min_backoff * 2 ** min(config.max_doublings, 200)
    linear = retry.backoff(config, config.max_doublings + number)
    assert linear == min(step * number, config.max_backoff)


def decide(config, attempts, age, *, anchor=NOW):
    return retry.decide(
        config, attempts=attempts, first_attempt_at=NOW - age, now=NOW, anchor=anchor
    )


@pytest.mark.parametrize(
    ("max_attempts", "max_duration", "attempts", "age", "ends"),
    [
        # Attempts alone; the first counts.
        (3, 0, 2, 9 * HOUR, False),
        (3, 0, 3, 0, True),
        (1, 0, 1, 0, True),
        # Duration alone, counted from the first attempt.
        (-1, HOUR, 1_000, HOUR - 1, False),
        (-1, HOUR, 1, HOUR, True),
        # Both: the task ends only when both are used up.
        (3, HOUR, 3, HOUR - 1, False),
        (3, HOUR, 2, 2 * HOUR, False),
        (3, HOUR, 3, HOUR, True),
        # Neither.
        (-1, 0, 1_000_000, 1_000 * HOUR, False),
    ],
)
def test_a_task_ends_when_all_its_limits_are_used_up(
    max_attempts, max_duration, attempts, age, ends
):
    config = RetryConfig(max_attempts=max_attempts, max_retry_duration=max_duration)
    decision = decide(config, attempts, age)
    assert isinstance(decision, retry.GiveUp if ends else retry.RetryAt)


def test_giving_up_says_which_limit_ended_the_task():
    assert decide(RetryConfig(max_attempts=3), 3, 0) == retry.GiveUp("all 3 attempts failed")
    lasting = RetryConfig(max_attempts=-1, max_retry_duration=1)
    assert decide(lasting, 3, 1) == retry.GiveUp("the retry duration is over")


@given(CONFIGS, st.integers(1, 99), st.integers(-HOUR, HOUR))
def test_the_delay_counts_from_the_anchor(config, attempts, shift):
    decision = decide(config, attempts, 0, anchor=NOW + shift)
    assert decision == retry.RetryAt(NOW + shift + retry.backoff(config, attempts))

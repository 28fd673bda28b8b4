"""The rules of a queue's settings (reference 2.7, 2.8, 4.1)."""

import dataclasses
import math

import pytest

from drayman.core import queue
from drayman.core.clock import HOUR, MILLISECOND
from drayman.core.errors import InvalidArgument
from drayman.core.limits import QueueLimits
from drayman.core.queue import RateLimits, RetryConfig

LIMITS = QueueLimits()


def test_a_queue_without_settings_has_those_of_real_queues():
    assert queue.rate_limits(0, 0, LIMITS) == RateLimits(500, 100, 1000)
    assert RetryConfig() == RetryConfig(100, 0, 100 * MILLISECOND, HOUR, 16)


@pytest.mark.parametrize(("rate", "burst"), [(500, 100), (100, 20), (1, 10), (0.25, 10)])
def test_the_burst_follows_from_the_rate(rate, burst):
    assert queue.rate_limits(rate, 7, LIMITS) == RateLimits(rate, burst, 7)


@pytest.mark.parametrize(
    ("rate", "concurrency", "message"),
    [
        (-1, 1, "RateLimits.maxDispatchesPerSecond cannot be negative."),
        (math.nan, 1, "RateLimits.maxDispatchesPerSecond cannot be negative."),
        (500.1, 1, "RateLimits.maxDispatchesPerSecond must be less than or equal to 500."),
        (math.inf, 1, "RateLimits.maxDispatchesPerSecond must be less than or equal to 500."),
        (1, -1, "RateLimits.maxConcurrentDispatches cannot be negative."),
        (1, 5001, "RateLimits.maxConcurrentDispatches must be less than or equal to 5000."),
    ],
)
def test_rate_limits_out_of_range_are_refused(rate, concurrency, message):
    with pytest.raises(InvalidArgument) as refusal:
        queue.rate_limits(rate, concurrency, LIMITS)
    assert refusal.value.message == message


def test_a_server_of_ones_own_may_raise_the_limits():
    raised = QueueLimits(max_dispatches_per_second=1e6, max_concurrent_dispatches=10**6)
    assert queue.rate_limits(2_000, 9_000, raised) == RateLimits(2_000, 400, 9_000)
    with pytest.raises(InvalidArgument, match=r"less than or equal to 1000000\."):
        queue.rate_limits(2_000_000, 1, raised)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_attempts": -2}, "RetryConfig.maxAttempts must be greater or equal to -1."),
        ({"max_doublings": -1}, "RetryConfig.maxDoublings cannot be negative."),
        ({"min_backoff": -1}, "RetryConfig.minBackoff cannot be negative."),
        ({"max_backoff": -1}, "RetryConfig.maxBackoff cannot be negative."),
        ({"max_retry_duration": -1}, "RetryConfig.maxRetryDuration cannot be negative."),
        (
            {"min_backoff": 2 * HOUR},
            "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.",
        ),
    ],
)
def test_a_retry_config_that_cannot_work_is_refused(change, message):
    with pytest.raises(InvalidArgument) as refusal:
        queue.check_retry_config(dataclasses.replace(RetryConfig(), **change))
    assert refusal.value.message == message


@pytest.mark.parametrize(
    "change", [{}, {"max_attempts": -1}, {"max_doublings": 0}, {"min_backoff": HOUR}]
)
def test_a_retry_config_that_can_work_is_kept(change):
    config = dataclasses.replace(RetryConfig(), **change)
    assert queue.check_retry_config(config) is config

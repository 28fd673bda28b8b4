"""When a failed task is tried again, and when it is given up (API text, RetryConfig)."""

import dataclasses

from drayman.core.clock import Micros
from drayman.core.queue import RetryConfig


@dataclasses.dataclass(frozen=True, slots=True)
class RetryAt:
    """The task is tried again.

    Attributes:
        time: When.
    """

    time: Micros


@dataclasses.dataclass(frozen=True, slots=True)
class GiveUp:
    """The task has failed for good.

    Attributes:
        reason: Why, in words.
    """

    reason: str


def backoff(config: RetryConfig, retry: int) -> Micros:
    """Return the delay before the ``retry``-th retry, counted from 1.

    It doubles ``max_doublings`` times from ``min_backoff``, then grows by the last doubled
    value each time, and never exceeds ``max_backoff``. With 10 s, 300 s and 3 doublings:
    10, 20, 40, 80, 160, 240, 300, 300 … (the example of the API text).
    """
    doublings = min(retry - 1, config.max_doublings)
    # A delay that has doubled 64 times is past any maximum; the bound keeps the number small.
    delay = config.min_backoff << min(doublings, 64)
    if retry - 1 > config.max_doublings:
        delay *= retry - config.max_doublings
    return min(delay, config.max_backoff)


def decide(
    config: RetryConfig, *, attempts: int, first_attempt_at: Micros, now: Micros, anchor: Micros
) -> RetryAt | GiveUp:
    """Return what becomes of a task after its ``attempts``-th attempt failed at ``now``.

    The delay counts from ``anchor``: the end of the failed attempt (recorded logs), or the
    time of the call for an attempt that RunTask forced (API text). A task with both limits
    ends only when both are used up; -1 attempts and zero duration are no limits (API text).
    """
    attempts_used_up = 0 <= config.max_attempts <= attempts
    time_used_up = 0 < config.max_retry_duration <= now - first_attempt_at
    no_attempt_limit = config.max_attempts < 0
    no_time_limit = config.max_retry_duration == 0
    if attempts_used_up and (no_time_limit or time_used_up):
        return GiveUp(f"all {attempts} attempts failed")
    if time_used_up and no_attempt_limit:
        return GiveUp("the retry duration is over")
    return RetryAt(anchor + backoff(config, max(attempts, 1)))

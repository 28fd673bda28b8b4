"""The retry policy: whether and when a failed task is retried (API text, RetryConfig)."""

import dataclasses

from drayman.core.clock import Micros
from drayman.core.queue import RetryConfig


@dataclasses.dataclass(frozen=True, slots=True)
class RetryAt:
    """The task is retried.

    Attributes:
        time: The earliest time of the retry.
    """

    time: Micros


@dataclasses.dataclass(frozen=True, slots=True)
class GiveUp:
    """The task fails for good.

    Attributes:
        reason: The limit that was reached, as a sentence.
    """

    reason: str


def backoff(config: RetryConfig, retry: int) -> Micros:
    """Return the delay before the ``retry``-th retry, counted from 1.

    It starts at ``min_backoff`` and doubles ``max_doublings`` times. Then it grows by a constant
    step, the value after the last doubling, up to ``max_backoff``. With 10 s, 300 s and 3
    doublings: 10, 20, 40, 80, 160, 240, 300, 300 … (example of the API text).
    """
    doublings = min(retry - 1, config.max_doublings)
    # 64 doublings exceed any maximum; without this bound the number could become huge.
    delay = config.min_backoff << min(doublings, 64)
    if retry - 1 > config.max_doublings:
        delay *= retry - config.max_doublings
    return min(delay, config.max_backoff)


def decide(
    config: RetryConfig, *, attempts: int, first_attempt_at: Micros, now: Micros, anchor: Micros
) -> RetryAt | GiveUp:
    """Return whether a task is retried after its ``attempts``-th attempt failed at ``now``.

    The delay counts from ``anchor``: the end of the failed attempt (recorded logs), or the time of
    the RunTask call that granted it (API text). A task with both limits fails for good only when
    both are reached; -1 attempts and duration 0 mean no limit (API text).
    """
    attempts_exhausted = 0 <= config.max_attempts <= attempts
    time_exhausted = 0 < config.max_retry_duration <= now - first_attempt_at
    no_attempt_limit = config.max_attempts < 0
    no_time_limit = config.max_retry_duration == 0
    if attempts_exhausted and (no_time_limit or time_exhausted):
        return GiveUp(f"all {attempts} attempts failed")
    if time_exhausted and no_attempt_limit:
        return GiveUp("the retry duration is over")
    return RetryAt(anchor + backoff(config, max(attempts, 1)))

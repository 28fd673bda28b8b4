"""A queue as the rest of the server sees it, and the rules of its settings."""

import dataclasses
import enum
from collections.abc import Callable
from typing import Any

from drayman.core import errors
from drayman.core.clock import HOUR, MILLISECOND, Micros
from drayman.core.limits import QueueLimits


class State(enum.IntEnum):
    """Whether a queue dispatches; the values are the API's."""

    RUNNING = 1
    PAUSED = 2
    DISABLED = 3


@dataclasses.dataclass(frozen=True, slots=True)
class RateLimits:
    """How fast a queue may dispatch (defaults: real queues)."""

    max_dispatches_per_second: float = 500.0
    max_burst_size: int = 100
    max_concurrent_dispatches: int = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class RetryConfig:
    """When a failed task is tried again, and when it is given up (defaults: real queues).

    Attributes:
        max_attempts: Attempts in all; -1 means no limit.
        max_retry_duration: How long after the first attempt; 0 means no limit.
        min_backoff: The first delay.
        max_backoff: The longest delay.
        max_doublings: How often the delay doubles before it grows by a constant step.
    """

    max_attempts: int = 100
    max_retry_duration: Micros = 0
    min_backoff: Micros = 100 * MILLISECOND
    max_backoff: Micros = HOUR
    max_doublings: int = 16


@dataclasses.dataclass(frozen=True, slots=True)
class Queue:
    """A queue.

    Attributes:
        name: Its full name.
        state: Whether it dispatches.
        rate_limits: How fast.
        retry_config: When failed tasks are tried again.
        purge_time: When it was last purged.
        settings: The rest of its settings, which only ``wire`` parses.
        policy: Its access policy, serialized, empty if none was set.
    """

    name: str
    state: State = State.RUNNING
    rate_limits: RateLimits = RateLimits()
    retry_config: RetryConfig = RetryConfig()
    purge_time: Micros | None = None
    settings: bytes = b""
    policy: bytes = b""


Change = Callable[[Queue | None], Queue]
"""A pure function: takes a queue, None for an absent one, and returns what replaces it."""


def creation(queue: Queue) -> Change:
    """Return the change that creates a queue; AlreadyExists if there is one of its name."""

    def create(existing: Queue | None) -> Queue:
        if existing is not None:
            raise errors.queue_exists()
        return queue

    return create


def replacement(**fields: Any) -> Change:
    """Return the change that replaces some fields of an existing queue; NotFound."""

    def replace(existing: Queue | None) -> Queue:
        if existing is None:
            raise errors.queue_missing()
        return dataclasses.replace(existing, **fields)

    return replace


class QueueChangedError(Exception):
    """A queue is not the one that a change was computed for."""


def swap(expected: Queue | None, queue: Queue) -> Change:
    """Return the change that puts ``queue`` in the place of ``expected`` (compare and set).

    QueueChangedError if something else is there by then.
    """

    def change(existing: Queue | None) -> Queue:
        if existing != expected:
            raise QueueChangedError
        return queue

    return change


def burst_of(rate: float) -> int:
    """Return the burst size of a rate.

    Google publishes no formula; the sizes seen on real queues (500/s: 100, 1/s: 10,
    0.25/s: 10) fit a fifth of the rate and at least ten.
    """
    return max(10, int(rate / 5))


def rate_limits(rate: float, concurrency: int, limits: QueueLimits) -> RateLimits:
    """Return checked rate limits; zero means the default, as proto3 cannot tell them apart."""
    _at_least_zero("RateLimits.maxDispatchesPerSecond", rate)
    _at_most("RateLimits.maxDispatchesPerSecond", rate, limits.max_dispatches_per_second)
    _at_least_zero("RateLimits.maxConcurrentDispatches", concurrency)
    _at_most("RateLimits.maxConcurrentDispatches", concurrency, limits.max_concurrent_dispatches)
    default = RateLimits()
    rate = rate or default.max_dispatches_per_second
    return RateLimits(rate, burst_of(rate), concurrency or default.max_concurrent_dispatches)


def check_retry_config(config: RetryConfig) -> RetryConfig:
    """Return ``config`` if it can work; InvalidArgument names the field otherwise."""
    if config.max_attempts < -1:
        raise errors.InvalidArgument("RetryConfig.maxAttempts must be greater or equal to -1.")
    _at_least_zero("RetryConfig.minBackoff", config.min_backoff)
    _at_least_zero("RetryConfig.maxDoublings", config.max_doublings)
    # Those above are recorded, without details; these are ours.
    for field, value in (
        ("RetryConfig.maxRetryDuration", config.max_retry_duration),
        ("RetryConfig.maxBackoff", config.max_backoff),
    ):
        if value < 0:
            raise errors.invalid_field(field, "cannot be negative.")
    if config.min_backoff > config.max_backoff:
        raise errors.InvalidArgument(
            "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff."
        )
    return config


def _at_least_zero(field: str, value: float) -> None:
    if not value >= 0:  # also true of NaN
        raise errors.InvalidArgument(f"{field} cannot be negative.")


def _at_most(field: str, value: float, limit: float) -> None:
    if value > limit:
        raise errors.InvalidArgument(f"{field} must be less than or equal to {limit:.15g}.")

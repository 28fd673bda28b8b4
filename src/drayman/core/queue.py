"""Queues, and the changes that ``update_queue`` applies to them."""

import dataclasses
import enum
from collections.abc import Callable
from typing import Any

from drayman.core import errors
from drayman.core.clock import HOUR, MILLISECOND, Micros


class State(enum.IntEnum):
    """The state of a queue; the values are those of the API."""

    RUNNING = 1
    PAUSED = 2
    DISABLED = 3


@dataclasses.dataclass(frozen=True, slots=True)
class RateLimits:
    """The rate limits of a queue (defaults: seen on real queues)."""

    max_dispatches_per_second: float = 500.0
    max_burst_size: int = 100
    max_concurrent_dispatches: int = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class RetryConfig:
    """The retry policy of a queue or a task (defaults: seen on real queues).

    Attributes:
        max_attempts: The most attempts; -1 for no limit.
        max_retry_duration: How long after the first attempt a task is retried; 0 for no limit.
        min_backoff: The delay before the first retry.
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
        rate_limits: Its rate limits.
        retry_config: Its retry policy.
        purge_time: When it was last purged, None for never.
        settings: The rest of its settings, which only ``wire`` parses.
        policy: Its IAM policy, serialized; empty if none was set.
    """

    name: str
    state: State = State.RUNNING
    rate_limits: RateLimits = RateLimits()
    retry_config: RetryConfig = RetryConfig()
    purge_time: Micros | None = None
    settings: bytes = b""
    policy: bytes = b""


Change = Callable[[Queue | None], Queue]
"""A pure function that returns the new state of a queue; it gets None for an absent queue."""


def creation(queue: Queue) -> Change:
    """Return the change that creates a queue; it raises AlreadyExists."""

    def create(existing: Queue | None) -> Queue:
        if existing is not None:
            raise errors.queue_exists()
        return queue

    return create


def replacement(**fields: Any) -> Change:
    """Return the change that replaces some fields of a queue; it raises NotFound."""

    def replace(existing: Queue | None) -> Queue:
        if existing is None:
            raise errors.queue_missing()
        return dataclasses.replace(existing, **fields)

    return replace


class QueueChangedError(errors.Aborted):
    """The queue is no longer as it was when a change of it was computed."""


def swap(expected: Queue | None, queue: Queue) -> Change:
    """Return the change that replaces ``expected`` by ``queue`` (compare and set).

    It raises QueueChangedError if the queue is no longer ``expected``.
    """

    def change(existing: Queue | None) -> Queue:
        if existing != expected:
            raise QueueChangedError("The queue was changed by somebody else at the same time.")
        return queue

    return change


def burst_of(rate: float) -> int:
    """Return the burst size of a queue with a rate.

    Google publishes no formula. A fifth of the rate, but at least ten, fits the sizes seen on real
    queues (500/s: 100, 1/s: 10, 0.25/s: 10).
    """
    return max(10, int(rate / 5))

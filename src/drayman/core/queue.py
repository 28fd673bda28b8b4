"""A queue as the rest of the server sees it."""

import dataclasses
import enum
from collections.abc import Callable
from typing import Any

from drayman.core import errors
from drayman.core.clock import HOUR, MILLISECOND, Micros


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

"""Admission: how many attempts a queue may start now, and when to claim again.

A queue may start an attempt if it is running, its token bucket has a token, its concurrency limit
is not reached, and its share of the server's attempt slots is not used up (``core.fairness``).
"""

from typing import NamedTuple

from drayman.core import back_pressure, bucket
from drayman.core.back_pressure import Pressure
from drayman.core.bucket import Bucket
from drayman.core.clock import Micros
from drayman.core.queue import State


class QueueLoad(NamedTuple):
    """The state of a queue that admission depends on.

    Attributes:
        state: Whether it dispatches.
        rate: Its configured rate, in attempts per second.
        burst: The capacity of its token bucket.
        max_concurrent: Its concurrency limit.
        in_flight: Attempts in flight, on all servers.
        bucket: Its token bucket after the last claim.
        pressure: The back pressure on it.
    """

    state: State
    rate: float
    burst: int
    max_concurrent: int
    in_flight: int
    bucket: Bucket
    pressure: Pressure


class Admission(NamedTuple):
    """How many attempts a queue may start now.

    Attributes:
        attempts: The number of attempts.
        bucket: Its token bucket now, before the tokens of these attempts are taken.
        rate: Its rate under back pressure.
        burst: Its burst under back pressure.
    """

    attempts: int
    bucket: Bucket
    rate: float
    burst: int


def admit(queue: QueueLoad, share: int, now: Micros) -> Admission:
    """Return how many attempts a queue may start now, at most ``share`` (``core.fairness``)."""
    rate, burst = back_pressure.effective_limits(queue.pressure, queue.rate, queue.burst, now)
    refilled = bucket.refill(queue.bucket, rate, burst, now)
    if queue.state != State.RUNNING:
        return Admission(0, refilled, rate, burst)
    free = queue.max_concurrent - queue.in_flight
    return Admission(max(0, min(bucket.available(refilled), free, share)), refilled, rate, burst)


def next_claim(queue: QueueLoad, admission: Admission, claimed: int, share: int) -> Micros | None:
    """Return when a queue that has just started ``claimed`` attempts may start the next one.

    None if it cannot before something else changes: it is not running, or its concurrency limit is
    reached until an attempt ends. If the claim used up ``share``, only the server's slots ended it,
    and the queue stays ready now.
    """
    if queue.state != State.RUNNING or queue.in_flight + claimed >= queue.max_concurrent:
        return None
    now = admission.bucket.time
    if claimed >= share:
        return now
    remaining = bucket.take(admission.bucket, claimed)
    ready = bucket.ready_at(remaining, admission.rate, admission.burst)
    if admission.rate < queue.rate:  # under back pressure, the rate grows while the queue waits
        ready = min(ready, now + back_pressure.RECHECK_INTERVAL)
    return ready

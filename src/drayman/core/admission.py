"""Admission: how many attempts a queue may start now, and when it is worth claiming again.

An attempt of a queue needs all of these: the queue is running, its token bucket has a token, one
of its concurrency slots is free, and the server's slots are fairly shared (``core.fairness``).
"""

from typing import NamedTuple

from drayman.core import back_pressure, bucket
from drayman.core.back_pressure import Pressure
from drayman.core.bucket import Bucket
from drayman.core.clock import Micros
from drayman.core.queue import State


class QueueLoad(NamedTuple):
    """What admission must know of a queue.

    Attributes:
        state: Whether it dispatches.
        rate: Its configured attempts a second.
        burst: The size of its token bucket.
        max_concurrent: Its configured concurrency.
        in_flight: Attempts in flight, on all servers.
        bucket: Its token bucket when it was last used.
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
    """What a queue may start now.

    Attributes:
        attempts: Number of attempts.
        bucket: Its token bucket now, before these attempts.
        rate: The rate that back pressure leaves.
        burst: The burst that back pressure leaves.
    """

    attempts: int
    bucket: Bucket
    rate: float
    burst: int


def admit(queue: QueueLoad, share: int, now: Micros) -> Admission:
    """Return what a queue may start now, at most its fair ``share`` of the server's slots."""
    rate, burst = back_pressure.effective_limits(queue.pressure, queue.rate, queue.burst, now)
    tokens = bucket.refill(queue.bucket, rate, burst, now)
    if queue.state != State.RUNNING:
        return Admission(0, tokens, rate, burst)
    free = queue.max_concurrent - queue.in_flight
    return Admission(max(0, min(bucket.available(tokens), free, share)), tokens, rate, burst)


def next_claim(queue: QueueLoad, admission: Admission, claimed: int, share: int) -> Micros | None:
    """Return from when on a queue that started ``claimed`` attempts may start another one.

    None: not before it changes. If its share was used up, the server's limit ended the claim and
    the queue is as ready as before.
    """
    if queue.state != State.RUNNING or queue.in_flight + claimed >= queue.max_concurrent:
        return None
    now = admission.bucket.time
    if claimed >= share:
        return now
    left = bucket.take(admission.bucket, claimed)
    ready = bucket.ready_at(left, admission.rate, admission.burst)
    if admission.rate < queue.rate:  # throttled: its rate grows while it waits
        ready = min(ready, now + back_pressure.RECHECK_INTERVAL)
    return ready

"""The token bucket that holds a queue to its rate (API text, RateLimits)."""

import math
from typing import NamedTuple

from drayman.core.clock import DAY, MILLISECOND, SECOND, Micros

QUANTUM: Micros = 20 * MILLISECOND
"""A queue with nothing but its rate to wait for gathers tokens this long before it is looked at
again: fast queues are served in batches, some tens of times a second."""


class Bucket(NamedTuple):
    """Tokens at a moment; each attempt, the first as well as a retry, takes one.

    Attributes:
        tokens: How many there were, fractions included.
        time: When.
    """

    tokens: float
    time: Micros


def refill(bucket: Bucket, rate: float, burst: int, now: Micros) -> Bucket:
    """Return the bucket as it stands at ``now``: ``rate`` tokens a second, ``burst`` at most.

    A clock that went back adds nothing, and takes nothing away.
    """
    elapsed = max(0, now - bucket.time)
    return Bucket(min(float(burst), bucket.tokens + rate * elapsed / SECOND), now)


def available(bucket: Bucket) -> int:
    """Return how many attempts may start; a millionth is forgiven to the arithmetic."""
    return max(0, math.floor(bucket.tokens + 1e-6))


def take(bucket: Bucket, count: int) -> Bucket:
    """Return the bucket after ``count`` attempts."""
    return Bucket(bucket.tokens - count, bucket.time)


def ready_at(bucket: Bucket, rate: float, burst: int) -> Micros:
    """Return when it is worth looking again: a quantum's worth of tokens, at least one.

    However slow the rate, that is within a day: a moment must stay a number that can be kept.
    """
    wanted = max(1.0, min(rate * QUANTUM / SECOND, burst))
    missing = max(0.0, wanted - bucket.tokens)
    return bucket.time + math.ceil(min(missing / rate * SECOND, DAY))

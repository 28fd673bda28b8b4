"""The token bucket that limits the rate of a queue (API text, RateLimits)."""

import math
from typing import NamedTuple

from drayman.core.clock import DAY, MILLISECOND, SECOND, Micros

BATCH_INTERVAL: Micros = 20 * MILLISECOND
"""The shortest time between two claims from a queue that waits only for tokens. A fast queue is
thus served in batches, some tens of times a second."""


class Bucket(NamedTuple):
    """The tokens of a queue. Each attempt takes one, whether it is the first or a retry.

    Attributes:
        tokens: The number of tokens, with fractions.
        time: When there were that many.
    """

    tokens: float
    time: Micros


def refill(bucket: Bucket, rate: float, burst: int, now: Micros) -> Bucket:
    """Return the bucket at ``now``: it gains ``rate`` tokens a second, up to ``burst``.

    If the clock was set back, the number of tokens stays the same.
    """
    elapsed = max(0, now - bucket.time)
    return Bucket(min(float(burst), bucket.tokens + rate * elapsed / SECOND), now)


def available(bucket: Bucket) -> int:
    """Return how many attempts may start; the tolerance absorbs rounding errors."""
    return max(0, math.floor(bucket.tokens + 1e-6))


def take(bucket: Bucket, count: int) -> Bucket:
    """Return the bucket after ``count`` attempts have started."""
    return Bucket(bucket.tokens - count, bucket.time)


def ready_at(bucket: Bucket, rate: float, burst: int) -> Micros:
    """Return when the bucket has the tokens of one ``BATCH_INTERVAL``, at least one token.

    At most a day ahead: a very low rate would give a time that no integer column can hold.
    """
    batch = max(1.0, min(rate * BATCH_INTERVAL / SECOND, burst))
    missing = max(0.0, batch - bucket.tokens)
    return bucket.time + math.ceil(min(missing / rate * SECOND, DAY))

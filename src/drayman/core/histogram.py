"""Histograms: how many values fell into each bucket.

Adding a value costs a fraction of a microsecond, because it happens on the way of every call.
"""

import bisect
from collections.abc import Sequence

from drayman.core.clock import HOUR, MILLISECOND, MINUTE, SECOND, Micros

CALL_BOUNDS: Sequence[Micros] = (
    MILLISECOND // 2, MILLISECOND, *(step * MILLISECOND // 2 for step in (5, 10, 20, 50, 100, 200)),
    SECOND // 4, SECOND // 2, SECOND, 5 * SECOND // 2, 5 * SECOND, 10 * SECOND,
)  # fmt: skip
"""Upper bounds of the durations of calls."""
ATTEMPT_BOUNDS: Sequence[Micros] = (
    *CALL_BOUNDS[1:], 30 * SECOND, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE,
)  # fmt: skip
"""Upper bounds of the durations of attempts."""
LATENESS_BOUNDS: Sequence[Micros] = (*ATTEMPT_BOUNDS, HOUR, 6 * HOUR)
"""Upper bounds of the time between the moment at which an attempt is due and its claim."""
COMMIT_BOUNDS: Sequence[Micros] = (
    *(step * MILLISECOND // 10 for step in (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500)),
    SECOND, 5 * SECOND,
)  # fmt: skip
"""Upper bounds of the durations of transactions."""
GROUP_BOUNDS: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_000)
"""Upper bounds of the number of calls in a group."""


class Histogram:
    """Counts of values by bucket. One thread adds values; any thread may copy it.

    Attributes:
        bounds: The upper bounds of the buckets, inclusive; the last bucket has none.
        counts: How many values each bucket has, one more than there are bounds.
        total: The sum of all values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[int]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0

    def add(self, value: int) -> None:
        """Count a value."""
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value

    def merge(self, other: "Histogram") -> None:
        """Count the values of another histogram with the same bounds."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def copy(self) -> "Histogram":
        """Return a histogram that does not change any more."""
        copied = Histogram(self.bounds)
        copied.merge(self)
        return copied

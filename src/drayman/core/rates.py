"""Rates: how many tasks of a queue were created and ended per second, over the last minutes.

Counts are kept in a ring of buckets of five seconds. A rate is the mean over the present bucket and
the complete buckets of the window before it.
"""

import array
import enum
from typing import NamedTuple

from drayman.core.clock import MINUTE, SECOND, Micros

BUCKET: Micros = 5 * SECOND
"""The time that a bucket covers."""
WINDOWS: dict[str, Micros] = {"1m": MINUTE, "15m": 15 * MINUTE}
"""The windows of rates, by name."""
_BUCKETS = max(WINDOWS.values()) // BUCKET + 1
_KINDS = 4


class Transition(enum.IntEnum):
    """What is counted."""

    CREATED = 0
    COMPLETED = 1
    FAILED = 2
    """Tasks that failed for good."""
    RETRIED = 3
    """Attempts that failed and are retried."""


class Rates(NamedTuple):
    """Transitions per second."""

    created: float = 0.0
    completed: float = 0.0
    failed: float = 0.0
    retried: float = 0.0


NO_HISTORY = [[0] * _KINDS] * (_BUCKETS - 1)
"""The counts of a queue in which nothing has been counted."""
NO_RATES = dict.fromkeys(WINDOWS, Rates())
"""The rates of a queue on which nothing has been counted."""


class RateCounter:
    """The recent transitions of one queue.

    Attributes:
        bucket: The number of the present bucket.
        present: Its counts, by transition. Whoever counts adds to them, after ``advance``.
    """

    __slots__ = ("_counts", "_past", "bucket", "present")

    def __init__(self, now: Micros) -> None:
        self.bucket = now // BUCKET
        self.present = [0] * _KINDS
        self._past = [0] * _KINDS
        self._counts = array.array("I", bytes(4 * _KINDS * _BUCKETS))

    @property
    def totals(self) -> list[int]:
        """The counts since the start, by transition."""
        return [past + present for past, present in zip(self._past, self.present, strict=True)]

    def advance(self, bucket: int) -> None:
        """Make a later bucket the present one; an earlier one changes nothing."""
        if bucket <= self.bucket:
            return
        self._past = self.totals
        self._store(self.bucket, self.present)
        for passed in range(max(self.bucket + 1, bucket - _BUCKETS + 1), bucket + 1):
            self._store(passed, [0] * _KINDS)
        self.bucket, self.present = bucket, [0] * _KINDS

    def rates(self, now: Micros) -> dict[str, Rates]:
        """Return the rates over each window, by its name."""
        self.advance(now // BUCKET)
        return {name: self._mean(window, now) for name, window in WINDOWS.items()}

    def history(self, now: Micros) -> list[list[int]]:
        """Return the counts by transition in each complete bucket, the earliest first."""
        self.advance(now // BUCKET)
        buckets = range(self.bucket - _BUCKETS + 1, self.bucket)
        starts = [bucket % _BUCKETS * _KINDS for bucket in buckets]
        return [self._counts[start : start + _KINDS].tolist() for start in starts]

    def _store(self, bucket: int, counts: list[int]) -> None:
        start = bucket % _BUCKETS * _KINDS
        self._counts[start : start + _KINDS] = array.array("I", counts)

    def _mean(self, window: Micros, now: Micros) -> Rates:
        starts = [
            bucket % _BUCKETS * _KINDS
            for bucket in range(self.bucket - window // BUCKET, self.bucket)
        ]
        seconds = (window + now % BUCKET) / SECOND
        return Rates(
            *(
                (present + sum(self._counts[start + kind] for start in starts)) / seconds
                for kind, present in enumerate(self.present)
            )
        )

"""The record of what was sent to targets."""

import collections
import sys
from collections.abc import Iterator

from drayman.testing.values import Delivery

_OVERHEAD = 1_000
"""About the bytes of a delivery without its texts and its body."""


class DeliveryLog:
    """The deliveries so far; the oldest are dropped beyond the bounds.

    Attributes:
        dropped: The number of those that were dropped.
    """

    def __init__(self, count: int = sys.maxsize, size: int = sys.maxsize) -> None:
        """Hold at most ``count`` deliveries and about ``size`` bytes, but always the last one."""
        self.dropped = 0
        self._deliveries: collections.deque[Delivery] = collections.deque()
        self._size = 0
        self._bounds = count, size

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._deliveries)

    def __len__(self) -> int:
        return len(self._deliveries)

    def append(self, delivery: Delivery) -> None:
        """Add a delivery."""
        self._deliveries.append(delivery)
        self._size += _size(delivery)
        count, size = self._bounds
        while len(self._deliveries) > count or (self._size > size and len(self._deliveries) > 1):
            self._size -= _size(self._deliveries.popleft())
            self.dropped += 1

    def clear(self) -> None:
        """Drop all deliveries, and count from zero."""
        self._deliveries.clear()
        self._size = self.dropped = 0


def _size(delivery: Delivery) -> int:
    headers = sum(len(name) + len(value) for name, value in delivery.headers.items())
    return len(delivery.body) + len(delivery.url) + headers + _OVERHEAD

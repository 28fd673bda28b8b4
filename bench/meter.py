"""What the connections of one load share: the next request, and the times of calls."""

import array
import asyncio
import time
from collections.abc import Iterator

from bench.errors import Unmeasurable


class Meter:
    """The state of a load.

    Attributes:
        end: When no new calls start, by ``time.perf_counter``.
        times: The duration of each call that was answered, in seconds.
        done: Resolved when all calls are answered; fails with the first failed call.
    """

    def __init__(self, requests: Iterator[bytes], width: int) -> None:
        self._requests = requests
        self._open = width
        self.end = 0.0
        self.times = array.array("d")
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self) -> bytes | None:
        """Return the next request, or None for one of the calls in flight to end."""
        request = next(self._requests, None) if time.perf_counter() < self.end else None
        if request is None:
            self._open -= 1
            if self._open == 0 and not self.done.done():
                self.done.set_result(None)
        return request

    def fail(self, reason: str) -> None:
        """End the load."""
        if not self.done.done():
            self.done.set_exception(Unmeasurable(reason))

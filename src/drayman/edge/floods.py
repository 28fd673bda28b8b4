"""Peers that send frames which cost the server more than them: what is still normal use."""

from drayman.core import bucket
from drayman.core.bucket import Bucket
from drayman.core.clock import Micros
from drayman.edge import limits


class FrameMeter:
    """Counts frames of a kind against a burst and a rate per second."""

    def __init__(self, limit: tuple[int, int], now: Micros) -> None:
        self._burst, self._rate = limit
        self._bucket = Bucket(float(self._burst), now)

    def exceeded(self, now: Micros) -> bool:
        """Count a frame and return whether it is one too many."""
        filled = bucket.refill(self._bucket, self._rate, self._burst, now)
        self._bucket = bucket.take(filled, 1)
        return self._bucket.tokens < 0


class PingMeter:
    """Counts pings that come too soon, as gRPC does (gRFC A8)."""

    def __init__(self) -> None:
        self._last: Micros | None = None
        self._strikes = 0
        self._credit = 0

    def exceeded(self, now: Micros) -> bool:
        """Count a ping and return whether it is one too many."""
        if self._credit:
            self._credit -= 1
            return False
        if self._last is not None and now - self._last < limits.PING_INTERVAL:
            self._strikes += 1
        self._last = now
        return self._strikes > limits.PING_STRIKES

    def clear(self) -> None:
        """Begin anew: the server has sent a response, which clients may follow by a ping."""
        self._last = None
        self._strikes = 0

    def allow_for(self, size: int) -> None:
        """Begin anew, and allow for the pings that may follow so many bytes of responses."""
        self.clear()
        credit = self._credit + size // limits.BYTES_OF_PING
        self._credit = min(credit, limits.PING_CREDIT)

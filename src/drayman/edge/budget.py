"""How many bytes of requests and responses may be held at once, over all and on one connection.

A large request holds its bytes while it arrives, and a large response while it is read: for as long
as the caller likes, within the timeouts. So when the bytes run out, the oldest of these transfers
ends in favour of a later one. Callers that keep pace are never the oldest for long.
"""

import dataclasses
from collections.abc import Callable, Hashable
from typing import NamedTuple

from drayman.core.clock import Micros
from drayman.core.events import Emit
from drayman.edge import limits
from drayman.edge.turns import Turns


class Transfer(NamedTuple):
    """A large request that arrives, or a large response that is read.

    Attributes:
        began: When it began.
        end: Ends it and releases its bytes at once.
    """

    began: Micros
    end: Callable[[], None]


class Budget:
    """Bytes that all connections of a server share, over whatever protocol.

    Attributes:
        size: How many there are.
        used: How many are taken.
    """

    def __init__(self, size: int = limits.BYTES_IN_FLIGHT) -> None:
        self.size = size
        self._reserved = size // 4
        self._transfers: dict[Hashable, Transfer] = {}
        self.used = 0

    def take(self, size: int) -> bool:
        """Take bytes for a small call if there is room."""
        if self.used + size > self.size:
            return False
        self.used += size
        return True

    def take_large(self, size: int, key: Hashable, now: Micros) -> bool:
        """Take bytes for a transfer, present or new, if there is room or older transfers give way.

        A quarter of the budget is left to small calls.
        """
        transfer = self._transfers.get(key)
        began = now if transfer is None else transfer.began
        while self.used + size > self.size - self._reserved:
            if not self._end_older_than(began - limits.TRANSFER_TIME):
                return False
        self.used += size
        return True

    def _end_older_than(self, began: Micros) -> bool:
        """End the oldest transfer if it began by a moment, and return whether it did."""
        key, oldest = next(iter(self._transfers.items()), (None, None))
        if key is None or oldest is None or oldest.began > began:
            return False
        del self._transfers[key]
        oldest.end()
        return True

    def begin_transfer(self, key: Hashable, transfer: Transfer) -> None:
        """Note a transfer that begins now, unless it has begun already."""
        self._transfers.setdefault(key, transfer)

    def end_transfer(self, key: Hashable) -> None:
        """Forget a transfer that has ended, if there is one."""
        self._transfers.pop(key, None)

    def add(self, size: int) -> None:
        """Take bytes whether there is room or not."""
        self.used += size

    def release(self, size: int) -> None:
        """Give bytes back."""
        self.used -= size


class Share:
    """What one connection uses of the budget, with a limit of its own."""

    def __init__(self, budget: Budget, size: int = limits.BYTES_OF_CONNECTION) -> None:
        self._budget = budget
        self.begin_transfer = budget.begin_transfer
        self.end_transfer = budget.end_transfer
        self._size = size
        self.used = 0

    def take(self, size: int) -> bool:
        """Take bytes for a small call if there is room for this connection and over all."""
        if self.used + size > self._size or not self._budget.take(size):
            return False
        self.used += size
        return True

    def take_large(self, size: int, key: Hashable, now: Micros) -> bool:
        """Take bytes for a transfer if there is room, see ``Budget.take_large``."""
        if self.used + size > self._size or not self._budget.take_large(size, key, now):
            return False
        self.used += size
        return True

    def add(self, size: int) -> None:
        """Take bytes whether there is room or not."""
        self.used += size
        self._budget.add(size)

    def release(self, size: int) -> None:
        """Give bytes back."""
        self.used -= size
        self._budget.release(size)


class Slots:
    """How many of something there may be at once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.used = 0

    @property
    def free(self) -> bool:
        """Whether there is one more."""
        return self.used < self._size

    def take(self) -> None:
        """Take one."""
        self.used += 1

    def release(self) -> None:
        """Give a slot back."""
        self.used -= 1


class ConnectionLimit:
    """How many connections there may be, in all and from one address.

    Attributes:
        open: How many there are.
        refused: How many were refused since the start.
    """

    def __init__(
        self, total: int = limits.CONNECTIONS, per_address: int = limits.CONNECTIONS_OF_ADDRESS
    ) -> None:
        self._total = total
        self._per_address = per_address
        self.open = 0
        self.refused = 0
        self._by_address: dict[str, int] = {}

    def enter(self, address: str) -> bool:
        """Count a new connection, or return False if it is one too many."""
        count = self._by_address.get(address, 0)
        if self.open >= self._total or count >= self._per_address:
            self.refused += 1
            return False
        self.open += 1
        self._by_address[address] = count + 1
        return True

    def leave(self, address: str) -> None:
        """Count a closed connection."""
        self.open -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


@dataclasses.dataclass(slots=True)
class Capacity:
    """What the connections of a server share, over whatever protocol.

    Attributes:
        budget: The bytes of requests and responses in flight.
        connection_limit: The number of connections.
        emit: Passes an event to its subscribers.
        turns: Shares the turns of the event loop.
    """

    budget: Budget = dataclasses.field(default_factory=Budget)
    connection_limit: ConnectionLimit = dataclasses.field(default_factory=ConnectionLimit)
    emit: Emit = lambda _: None
    turns: Turns = dataclasses.field(default_factory=Turns)

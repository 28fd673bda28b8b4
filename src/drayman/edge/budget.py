"""How many bytes of requests and responses may be held at once, over all and on one connection."""

import dataclasses

from drayman.edge import limits


class Budget:
    """Bytes that all connections of a server share, over whatever protocol."""

    def __init__(self, size: int = limits.BYTES_IN_FLIGHT) -> None:
        self._size = size
        self._reserved = size // 4
        self.used = 0

    def take(self, size: int, *, large: bool = False) -> bool:
        """Take bytes if there is room; large calls leave a quarter of the budget to small ones."""
        used = self.used + size
        if used > self._size - (self._reserved if large else 0):
            return False
        self.used = used
        return True

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
        self._size = size
        self.used = 0

    def take(self, size: int, *, large: bool = False) -> bool:
        """Take bytes if there is room for this connection and over all."""
        if self.used + size > self._size or not self._budget.take(size, large=large):
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
    """How many connections there may be, in all and from one address."""

    def __init__(
        self, total: int = limits.CONNECTIONS, per_address: int = limits.CONNECTIONS_OF_ADDRESS
    ) -> None:
        self._total = total
        self._per_address = per_address
        self._open = 0
        self._by_address: dict[str, int] = {}

    def enter(self, address: str) -> bool:
        """Count a new connection, or return False if it is one too many."""
        count = self._by_address.get(address, 0)
        if self._open >= self._total or count >= self._per_address:
            return False
        self._open += 1
        self._by_address[address] = count + 1
        return True

    def leave(self, address: str) -> None:
        """Count a closed connection."""
        self._open -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


@dataclasses.dataclass(slots=True)
class Capacity:
    """What the connections of a server share, over whatever protocol.

    Attributes:
        budget: The bytes of requests and responses in flight.
        connection_limit: The number of connections.
    """

    budget: Budget = dataclasses.field(default_factory=Budget)
    connection_limit: ConnectionLimit = dataclasses.field(default_factory=ConnectionLimit)

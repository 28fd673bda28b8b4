"""What the connections of a server share: its methods, and the limits over all of them."""

import asyncio
import dataclasses
from typing import Any

from drayman.api.offload import Offload
from drayman.core.clock import Clock
from drayman.core.events import Emit
from drayman.edge import limits
from drayman.edge.budget import Budget, ConnectionLimit, Slots
from drayman.edge.methods import Methods
from drayman.edge.turns import Turns


@dataclasses.dataclass(slots=True)
class Shared:
    """What the connections of a server share.

    Attributes:
        methods: What can be called.
        clock: Tells the time and calls back.
        emit: Passes an event to its subscribers.
        budget: The bytes of requests and responses in flight.
        offload: Decompresses large messages.
        connection_limit: The number of connections.
        unary_calls: The unary calls in progress.
        streaming_calls: The streaming calls in progress.
        turns: Shares the turns of the event loop.
        connections: The open connections.
        closed: Set when the last of them closes.
    """

    methods: Methods
    clock: Clock
    emit: Emit
    budget: Budget = dataclasses.field(default_factory=Budget)
    connection_limit: ConnectionLimit = dataclasses.field(default_factory=ConnectionLimit)
    offload: Offload = dataclasses.field(default_factory=Offload)
    unary_calls: Slots = dataclasses.field(default_factory=lambda: Slots(limits.CONCURRENT_CALLS))
    streaming_calls: Slots = dataclasses.field(
        default_factory=lambda: Slots(limits.STREAMING_CALLS)
    )
    turns: Turns = dataclasses.field(default_factory=Turns)
    connections: set[Any] = dataclasses.field(default_factory=set)
    closed: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    def leave(self, connection: object, address: str) -> None:
        """Forget a connection that has closed."""
        self.connection_limit.leave(address)
        self.connections.discard(connection)
        if not self.connections:
            self.closed.set()

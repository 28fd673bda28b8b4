"""A call in progress: what has arrived of its request, and what becomes of it."""

import asyncio
from collections import deque

from drayman.core.clock import Micros, Timer
from drayman.edge.budget import Slots
from drayman.edge.grpc_messages import MessageReader
from drayman.edge.grpc_requests import Request
from drayman.edge.methods import Method


class Call:
    """A call in progress.

    Attributes:
        stream_id: The HTTP/2 stream.
        method: What is called.
        path: The name of the method, ``/SERVICE/NAME``.
        timeout: How long the caller waits; None for as long as it takes.
        began: When the call began.
        reader: Splits the data of the request into messages.
        messages: The messages that have arrived and are not yet read.
        complete: Whether the request has arrived to its end.
        responding: Whether the header fields of the response are sent.
        answered: Whether the call has ended for the server; its answer may still be unread.
        charged: The bytes of the request that count against the connection's share.
        unread: The bytes of answers that do.
        unconsumed: The bytes of data for which the flow-control window is not reopened yet.
        slots: Where the call holds slots.
        timer: Ends the call at its deadline.
        task: Runs the handler.
        arrival: Resolved when a message or the end of the request arrives.
        drained: Resolved when all that was sent has left the HTTP/2 engine.
    """

    __slots__ = (
        "__weakref__", "answered", "arrival", "began", "charged", "complete", "drained", "messages",
        "method", "path", "reader", "responding", "slots", "stream_id", "task", "timeout", "timer",
        "unconsumed", "unread",
    )  # fmt: skip

    def __init__(
        self,
        stream_id: int,
        method: Method,
        request: Request,
        began: Micros,
        slots: tuple[Slots, ...],
    ) -> None:
        self.stream_id = stream_id
        self.method = method
        self.path = request.path
        self.timeout = request.timeout
        self.began = began
        self.reader = MessageReader(request.decompress, method.request_size)
        self.messages: deque[bytes] = deque()
        self.complete = False
        self.responding = False
        self.answered = False
        self.charged = 0
        self.unread = 0
        self.unconsumed = 0
        self.slots = slots
        self.timer: Timer | None = None
        self.task: asyncio.Task[None] | None = None
        self.arrival: asyncio.Future[None] | None = None
        self.drained: asyncio.Future[None] | None = None

    def end(self) -> None:
        """Release all that the call holds but the bytes of its answer."""
        self.answered = True
        for each in self.slots:
            each.release()
        self.messages.clear()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        # The task refers to the call: without this both would wait for the garbage collector.
        self.task = None


def resolve(future: asyncio.Future[None] | None) -> None:
    """Wake whoever waits for a future, if anyone does."""
    if future is not None and not future.done():
        future.set_result(None)

"""A call in progress: what has arrived of its request, and what becomes of it."""

import asyncio
from collections import deque

from drayman.core.clock import Micros
from drayman.edge import grpc_messages
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
        fields: The header fields of the request.
        began: When the call began.
        deadline: When the caller stops waiting; None without a deadline.
        decompress: How compressed messages of the request are read.
        reader: Splits the data of the request into messages; None as long as none has arrived.
        messages: The messages that have arrived and are not yet read, compressed as they were sent.
        complete: Whether the request has arrived to its end.
        responding: Whether the header fields of the response are sent.
        responded: Whether the call has ended for the server; its response may still be unread.
        charged: The bytes of the request that count against the connection's share.
        inflated: The bytes of the decompressed message that the handler of a stream has; they do.
        unread: The bytes of responses that do.
        unconsumed: The bytes of data for which the flow-control window is not reopened yet.
        slots: Where the call holds slots.
        task: Runs the handler.
        arrival: Resolved when a message or the end of the request arrives.
        drained: Resolved when all that was sent has left the HTTP/2 engine.
    """

    __slots__ = (
        "__weakref__", "arrival", "began", "charged", "complete", "deadline",
        "decompress", "drained", "fields", "inflated", "messages", "method", "path", "reader",
        "responded", "responding", "slots", "stream_id", "task", "timeout", "unconsumed", "unread",
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
        self.fields = request.fields
        self.began = began
        self.deadline = None if request.timeout is None else began + request.timeout
        self.decompress = request.decompress
        self.reader: MessageReader | None = None
        self.messages: deque[bytes] = deque()
        self.complete = False
        self.responding = False
        self.responded = False
        self.charged = 0
        self.inflated = 0
        self.unread = 0
        self.unconsumed = 0
        self.slots = slots
        self.task: asyncio.Task[None] | None = None
        self.arrival: asyncio.Future[None] | None = None
        self.drained: asyncio.Future[None] | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are complete with this data. CallError.

        Compressed messages stay as they are until the call is authenticated.
        """
        if self.reader is None:
            decompress = None if self.decompress is None else grpc_messages.defer
            self.reader = MessageReader(decompress, self.method.request_size)
        return self.reader.feed(data)

    @property
    def partial(self) -> bool:
        """Whether a message has begun to arrive that is not complete."""
        return self.reader is not None and self.reader.partial

    def end(self) -> None:
        """Release all that the call holds but the bytes of its response."""
        self.responded = True
        for each in self.slots:
            each.release()
        self.messages.clear()
        # The task refers to the call: without this both would wait for the garbage collector.
        self.task = None


def resolve(future: asyncio.Future[None] | None) -> None:
    """Wake whoever waits for a future, if anyone does."""
    if future is not None and not future.done():
        future.set_result(None)

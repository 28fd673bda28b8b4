"""A target that records each request and its response, in a thread of its own."""

import asyncio
from typing import NamedTuple

from drayman.core.clock import MILLISECOND, SystemClock
from thread_server import ThreadServer

HOLD = {"slots": 300 * MILLISECOND}
"""How long the requests of a queue take, by its id."""
STATUS = {"failing": 404}
"""The status of a queue's responses, by its id; others get 200."""


class Exchange(NamedTuple):
    """A request that was responded to.

    Attributes:
        queue: The id of the queue.
        task: The id of the task.
        status: The status of the response.
        began: When the request had arrived.
        ended: When the response was sent.
    """

    queue: str
    task: str
    status: int
    began: int
    ended: int


class Target(ThreadServer):
    """The target of all queues.

    Attributes:
        url: Its URL, without a path; the path is the id of the queue.
        exchanges: What it has responded to, in order.
    """

    def __init__(self):
        self.exchanges = []
        self._clock = SystemClock()
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"

    async def serve(self, reader, writer):
        while True:
            await self._respond(reader, writer)

    async def _respond(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        began = self._clock.now()
        line, *lines = head.split("\r\n")
        fields = dict(each.split(": ", 1) for each in lines if each)
        await reader.readexactly(int(fields["Content-Length"]))
        queue = line.split(" ")[1].removeprefix("/")
        if queue in HOLD:
            await self._clock.wait(asyncio.Event(), began + HOLD[queue])
        status = STATUS.get(queue, 200)
        task, ended = fields["X-CloudTasks-TaskName"], self._clock.now()
        self.exchanges.append(Exchange(queue, task, status, began, ended))
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())

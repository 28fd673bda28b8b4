"""A target that records each request and its response, in a thread of its own."""

import asyncio
import contextlib
import threading
from typing import NamedTuple

from drayman.core.clock import MILLISECOND, SystemClock

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


class Target:
    """The target of all queues.

    Attributes:
        exchanges: What it has responded to, in order.
    """

    def __init__(self):
        self.exchanges = []
        self._clock = SystemClock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self):
        """Close all connections and stop."""
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _end(self):
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await self._respond(reader, writer)
        writer.transport.abort()

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

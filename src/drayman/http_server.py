"""The HTTP/1.1 server: uvicorn within a running event loop."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from drayman.core.clock import Clock
from drayman.edge.budget import Capacity
from drayman.edge.http1 import HttpProtocol
from drayman.edge.listening import PortError


class HttpServer:
    """A server of an ASGI application.

    Args:
        app: The application.
        sockets: Listening sockets of its own; the server closes them.
        clock: Bounds the time of requests and responses.
        capacity: What its connections share with those of other listeners.
        grace: Seconds for requests in progress to end when the server stops.

    Attributes:
        serving: The task that serves; it ends after ``stop``, or by a fault.
    """

    def __init__(
        self,
        app: Any,
        sockets: list[socket.socket],
        clock: Clock,
        capacity: Capacity,
        grace: float,
    ) -> None:
        self._protocol = functools.partial(HttpProtocol, clock=clock, capacity=capacity)
        self._uvicorn = _Uvicorn(app, self._protocol, grace)
        self.serving = asyncio.create_task(self._uvicorn.serve(sockets=sockets))
        self.serving.add_done_callback(lambda _: self._uvicorn.started_or_failed.set())

    async def wait_started(self) -> None:
        """Return when connections are accepted. PortError."""
        await self._uvicorn.started_or_failed.wait()
        if self.serving.done():
            raise PortError(f"the HTTP server cannot start: {self.serving.exception()}")

    def protocol(self) -> asyncio.Protocol:
        """Return the protocol of one more connection, which somebody else has accepted."""
        return self._protocol(
            self._uvicorn.config, self._uvicorn.server_state, self._uvicorn.lifespan.state
        )

    async def stop(self) -> None:
        """Accept no new connections; return when requests in progress have ended."""
        self._uvicorn.should_exit = True
        await asyncio.gather(self.serving, return_exceptions=True)


class _Uvicorn(uvicorn.Server):
    """uvicorn without handlers of signals, and with an event for its start."""

    def __init__(self, app: Any, protocol: Any, grace: float) -> None:
        super().__init__(
            uvicorn.Config(
                app, lifespan="off", log_config=None, access_log=False, http=protocol,
                ws="none", timeout_graceful_shutdown=int(grace), server_header=False,
            )
        )  # fmt: skip
        self.started_or_failed = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.started_or_failed.set()

"""The server behind a test, and its thread."""

import contextlib
import dataclasses
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from google.api_core import exceptions

from drayman.api import calls
from drayman.core import events
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.events import AttemptCrashed, Event
from drayman.observe import log
from drayman.settings import OPTIONS, load
from drayman.tasks_v2 import rpcs
from drayman.testing import endpoints, waits
from drayman.testing.delivery_log import DeliveryLog
from drayman.testing.handlers import Handlers
from drayman.testing.loop_thread import LoopThread
from drayman.testing.virtual import VirtualServer

_Result = TypeVar("_Result")
_DEFAULTS = {
    "port": "0",
    "store": "memory",
    "app_engine_target": ["https://app-engine.example"],
}
"""Settings of a server in a test, unless it has others."""


class Engine:
    """A server in virtual time in a thread of its own.

    Attributes:
        server: The server.
        handlers: Where the code of the test runs.
        closers: Called when the server stops.
    """

    def __init__(self, settings: Mapping[str, Any], start: Micros | None, patience: Micros) -> None:
        """Start.

        Args:
            settings: Settings of the server.
            start: Its time; None for that of the system, which it then follows.
            patience: The real time after which a call that waits for deliveries fails.
        """
        self.closers = contextlib.ExitStack()
        self.handlers = Handlers()
        self._thread = LoopThread("drayman")
        try:
            self._thread.run(self._start(settings, start, patience))
        except BaseException:
            self._thread.close()
            raise

    async def _start(
        self, settings: Mapping[str, Any], start: Micros | None, patience: Micros
    ) -> None:
        loaded = load(_DEFAULTS | _arguments(settings), {})
        server = VirtualServer(
            loaded,
            handlers=self.handlers,
            start=start,
            patience=patience,
            log=DeliveryLog(),
            emit=_log_faults,
            extensions=lambda context: (
                [endpoints.Endpoints(context, server)] if loaded.serves_tests else []
            ),
        )
        await server.start()
        self.server = server

    @property
    def address(self) -> str:
        """Its ``host:port``."""
        return f"127.0.0.1:{self.server.port}"

    def run(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a coroutine in the server's thread, and handlers in this one; return its result."""
        return self.handlers.wait(lambda: self._thread.begin(coroutine))

    async def run_async(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a coroutine in the server's thread, and handlers in the running loop."""
        return await self.handlers.wait_async(lambda: self._thread.begin(coroutine))

    def call(self, function: Callable[[], _Result]) -> _Result:
        """Call a function in the server's thread; return its result."""
        return self._thread.call(function)

    def request(self, rpc: str, message: Any) -> Any:
        """Make a call of the API as anyone may make it, without a connection; return its response.

        GoogleAPICallError, as of a client.
        """
        row, body = rpcs.BY_NAME[rpc], type(message).pb(message)
        context = dataclasses.replace(self.server.context, access=None)
        try:
            return self._thread.run(calls.handle(None, context, row, body))
        except ServiceError as error:
            raise exceptions.from_grpc_status(error.code.value, error.message) from None

    async def list_queues(self) -> list[str]:
        """Return the names of all queues, in order."""
        return [queue.name async for queue in waits.list_queues(self.server.store)]

    def queue_names(self) -> list[str]:
        """Return the names of all queues, in order, in another thread than the server's."""
        return self._thread.run(self.list_queues())

    def reset(self, start: Micros | None) -> None:
        """Delete everything, and set the time."""
        self._thread.run(self._reset(start))

    async def _reset(self, start: Micros | None) -> None:
        self.handlers.reset()
        await self.server.restart(start)

    def close(self) -> None:
        """Stop the server and end its threads, unless that has been done."""
        if self._thread.closed:
            return
        self.closers.close()
        try:
            self._thread.run(self.server.stop())
        finally:
            self._thread.close()
            self.handlers.close()


def _arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as the command line has them. TypeError for an unknown one."""
    unknown = settings.keys() - {option.key for option in OPTIONS}
    if unknown:
        raise TypeError(f"no settings of drayman serve: {', '.join(sorted(unknown))}")
    return {
        name: [*map(_text, value)] if isinstance(value, list | tuple) else _text(value)
        for name, value in settings.items()
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _log_faults(event: Event) -> None:
    """Log what is a fault of the server; failed attempts are the business of tests."""
    if isinstance(event, AttemptCrashed | events.CallCrashed | events.Crashed | events.StoreFailed):
        log.record(event)

"""The server behind a test: its thread, its clock, its targets and its time."""

import contextlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from drayman.core import events
from drayman.core.clock import SECOND, ManualClock, Micros, SystemClock
from drayman.core.events import AttemptCrashed, Event, QueueChanged, TasksCreated
from drayman.observe import log
from drayman.server import Server
from drayman.settings import OPTIONS, load
from drayman.testing.handlers import Handlers
from drayman.testing.loop_thread import LoopThread
from drayman.testing.targets import Targets
from drayman.testing.timeline import Timeline

_Result = TypeVar("_Result")


class Engine:
    """A server in a thread of its own, with a manual clock and targets of the test.

    Attributes:
        queues: The names of all queues that calls have created or used.
        targets: Its targets.
        timeline: Moves its clock and makes its attempts.
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
        self.queues: set[str] = set()
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
        self._set_start(start)
        self.clock = ManualClock(self._start_time)
        self.targets = Targets(self.clock, self.handlers, self._on_waiting)
        self._server = Server(
            load({"port": "0", "store": "memory"} | _arguments(settings), {}),
            clock=self.clock,
            edge_clock=SystemClock(),
            sender=self.targets,
            dispatches=False,
            emit=events.fan_out(self._record_queue, _log_faults),
        )
        await self._server.start()
        self.timeline = Timeline(self._server.dispatcher, self.clock, self.targets, patience)
        self._server.store.on_change(self.timeline.on_change)

    @property
    def address(self) -> str:
        """Its ``host:port``."""
        return f"127.0.0.1:{self._server.port}"

    @property
    def lag(self) -> Micros:
        """How far the clock is behind the system's since the last ``catch_up``; 0 if it stands."""
        if not self._follows_system:
            return 0
        return int((self._thread.loop.time() - self._caught_up_at) * SECOND)

    def catch_up(self) -> Micros:
        """Return the lag, by which the caller advances the clock, and count it as zero."""
        lag, self._caught_up_at = self.lag, self._thread.loop.time()
        return lag

    def run(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a coroutine in the server's thread, and handlers in this one; return its result."""
        return self.handlers.wait(lambda: self._thread.begin(coroutine))

    async def run_async(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a coroutine in the server's thread, and handlers in the running loop."""
        return await self.handlers.wait_async(lambda: self._thread.begin(coroutine))

    def call(self, function: Callable[[], _Result]) -> _Result:
        """Call a function in the server's thread; return its result."""
        return self._thread.call(function)

    def hold(self) -> None:
        """Make attempts only when asked."""
        self._thread.run(self.timeline.hold())

    def reset(self, start: Micros | None) -> None:
        """Delete everything, and set the time."""
        self._thread.run(self._reset(start))

    async def _reset(self, start: Micros | None) -> None:
        await self.timeline.hold()
        await self._server.reset()
        self.targets.clear()
        self.queues.clear()
        self._set_start(start)
        self.clock.reset(self._start_time)

    def close(self) -> None:
        """Stop the server and end its threads."""
        self.closers.close()
        self._thread.run(self._stop())
        self._thread.close()
        self.handlers.close()

    async def _stop(self) -> None:
        await self.timeline.hold()
        await self._server.dispatcher.cancel()  # the clock stands still: no grace would pass
        await self._server.stop()

    def _set_start(self, start: Micros | None) -> None:
        self._follows_system = start is None
        self._caught_up_at = self._thread.loop.time()
        self._start_time = SystemClock().now() if start is None else start

    def _on_waiting(self) -> None:
        """Wake the timeline: an attempt waits for its deadline."""
        self._server.dispatcher.ended.set()

    def _record_queue(self, event: Event) -> None:
        if isinstance(event, QueueChanged | TasksCreated):
            self.queues.add(event.queue)


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

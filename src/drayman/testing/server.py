"""``Server`` and ``AsyncServer``: what a test holds of its server."""

import contextlib
import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from google.api_core import exceptions

from drayman import tasks as tasks_library
from drayman.core.clock import SECOND
from drayman.testing import assertions, pending, values
from drayman.testing.assertions import ANY, Criteria
from drayman.testing.engine import Engine
from drayman.testing.values import Answer, Delivery, Handler, PendingTask

EMULATOR_VARIABLE = "CLOUD_TASKS_EMULATOR_HOST"
LOCATION = "projects/test/locations/local"
"""The location of queues that are named by their ids."""
MAX_ATTEMPTS = 10_000
"""The attempts after which a call that makes them gives up, unless it is told otherwise."""
_FULL = tasks_library.Task.View.FULL
_RATE_LIMITS = ("max_dispatches_per_second", "max_concurrent_dispatches")


class Clock:
    """The time of a server in a test."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def now(self) -> datetime.datetime:
        """The time, in UTC."""
        return values.to_datetime(self._engine.server.clock.now())


class _BaseServer:
    """What the servers for threads and for asyncio share."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.clock = Clock(engine)

    @property
    def address(self) -> str:
        """Its ``host:port``, the value of ``CLOUD_TASKS_EMULATOR_HOST``."""
        return self._engine.address

    @property
    def deliveries(self) -> list[Delivery]:
        """All requests that were sent to targets, in order."""
        return list(self._engine.server.targets.deliveries)

    def client(self) -> tasks_library.CloudTasksClient:
        """Return a client, which is closed when the server stops."""
        options = {"api_endpoint": f"http://{self.address}"}
        client = tasks_library.CloudTasksClient(client_options=options)
        self._engine.closers.callback(client.transport.close)
        return client

    def async_client(self) -> tasks_library.CloudTasksAsyncClient:
        """Return a client for the running event loop; use it in ``async with``."""
        options = {"api_endpoint": f"http://{self.address}"}
        return tasks_library.CloudTasksAsyncClient(client_options=options)

    def queue(self, name: str, **limits: Any) -> str:
        """Create a queue if there is none, and set limits if any are given; return its full name.

        Args:
            name: Its full name, or its id for a queue in ``projects/test/locations/local``.
            limits: ``max_dispatches_per_second``, ``max_concurrent_dispatches`` and the fields of
                a ``RetryConfig``: ``max_attempts``, ``min_backoff`` …, durations as timedeltas.
                They replace all limits of before; those that are left out get their defaults.
        """
        full_name = name if "/" in name else f"{LOCATION}/queues/{name}"
        if limits:
            update = tasks_library.UpdateQueueRequest(queue=_queue(full_name, limits))
            self._engine.request("UpdateQueue", update)
            return full_name
        location = full_name.rpartition("/queues/")[0]
        creation = tasks_library.CreateQueueRequest(parent=location, queue=_queue(full_name, {}))
        with contextlib.suppress(exceptions.AlreadyExists):
            self._engine.request("CreateQueue", creation)
        return full_name

    def tasks(self, queue: str | None = None) -> list[PendingTask]:
        """Return the tasks that the server holds, of one queue or of all, in order of creation.

        A queue is named by its full name or its id.
        """
        selected = assertions.select_queues(queue, self._engine.queue_names())
        return [task for name in selected for task in self._list(name)]

    def respond(self, url: str, answer: "Answer | Handler | Sequence[Answer | Handler]") -> None:
        """Set how targets respond; without a rule they respond with 200.

        Args:
            url: The URL; ``*`` stands for any text. The rule that was set last has precedence.
            answer: A status, a ``Reply``, ``TIMEOUT`` or ``CONNECTION_ERROR``; or a function of
                the ``Delivery`` that returns one, or None for 200. What it raises is a 500 and
                the ``error`` of the delivery; what ends a test or the program, such as
                ``pytest.fail``, is raised in the call that waits for deliveries. A sequence has an
                answer for each request; those that follow go by the other rules.
        """
        values.check_answers(answer)
        self._engine.call(lambda: self._engine.server.targets.respond(url, answer))

    def deliver_to(self, app: Any, url: str = "*") -> None:
        """Deliver into an ASGI or WSGI application, without a socket.

        What it raises is a 500 and the ``error`` of the delivery. No lifespan events are sent.
        """
        if not callable(app):
            raise TypeError(f"{app!r} is neither an ASGI nor a WSGI application")
        self._engine.call(lambda: self._engine.server.targets.deliver_to(app, url))

    def hold(self) -> None:
        """Deliver only when the test says so, as at the start."""
        self._engine.run(self._engine.server.timeline.hold())

    def deliver_at_once(self) -> None:
        """Deliver each task as soon as it is due; time still moves only by the test."""
        self._engine.call(self._engine.server.timeline.deliver_at_once)

    def reset(self, start: datetime.datetime | None = None) -> None:
        """Delete all queues, tasks, deliveries and rules, and set the time.

        With ``start``, time stands still but for the test. Without, it begins at the system's time
        and, whenever the test moves it, catches up with what has passed in reality.
        """
        self._engine.reset(None if start is None else values.to_micros(start))

    def assert_enqueued(
        self,
        *,
        queue: str | None = None,
        url: str | None = None,
        method: str | None = None,
        json: Any = ANY,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        at: datetime.datetime | datetime.timedelta | None = None,
        count: int | None = None,
    ) -> list[PendingTask]:
        """Check that tasks are pending; return those that match. AssertionError.

        Args:
            queue: The full name or the id of their queue.
            url: Their URL; ``*`` stands for any text.
            method: Their HTTP method.
            json: Their body as a JSON value.
            body: Their body; text is UTF-8.
            headers: Headers that they have, among others.
            at: When they are due, to the second; a timedelta counts from now.
            count: How many match exactly; at least one by default.
        """
        __tracebackhide__ = True
        criteria = Criteria(queue, url, method, json, body, headers, self._moment(at))
        delivered = assertions.count_of(len(self.deliveries), "request")
        hint = f"; {delivered} went to targets" if self.deliveries else ""
        return assertions.check(criteria, self.tasks(), count, "pending task", hint)

    def assert_delivered(
        self,
        *,
        queue: str | None = None,
        url: str | None = None,
        method: str | None = None,
        json: Any = ANY,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        at: datetime.datetime | datetime.timedelta | None = None,
        status: int | None = None,
        count: int | None = None,
    ) -> list[Delivery]:
        """Check that requests were sent to targets; return those that match. AssertionError.

        Arguments are those of ``assert_enqueued``, and ``status``: that of their responses.
        """
        __tracebackhide__ = True
        criteria = Criteria(queue, url, method, json, body, headers, self._moment(at), status)
        pending = assertions.count_of(len(self.tasks()), "task") if not self.deliveries else ""
        hint = f"; {pending} waiting for run_all() or advance()" if pending else ""
        return assertions.check(criteria, self.deliveries, count, "delivery", hint)

    def assert_empty(self, queue: str | None = None) -> None:
        """Check that no task is pending, in one queue or in all. AssertionError.

        LookupError if there is no such queue.
        """
        __tracebackhide__ = True
        if queue is not None:
            assertions.check_queue(queue, self._engine.queue_names())
        assertions.check_empty(self.tasks(queue))

    def _list(self, queue: str) -> Iterator[PendingTask]:
        request = tasks_library.ListTasksRequest(parent=queue, response_view=_FULL)
        with contextlib.suppress(exceptions.NotFound):  # deleted
            while True:
                page = self._engine.request("ListTasks", request)
                yield from (pending.from_message(tasks_library.Task.wrap(t)) for t in page.tasks)
                request.page_token = page.next_page_token
                if not request.page_token:
                    return

    def _moment(
        self, at: datetime.datetime | datetime.timedelta | None
    ) -> datetime.datetime | None:
        if at is None:
            return None
        if not isinstance(at, datetime.timedelta):
            return values.to_datetime(values.to_micros(at))
        return values.to_datetime(self._engine.server.clock.now() + self._engine.server.lag) + at

    async def _advance(
        self, by: datetime.timedelta | None, units: Mapping[str, float], limit: int
    ) -> int:
        delta = datetime.timedelta(**units) if by is None else by
        if not isinstance(delta, datetime.timedelta):
            raise TypeError(f"advance() takes a timedelta, or units such as seconds={by!r}")
        if by is not None and units:
            raise TypeError("advance() takes a timedelta or units, not both")
        return await self._engine.server.advance(values.duration(delta), limit)

    async def _advance_to(self, when: datetime.datetime, limit: int) -> int:
        return await self._engine.server.advance_to(values.to_micros(when), limit)

    async def _wait_until_idle(self, seconds: float, queue: str | None) -> None:
        if queue is not None:
            assertions.check_queue(queue, await self._engine.list_queues())
        await self._engine.server.timeline.wait_until_idle(int(seconds * SECOND), queue)


class Server(_BaseServer):
    """A server in this process, for tests in threads; a context manager.

    Within the context, ``CLOUD_TASKS_EMULATOR_HOST`` names it. ``async with`` gives an
    ``AsyncServer``. Nothing is delivered until a method delivers it.

    Args:
        start: The time at first, which then stands still but for the test. By default it is the
            system's time, and catches up with it whenever the test moves it.
        timeout: The real seconds after which a call that waits for deliveries raises TimeoutError.
        settings: Settings of ``drayman serve`` as keywords: ``schedule_horizon="90d"``.
    """

    def __init__(
        self, *, start: datetime.datetime | None = None, timeout: float = 30.0, **settings: Any
    ) -> None:
        moment = None if start is None else values.to_micros(start)
        super().__init__(Engine(settings, moment, int(timeout * SECOND)))
        self._environ: str | None = None

    def __enter__(self) -> Self:
        self._environ = os.environ.get(EMULATOR_VARIABLE)
        os.environ[EMULATOR_VARIABLE] = self.address
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._environ is None:
            os.environ.pop(EMULATOR_VARIABLE, None)
        else:
            os.environ[EMULATOR_VARIABLE] = self._environ
        self.close()

    async def __aenter__(self) -> "AsyncServer":
        return self.__enter__().aio

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def close(self) -> None:
        """Stop the server; leaving the context does so. It may be closed already."""
        self._engine.close()

    def advance(
        self, by: datetime.timedelta | None = None, *, limit: int = MAX_ATTEMPTS, **units: float
    ) -> int:
        """Let time pass, and deliver what is due meanwhile, each task at its time.

        Returns the number of attempts. RuntimeError if there are more than ``limit``,
        TimeoutError if it takes longer than the server's ``timeout``, in real time.

        Args:
            by: How long; or the arguments of a timedelta: ``hours=1``.
            limit: The most attempts.
            units: ``days``, ``hours``, ``minutes``, ``seconds`` …
        """
        return self._engine.run(self._advance(by, units, limit))

    def advance_to(self, when: datetime.datetime, *, limit: int = MAX_ATTEMPTS) -> int:
        """Do the same as ``advance`` until a time; one without a zone is UTC."""
        return self._engine.run(self._advance_to(when, limit))

    def run_next(self) -> bool:
        """Make the next attempt, and move to its time; return False if there is none."""
        return self._engine.run(self._engine.server.timeline.run_next())

    def run_all(self, *, limit: int = MAX_ATTEMPTS) -> int:
        """Make attempts, retries included, until no task can have one; return their number.

        Tasks of paused queues stay. RuntimeError if there are more than ``limit`` attempts.
        """
        return self._engine.run(self._engine.server.timeline.run_all(limit))

    def wait_until_idle(self, timeout: float = 10.0, *, queue: str | None = None) -> None:
        """Wait until no attempt is in flight and, unless held, none is due.

        TimeoutError after ``timeout`` seconds of real time. With ``queue``, a full name or an id,
        only attempts of the queues with its id count; LookupError if there is none.
        """
        return self._engine.run(self._wait_until_idle(timeout, queue))

    @property
    def aio(self) -> "AsyncServer":
        """The same server for a test in an event loop."""
        return AsyncServer(self._engine)


class AsyncServer(_BaseServer):
    """A server in this process, for tests in an event loop.

    The methods that deliver are coroutines; coroutine functions and ASGI applications get
    deliveries in the loop that awaits them. ``Server`` describes the methods.
    """

    async def advance(
        self, by: datetime.timedelta | None = None, *, limit: int = MAX_ATTEMPTS, **units: float
    ) -> int:
        """Let time pass, and deliver what is due meanwhile; return the number of attempts."""
        return await self._engine.run_async(self._advance(by, units, limit))

    async def advance_to(self, when: datetime.datetime, *, limit: int = MAX_ATTEMPTS) -> int:
        """Do the same as ``advance`` until a time."""
        return await self._engine.run_async(self._advance_to(when, limit))

    async def run_next(self) -> bool:
        """Make the next attempt, and move to its time; return False if there is none."""
        return await self._engine.run_async(self._engine.server.timeline.run_next())

    async def run_all(self, *, limit: int = MAX_ATTEMPTS) -> int:
        """Make attempts, retries included, until no task can have one; return their number."""
        return await self._engine.run_async(self._engine.server.timeline.run_all(limit))

    async def wait_until_idle(
        self,
        timeout: float = 10.0,  # noqa: ASYNC109 - as in Server
        *,
        queue: str | None = None,
    ) -> None:
        """Wait until no attempt is in flight and, unless held, none is due. TimeoutError."""
        return await self._engine.run_async(self._wait_until_idle(timeout, queue))


def _queue(name: str, limits: Mapping[str, Any]) -> tasks_library.Queue:
    rate_limits = {key: value for key, value in limits.items() if key in _RATE_LIMITS}
    retry_config = {key: value for key, value in limits.items() if key not in _RATE_LIMITS}
    return tasks_library.Queue(
        name=name, rate_limits=rate_limits or None, retry_config=retry_config or None
    )

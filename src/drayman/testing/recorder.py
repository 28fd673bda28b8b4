"""A recorder of the tasks that code enqueues, without a server."""

import datetime
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from google.api_core import exceptions

from drayman import tasks as tasks_library
from drayman.core import names
from drayman.core.batch import BatchResult
from drayman.core.clock import Clock, SystemClock
from drayman.core.errors import ServiceError
from drayman.core.limits import TaskLimits
from drayman.core.task import Task
from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import operations
from drayman.tasks_v2.services.cloud_tasks.transports import calls_asyncio
from drayman.tasks_v2.services.cloud_tasks.transports.base import CloudTasksTransport
from drayman.testing import assertions, pending, values
from drayman.testing.assertions import ANY, Criteria
from drayman.testing.values import PendingTask
from drayman.wire import operations as batch_operations
from drayman.wire import tasks as wire_tasks

_CHECKS = {
    rpc.method: names.resource_check(rpc.pattern, f"{rpc.service}.{rpc.name}", rpc.permission)
    for rpc in rpcs.RPCS
    if rpc.method in {"create_task", "batch_create_tasks"}
}
"""The checks of the names of queues, by the method of a client."""


class Recorder:
    """Records the tasks that its clients create; for tests that need no delivery.

    Each task is checked as the server checks it. There are no queues: a task may be created in any
    queue, and under a name that is taken. Calls other than those that create tasks raise
    NotImplementedError.
    """

    def __init__(self) -> None:
        self._clock: Clock = SystemClock()
        self._ids = itertools.count(1)
        self._tasks: list[Task] = []

    def client(self) -> tasks_library.CloudTasksClient:
        """Return a client whose tasks are recorded."""
        return tasks_library.CloudTasksClient(transport=_Transport(self._stubs()))

    def async_client(self) -> tasks_library.CloudTasksAsyncClient:
        """Return a client for asyncio whose tasks are recorded."""
        return tasks_library.CloudTasksAsyncClient(transport=_AsyncTransport(self._stubs()))

    def tasks(self, queue: str | None = None) -> list[PendingTask]:
        """Return the recorded tasks, of the queue with a name or an id or of all, in order."""
        recorded = [pending.from_message(_message(task)) for task in self._tasks]
        return [each for each in recorded if assertions.is_queue(queue, each.queue)]

    def clear(self) -> None:
        """Drop the recorded tasks."""
        self._tasks.clear()

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
        """Check that tasks were created; ``Server.assert_enqueued`` describes the arguments."""
        __tracebackhide__ = True
        moment = self._now + at if isinstance(at, datetime.timedelta) else at
        criteria = Criteria(queue, url, method, json, body, headers, moment)
        return assertions.check(criteria, self.tasks(), count, "pending task")

    def assert_empty(self, queue: str | None = None) -> None:
        """Check that no task was created, in one queue or in all. AssertionError."""
        __tracebackhide__ = True
        assertions.check_empty(self.tasks(queue))

    @property
    def _now(self) -> datetime.datetime:
        return values.to_datetime(self._clock.now())

    def _stubs(self) -> dict[str, Callable[[Any], Any]]:
        return {"create_task": self._create_task, "batch_create_tasks": self._create_tasks}

    def _create_task(self, request: Any) -> tasks_library.Task:
        message = tasks_library.CreateTaskRequest.pb(request)
        _check_parent("create_task", message.parent)
        result = self._create(message.parent, message.task)
        if isinstance(result, ServiceError):
            raise _exception(result)
        return _message(result, message.response_view)

    def _create_tasks(self, request: Any) -> Any:
        message = tasks_library.BatchCreateTasksRequest.pb(request)
        _check_parent("batch_create_tasks", message.parent)
        result = BatchResult(
            operation=f"{names.location_of(message.parent)}/operations/{message.request_id}",
            time=self._clock.now(),
            deletes=False,
            results=[self._create(message.parent, each.task) for each in message.requests],
            views=[each.response_view for each in message.requests],
        )
        operation = batch_operations.show(result)
        return operations.deserialize(operation.SerializeToString())

    def _create(self, parent: str, message: Any) -> Task | ServiceError:
        now = self._clock.now()
        try:
            new = wire_tasks.parse(parent, message, now, TaskLimits())
        except ServiceError as error:
            return error
        name = f"{parent}/tasks/{new.id or next(self._ids)}"
        self._tasks.append(Task(name, now, new.schedule_time, new.request))
        return self._tasks[-1]


class _Transport(CloudTasksTransport):
    """Passes requests to functions instead of a server."""

    kind = "grpc"

    def __init__(self, stubs: Mapping[str, Callable[[Any], Any]]) -> None:
        super().__init__(use_credentials=False)
        self._functions = stubs

    def make_stub(self, rpc: rpcs.Rpc) -> Callable[..., Any]:
        """Return the callable that makes an RPC."""
        function = self._function(rpc)
        return lambda request, **_options: function(request)

    def close(self) -> Any:
        """Close nothing."""

    def _function(self, rpc: rpcs.Rpc) -> Callable[[Any], Any]:
        if rpc.method not in self._functions:
            raise NotImplementedError(
                f"a recorder only creates tasks; {rpc.name} needs drayman.testing.Server"
            )
        return self._functions[rpc.method]


class _AsyncTransport(_Transport):
    """The same for the client for asyncio."""

    kind = "grpc_asyncio"

    def make_stub(self, rpc: rpcs.Rpc) -> Callable[..., Any]:
        """Return the coroutine function that makes an RPC."""
        function = self._function(rpc)

        async def stub(request: Any, **_options: Any) -> Any:
            return function(request)

        return stub

    def wrap(self, stub: Callable[..., Any], rpc: rpcs.Rpc) -> Callable[..., Any]:
        """Add what the client for asyncio expects of a callable."""
        return calls_asyncio.AsyncCall(stub, rpc, self._headers)

    async def close(self) -> None:
        """Close nothing."""


def _check_parent(method: str, parent: str) -> None:
    """Check the name of a queue. GoogleAPICallError, as of a server."""
    try:
        _CHECKS[method](parent)
    except ServiceError as error:
        raise _exception(error) from None


def _exception(error: ServiceError) -> exceptions.GoogleAPICallError:
    refusal: exceptions.GoogleAPICallError
    refusal = exceptions.from_grpc_status(error.code.value, error.message)
    return refusal


def _message(task: Task, view: int = wire_tasks.FULL) -> tasks_library.Task:
    message: tasks_library.Task = tasks_library.Task.wrap(wire_tasks.encode(task, view))
    return message

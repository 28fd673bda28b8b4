"""Queues and tasks of a location, read through the public API: Google's, or another server's.

Queues come first, then the tasks of each queue, by name and page by page. A cursor has the last
queue that was read to its end, and the next one with the token of its next page. Tokens end after
two hours; then a queue is read from its start again, and the tasks that were imported before are
left out by their names.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from google.api_core import exceptions
from google.api_core.retry import AsyncRetry, if_exception_type
from google.auth.exceptions import GoogleAuthError

from drayman import tasks
from drayman.core.clock import SECOND, Clock, Micros
from drayman.core.errors import ServiceError
from drayman.core.task import Task
from drayman.store.verbs.transfer import StoredTask
from drayman.transfer import records
from drayman.transfer.export_file import Batch
from drayman.transfer.selection import Selection

RATE = 10
"""The most calls a second: few beside those of a project that works."""
RETRY_SECONDS = 120.0
"""How long a call is repeated while the API cannot answer it, or allows no more calls."""
CALL_SECONDS = 25.0
"""The timeout of a call; the service refuses more than 30 s."""
PAGE_SIZE = 1_000
"""The most queues or tasks of a page."""
_RETRY = AsyncRetry(
    if_exception_type(
        exceptions.ServiceUnavailable,
        exceptions.TooManyRequests,
        exceptions.DeadlineExceeded,
        exceptions.InternalServerError,
        exceptions.Aborted,
    ),
    initial=0.5, maximum=30.0, multiplier=2.0, timeout=RETRY_SECONDS,
)  # fmt: skip
_Result = TypeVar("_Result")


class GoogleError(Exception):
    """The API cannot be read; the message is for the operator."""


class _InvalidRequestError(GoogleError):
    """The API refuses a request, such as one with a token that has ended."""


class Pacer:
    """Lets calls begin at a rate."""

    def __init__(self, clock: Clock, rate: int = RATE) -> None:
        self._clock = clock
        self._interval = SECOND // rate
        self._next: Micros = 0

    async def wait(self) -> None:
        """Return when the next call may begin."""
        begin = max(self._next, self._clock.now())
        self._next = begin + self._interval
        await self._clock.wait(asyncio.Event(), begin)


class Location:
    """A location of a project, read through the API.

    Args:
        client: The client.
        parent: The full name of the location.
        selection: Which of its queues are read.
        pacer: Limits the rate of calls.
    """

    def __init__(
        self, client: tasks.CloudTasksAsyncClient, parent: str, selection: Selection, pacer: Pacer
    ) -> None:
        self._client = client
        self._parent = parent
        self._selection = selection
        self._pacer = pacer

    async def batches(
        self, cursor: Mapping[str, str] | None, *, pause: bool
    ) -> AsyncIterator[Batch]:
        """Yield the queues, then their tasks after a cursor. GoogleError; SelectionError.

        With ``pause``, the queues are paused after the first batch, in which they have the states
        of before, and before their tasks are read.
        """
        queues = [queue async for queue in self._list_queues()]
        self._selection.check()
        start = cursor or {"done": "", "queue": "", "pageToken": ""}
        yield Batch([records.parse_queue(queue) for queue in queues], start)
        names = sorted(queue.name for queue in queues)
        for name in names if pause else ():
            await self._call(self._client.pause_queue, {"name": name})
        done = start["done"]
        for name in names:
            if name > start["done"]:
                token = start["pageToken"] if name == start["queue"] else ""
                async for batch in self._list_tasks(name, token, done):
                    yield batch
                done = name

    async def _list_queues(self) -> AsyncIterator[Any]:
        token = ""
        while True:
            request = {"parent": self._parent, "page_size": PAGE_SIZE, "page_token": token}
            page = await self._call(self._client.list_queues, request)
            for queue in page.queues:
                if self._selection.includes(queue.name):
                    yield type(queue).pb(queue)
            token = page.next_page_token
            if not token:
                return

    async def _list_tasks(self, queue: str, token: str, done: str) -> AsyncIterator[Batch]:
        while True:
            request = {
                "parent": queue, "response_view": tasks.Task.View.FULL, "page_size": PAGE_SIZE,
                "page_token": token,
            }  # fmt: skip
            page = await self._list_page(request)
            token = page.next_page_token
            cursor = {"done": done if token else queue, "queue": queue, "pageToken": token}
            yield Batch([_record(type(task).pb(task)) for task in page.tasks], cursor)
            if not token:
                return

    async def _list_page(self, request: dict[str, Any]) -> Any:
        """Return a page of tasks; the first one if the token of another has ended."""
        if request["page_token"]:
            with contextlib.suppress(_InvalidRequestError):
                return await self._call(self._client.list_tasks, request)
        return await self._call(self._client.list_tasks, request | {"page_token": ""})

    async def _call(self, method: Callable[..., Awaitable[_Result]], request: Any) -> _Result:
        await self._pacer.wait()
        try:
            return await method(request=request, retry=_RETRY, timeout=CALL_SECONDS)
        except exceptions.InvalidArgument as error:
            raise _InvalidRequestError(f"{self._parent} cannot be read: {error}") from None
        except exceptions.PermissionDenied as error:
            raise GoogleError(_permission(self._parent, error.message)) from None
        except (exceptions.GoogleAPICallError, exceptions.RetryError, GoogleAuthError) as error:
            raise GoogleError(f"{self._parent} cannot be read: {error}") from None


def _record(message: Any) -> StoredTask:
    """Return the record of a task; the API has the order of creation, but no seq."""
    try:
        task: Task = records.parse_task(message)
    except ServiceError as error:
        raise GoogleError(f"{message.name} cannot be imported: {error.message}") from None
    return StoredTask(task, None)


def _permission(parent: str, message: str) -> str:
    return (
        f"{parent} cannot be read: {message} Needed are cloudtasks.queues.list, "
        "cloudtasks.tasks.list and, for the bodies of tasks, cloudtasks.tasks.fullView "
        "(roles/cloudtasks.viewer has them), and for --pause cloudtasks.queues.pause"
    )

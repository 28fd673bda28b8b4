"""Any number of tasks, created in batches that are under way side by side."""

import collections
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from drayman.tasks_v2 import types
from drayman.tasks_v2.services.cloud_tasks import batches, operations
from drayman.tasks_v2.services.cloud_tasks.batches import Creation
from drayman.tasks_v2.services.cloud_tasks.workers import AsyncWorkers

# Where a server has no batches, this many single calls take the place of one.
SINGLES_PER_BATCH = 8

Chunk = list[types.Task | Creation]


class AsyncBulk:
    """Creates tasks through a client.

    Args:
        client: Makes the calls.
        parent: The queue's name.
        options: ``retry``, ``timeout`` and ``metadata`` of every call, where given.
    """

    def __init__(self, client: Any, parent: str, options: dict[str, Any]) -> None:
        self._client = client
        self._parent = parent
        self._options = options
        self._failure: Exception | None = None  # of the iterable, of `progress`

    async def create(
        self,
        tasks: batches.AsyncTasks,
        concurrency: int,
        progress: Callable[[int], object] | None,
    ) -> AsyncIterator[Creation]:
        """Yield what came of each task, in their order.

        The first batch goes alone, to learn whether the server knows batches at all. What the
        iterable or ``progress`` raises ends the reading, and is raised when all that was sent has
        been answered and yielded.
        """
        answers: list[Creation] | None = []
        done = 0
        waiting: collections.deque[Any] = collections.deque()
        async with AsyncWorkers(concurrency * SINGLES_PER_BATCH) as workers:
            work = self._chunks(workers.each(tasks))
            send: Any = self._probe
            limit = 1
            sent: Chunk = []
            while True:
                while (
                    len(waiting) < limit
                    and not self._failure
                    and (chunk := await anext(work, None))
                ):
                    sent = chunk
                    waiting.append(workers.start(self._send, send, sent))
                if answers:
                    done += len(answers)
                    await self._tell(workers, progress, done)
                for answer in answers or ():
                    yield answer
                if not waiting:
                    break
                answers = await workers.result(waiting.popleft())
                if answers is None:
                    send, limit = self._single, concurrency * SINGLES_PER_BATCH
                    work = _singly(sent, work)
                elif send == self._probe and any(isinstance(one, types.Task) for one in sent):
                    send, limit = self._batch, concurrency
        if self._failure:
            raise self._failure

    async def _tell(self, workers: AsyncWorkers, progress: Any, done: int) -> None:
        try:
            await workers.tell(progress, done)
        except Exception as error:  # noqa: BLE001 - raised at the end
            self._failure = self._failure or error

    async def _chunks(self, tasks: AsyncIterator[batches.TaskLike]) -> AsyncIterator[Chunk]:
        """The tasks in groups that fit into a call, up to the iterable's end or failure."""
        chunk: Chunk = []
        size = 0
        try:
            async for given in tasks:
                one = batches.read(given)
                weight = types.Task.pb(one).ByteSize() if isinstance(one, types.Task) else 0
                if chunk and size + weight > batches.MOST_BYTES:
                    yield chunk
                    chunk, size = [], 0
                chunk.append(one)
                size += weight
                if len(chunk) == batches.MOST_TASKS:
                    yield chunk
                    chunk, size = [], 0
        except Exception as error:  # noqa: BLE001 - raised at the end
            self._failure = error
            return
        if chunk:
            yield chunk

    async def _send(self, send: Any, chunk: Chunk) -> list[Creation] | None:
        """Create the tasks of a chunk; what is no task has its answer already."""
        tasks = [one for one in chunk if isinstance(one, types.Task)]
        answers: list[Creation] | None = (await send(tasks)) if tasks else []
        if answers is None:
            return None
        left = iter(answers)
        return [one if isinstance(one, Creation) else next(left) for one in chunk]

    async def _probe(self, tasks: Sequence[types.Task]) -> list[Creation] | None:
        """Create a batch; None says that the server knows no batches."""
        from google.api_core import exceptions

        answers = await self._batch(tasks)
        error = answers[0].error
        if isinstance(error, exceptions.MethodNotImplemented | exceptions.MethodNotAllowed):
            return None
        if isinstance(error, exceptions.NotFound) and all(one.error is error for one in answers):
            # Over REST a path that the server does not know looks like a queue that is not there.
            return None if await self._queue_exists() else answers
        return answers

    async def _queue_exists(self) -> bool:
        from google.api_core import exceptions

        try:
            await self._client.get_queue(name=self._parent)
        except exceptions.GoogleAPICallError:
            return False
        return True

    async def _batch(self, tasks: Sequence[types.Task]) -> list[Creation]:
        """Create a batch."""
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError

        from drayman.tasks_v2.services.cloud_tasks.transports import calls_asyncio

        options = {
            "retry": calls_asyncio.default_retry(),
            "timeout": batches.TIMEOUT,
            **self._options,
        }
        timeout = options["timeout"]
        request = batches.request(self._parent, tasks)
        try:
            operation = await self._client.batch_create_tasks(request, **options)
        except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
            return [Creation(error=error)] * len(tasks)
        except exceptions.RetryError as error:
            return [Creation(error=batches.cause(error))] * len(tasks)
        if not operation.operation.done:
            operation = operations.async_operation(
                self._client,
                operation.operation,
                types.BatchCreateTasksResponse,
                types.BatchCreateTasksMetadata,
                self._options,
            )
        try:
            response = await operation.result(
                timeout=batches.TIMEOUT if callable(timeout) else timeout
            )
        except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
            return batches.failed(len(tasks), operation.metadata, error)
        except TimeoutError:
            late = exceptions.DeadlineExceeded("The server goes on working at this batch.")
            return [Creation(error=late)] * len(tasks)
        return batches.outcome(len(tasks), operation.metadata, response)

    async def _single(self, tasks: Sequence[types.Task]) -> list[Creation]:
        """Create one task."""
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError

        (task,) = tasks
        try:
            created = await self._client.create_task(
                parent=self._parent, task=task, **self._options
            )
        except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
            return [Creation(error=error)]
        except exceptions.RetryError as error:
            return [Creation(error=batches.cause(error))]
        return [Creation(task=created)]


async def _singly(first: Chunk, rest: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    """The same tasks in groups of one."""
    for one in first:
        yield [one]
    async for chunk in rest:
        for one in chunk:
            yield [one]

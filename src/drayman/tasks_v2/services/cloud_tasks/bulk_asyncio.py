"""Creates any number of tasks in concurrent batches."""

import collections
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from drayman.tasks_v2 import types
from drayman.tasks_v2.services.cloud_tasks import batches, operations
from drayman.tasks_v2.services.cloud_tasks.batches import Creation
from drayman.tasks_v2.services.cloud_tasks.workers import AsyncWorkers

# Concurrent CreateTask calls per unit of concurrency, if the server does not support batches.
CALLS_PER_BATCH = 8

# Tasks to create in one call, and the results of values that are no tasks, in order.
Chunk = list[types.Task | Creation]


class AsyncBulkCreator:
    """Creates tasks in one queue.

    Args:
        client: The client to call.
        parent: The name of the queue.
        options: ``retry``, ``timeout`` and ``metadata`` of each call, if the caller set them.
    """

    def __init__(self, client: Any, parent: str, options: dict[str, Any]) -> None:
        self._client = client
        self._parent = parent
        self._options = options
        self._error: Exception | None = None  # raised by the iterable or by `progress`

    async def create(
        self,
        tasks: batches.AsyncTasks,
        concurrency: int,
        progress: Callable[[int], object] | None,
    ) -> AsyncIterator[Creation]:
        """Yield the result of each task, in order.

        If the iterable or ``progress`` raises an error, no more tasks are read. The error is
        raised after the results of all tasks that were sent have been yielded.
        """
        done = 0
        async with AsyncWorkers(concurrency * CALLS_PER_BATCH) as workers:
            async for results in self._results(workers, tasks, concurrency):
                done += len(results)
                if progress:
                    try:
                        await workers.call(progress, done)
                    except Exception as error:  # noqa: BLE001 - raised at the end
                        self._error = self._error or error
                for result in results:
                    yield result
        if self._error:
            raise self._error

    async def _results(
        self, workers: AsyncWorkers, tasks: batches.AsyncTasks, concurrency: int
    ) -> AsyncIterator[list[Creation]]:
        """Yield the results of each chunk, in order. The next chunks are sent before each yield.

        The first batch is sent alone, to find out whether the server supports batches.
        """
        chunks = self._chunks(workers.iterate(tasks))
        send: Any = self._probe
        limit = 1
        pending: collections.deque[tuple[Chunk, Any]] = collections.deque()
        results: list[Creation] | None = None
        while True:
            while len(pending) < limit and not self._error and (chunk := await anext(chunks, None)):
                pending.append((chunk, workers.submit(self._send, send, chunk)))
            if results:
                yield results
            if not pending:
                return
            sent, job = pending.popleft()
            results = await workers.result(job)
            if results is None:
                send, limit = self._single, concurrency * CALLS_PER_BATCH
                chunks = _singly(sent, chunks)
            elif send == self._probe and any(isinstance(item, types.Task) for item in sent):
                send, limit = self._batch, concurrency

    async def _chunks(self, tasks: AsyncIterator[batches.TaskLike]) -> AsyncIterator[Chunk]:
        """Yield the tasks in chunks that fit into a batch, until the iterable ends or fails."""
        chunk: Chunk = []
        size = 0
        try:
            async for value in tasks:
                item = batches.parse_task(value)
                item_size = types.Task.pb(item).ByteSize() if isinstance(item, types.Task) else 0
                if chunk and size + item_size > batches.MAX_BYTES:
                    yield chunk
                    chunk, size = [], 0
                chunk.append(item)
                size += item_size
                if len(chunk) == batches.MAX_TASKS:
                    yield chunk
                    chunk, size = [], 0
        except Exception as error:  # noqa: BLE001 - raised at the end
            self._error = error
            return
        if chunk:
            yield chunk

    async def _send(self, send: Any, chunk: Chunk) -> list[Creation] | None:
        """Create the tasks of a chunk. Return one result per item, or None as ``_probe`` does."""
        tasks = [item for item in chunk if isinstance(item, types.Task)]
        results: list[Creation] | None = (await send(tasks)) if tasks else []
        if results is None:
            return None
        remaining = iter(results)
        return [item if isinstance(item, Creation) else next(remaining) for item in chunk]

    async def _probe(self, tasks: Sequence[types.Task]) -> list[Creation] | None:
        """Create tasks in a batch. Return None if the server does not support batches."""
        from google.api_core import exceptions

        results = await self._batch(tasks)
        error = results[0].error
        if isinstance(error, exceptions.MethodNotImplemented | exceptions.MethodNotAllowed):
            return None
        if isinstance(error, exceptions.NotFound) and all(
            result.error is error for result in results
        ):
            # Over REST, the error for an unknown path is the same as for a missing queue.
            return None if await self._queue_exists() else results
        return results

    async def _queue_exists(self) -> bool:
        from google.api_core import exceptions

        try:
            await self._client.get_queue(name=self._parent)
        except exceptions.GoogleAPICallError:
            return False
        return True

    async def _batch(self, tasks: Sequence[types.Task]) -> list[Creation]:
        """Create tasks in a batch, and wait for its operation."""
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError

        from drayman.tasks_v2.services.cloud_tasks.transports import calls_asyncio

        options = {
            "retry": calls_asyncio.default_retry(),
            "timeout": batches.TIMEOUT,
            **self._options,
        }
        timeout = options["timeout"]
        request = batches.build_request(self._parent, tasks)
        try:
            operation = await self._start(request, options)
        except exceptions.BadRequest as error:  # over REST it is no InvalidArgument
            if len(tasks) == 1 or not any(task.name for task in tasks):
                return [Creation(error=error)] * len(tasks)
            # The name of one task, such as one that occurs twice, refuses a batch as a whole.
            middle = len(tasks) // 2
            return [*await self._batch(tasks[:middle]), *await self._batch(tasks[middle:])]
        except (exceptions.GoogleAPIError, GoogleAuthError) as error:
            return [Creation(error=batches.last_error(error))] * len(tasks)
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
            return batches.failed_results(len(tasks), operation.metadata, error)
        except TimeoutError:
            late = exceptions.DeadlineExceeded("The server is still working on this batch.")
            return [Creation(error=late)] * len(tasks)
        return batches.results(len(tasks), operation.metadata, response)

    async def _start(self, request: types.BatchCreateTasksRequest, options: dict[str, Any]) -> Any:
        """Send a batch. If an earlier try of the same call has created it, return its operation."""
        from google.api_core import exceptions

        try:
            return await self._client.batch_create_tasks(request, **options)
        except exceptions.BadRequest as error:
            if not batches.exists_already(error):
                raise
        name = batches.operation_name(request)
        state = await self._client.get_operation({"name": name}, **options)
        return operations.async_operation(
            self._client,
            state,
            types.BatchCreateTasksResponse,
            types.BatchCreateTasksMetadata,
            self._options,
        )

    async def _single(self, tasks: Sequence[types.Task]) -> list[Creation]:
        """Create a single task by CreateTask."""
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError

        (task,) = tasks
        try:
            created = await self._client.create_task(
                parent=self._parent, task=task, **self._options
            )
        except (exceptions.GoogleAPIError, GoogleAuthError) as error:
            return [Creation(error=batches.last_error(error))]
        return [Creation(task=created)]


async def _singly(first: Chunk, rest: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    """Yield the items of a chunk and of the chunks after it in chunks of one."""
    for item in first:
        yield [item]
    async for chunk in rest:
        for item in chunk:
            yield [item]

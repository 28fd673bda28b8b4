"""Any number of tasks, created in batches that are under way side by side."""

import collections
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

from drayman.tasks_v2 import types
from drayman.tasks_v2.services.cloud_tasks import batches
from drayman.tasks_v2.services.cloud_tasks.batches import Creation
from drayman.tasks_v2.services.cloud_tasks.workers import AsyncWorkers

# Where a server has no batches, this many single calls take the place of one.
SINGLES_PER_BATCH = 8


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

    async def create(
        self,
        tasks: Iterable[batches.TaskLike],
        concurrency: int,
        progress: Callable[[int], object] | None,
    ) -> AsyncIterator[Creation]:
        """Yield what came of each task, in their order.

        The first batch goes alone, to learn whether the server knows batches at all.
        """
        chunks = iter(batches.chunks(tasks))
        first = next(chunks, None)
        if first is None:
            return
        answers = await self._probe(first)
        send: Any = self._batch
        work: Iterable[Sequence[types.Task]] = chunks
        if answers is None:
            concurrency *= SINGLES_PER_BATCH
            send, work, answers = self._single, batches.singly(first, chunks), []
        done = 0
        async with AsyncWorkers(concurrency) as workers:
            waiting: collections.deque[Any] = collections.deque()
            work = iter(work)
            while True:
                while len(waiting) < concurrency and (chunk := next(work, None)) is not None:
                    waiting.append(workers.start(send, chunk))
                done += len(answers)
                if progress and answers:
                    progress(done)
                for answer in answers:
                    yield answer
                if not waiting:
                    return
                answers = await workers.result(waiting.popleft())

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

        from drayman.tasks_v2.services.cloud_tasks.transports import calls_asyncio

        options = {
            "retry": calls_asyncio.default_retry(),
            "timeout": batches.TIMEOUT,
            **self._options,
        }
        request = batches.request(self._parent, tasks)
        try:
            operation = await self._client.batch_create_tasks(request, **options)
        except exceptions.GoogleAPICallError as error:
            return [Creation(error=error)] * len(tasks)
        except exceptions.RetryError as error:
            return [Creation(error=batches.cause(error))] * len(tasks)
        try:
            response = await operation.result(timeout=batches.TIMEOUT)
        except exceptions.GoogleAPICallError as error:
            return batches.failed(len(tasks), operation.metadata, error)
        except TimeoutError:
            late = exceptions.DeadlineExceeded("The server goes on working at this batch.")
            return [Creation(error=late)] * len(tasks)
        return batches.outcome(len(tasks), operation.metadata, response)

    async def _single(self, tasks: Sequence[types.Task]) -> list[Creation]:
        """Create one task."""
        from google.api_core import exceptions

        (task,) = tasks
        try:
            created = await self._client.create_task(
                parent=self._parent, task=task, **self._options
            )
        except exceptions.GoogleAPICallError as error:
            return [Creation(error=error)]
        except exceptions.RetryError as error:
            return [Creation(error=batches.cause(error))]
        return [Creation(task=created)]

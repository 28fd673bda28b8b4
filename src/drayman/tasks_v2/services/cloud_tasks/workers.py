"""Work that goes on side by side: threads and asyncio tasks behind the same three verbs."""

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from concurrent import futures
from typing import Any, Self


class AsyncWorkers:
    """Asyncio tasks; those still at work at the end are cancelled."""

    def __init__(self, _count: int) -> None:
        self._jobs: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    def start(
        self, work: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any
    ) -> asyncio.Task[Any]:
        """Begin a piece of work."""
        job = asyncio.ensure_future(work(*arguments))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job

    async def result(self, job: asyncio.Task[Any]) -> Any:
        """Wait for what comes of it."""
        return await job

    async def each(self, items: Any) -> AsyncIterator[Any]:
        """What an iterable of either kind gives."""
        if isinstance(items, AsyncIterable):
            async for item in items:
                yield item
        else:
            for item in items:
                yield item

    async def tell(self, listener: Callable[..., Any] | None, *news: Any) -> None:
        """Call a listener, which may be a coroutine function."""
        heard = listener(*news) if listener else None
        if inspect.isawaitable(heard):
            await heard


class Workers:
    """Threads; work that has not begun at the end is left undone."""

    def __init__(self, count: int) -> None:
        self._pool = futures.ThreadPoolExecutor(count, "drayman-create-tasks")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def start(self, work: Callable[..., Any], *arguments: Any) -> futures.Future[Any]:
        """Begin a piece of work."""
        return self._pool.submit(work, *arguments)

    def result(self, job: futures.Future[Any]) -> Any:
        """Wait for what comes of it."""
        return job.result()

    def each(self, items: Iterable[Any]) -> Iterator[Any]:
        """What an iterable gives."""
        return iter(items)

    def tell(self, listener: Callable[..., Any] | None, *news: Any) -> None:
        """Call a listener."""
        if listener:
            listener(*news)

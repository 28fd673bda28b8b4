"""Concurrent jobs with one interface for asyncio tasks and threads."""

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from concurrent import futures
from typing import Any, Self


class AsyncWorkers:
    """Runs jobs as asyncio tasks. Unfinished jobs are cancelled at exit."""

    def __init__(self, _count: int) -> None:
        self._jobs: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    def submit(
        self, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any
    ) -> asyncio.Task[Any]:
        """Start a job."""
        job = asyncio.ensure_future(function(*arguments))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job

    async def result(self, job: asyncio.Task[Any]) -> Any:
        """Wait for a job and return its result."""
        return await job

    async def iterate(self, items: Any) -> AsyncIterator[Any]:
        """Yield the items of an iterable or an async iterable."""
        if isinstance(items, AsyncIterable):
            async for item in items:
                yield item
        else:
            for item in items:
                yield item

    async def call(self, callback: Callable[..., Any], *arguments: Any) -> None:
        """Call a function or a coroutine function."""
        result = callback(*arguments)
        if inspect.isawaitable(result):
            await result


class Workers:
    """Runs jobs in a pool of threads. Jobs that have not started at exit are dropped."""

    def __init__(self, count: int) -> None:
        self._pool = futures.ThreadPoolExecutor(count, "drayman-create-tasks")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> futures.Future[Any]:
        """Start a job."""
        return self._pool.submit(function, *arguments)

    def result(self, job: futures.Future[Any]) -> Any:
        """Wait for a job and return its result."""
        return job.result()

    def iterate(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the items of an iterable."""
        return iter(items)

    def call(self, callback: Callable[..., Any], *arguments: Any) -> None:
        """Call a function."""
        callback(*arguments)

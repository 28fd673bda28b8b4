"""Where the code of a test runs while the server delivers to it.

It must not run in the server's event loop, which it may call. A function or a WSGI application
runs in the thread that waits for the deliveries, so that it shares what belongs to that thread: a
transaction of a database, a debugger. A coroutine runs in the event loop that waits for them, or
in one of its own.
"""

import asyncio
import concurrent.futures
import contextlib
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from drayman.testing.loop_thread import LoopThread

_Result = TypeVar("_Result")
_Job = Callable[[], object]
_Submit = Callable[[_Job], object]
_Begin = Callable[[], concurrent.futures.Future[_Result]]
_Attached = tuple[_Submit | None, asyncio.AbstractEventLoop | None]


class Handlers:
    """Runs the code of a test for the server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._submit: _Submit | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._own_loop: LoopThread | None = None

    def wait(self, begin: _Begin[_Result]) -> _Result:
        """Run functions in this thread until what ``begin`` begins is done; return its result."""
        jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        try:
            with self._attached(jobs.put, None):
                future = begin()
                future.add_done_callback(lambda _: jobs.put(None))
                _run_until_done(jobs, future)
        finally:
            _run_rest(jobs)
        return future.result()

    async def wait_async(self, begin: _Begin[_Result]) -> _Result:
        """Run functions and coroutines in the running loop until what begins is done."""
        loop = asyncio.get_running_loop()
        with self._attached(loop.call_soon_threadsafe, loop):
            return await asyncio.wrap_future(begin())

    async def call(self, function: Callable[[], _Result]) -> _Result:
        """Call a function, in the thread that waits if there is one."""
        done: concurrent.futures.Future[_Result] = concurrent.futures.Future()

        def job() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(function())
            except Exception as error:  # noqa: BLE001 - the caller gets it
                done.set_exception(error)
            except BaseException as error:  # the end of the test or of the program
                done.set_exception(RuntimeError(f"the handler was ended by {error!r}"))
                raise

        with self._lock:
            submit = self._submit
            if submit is not None:
                submit(job)
        if submit is None:
            return await asyncio.to_thread(function)
        return await asyncio.wrap_future(done)

    async def run(self, awaitable: Awaitable[_Result]) -> _Result:
        """Await what a function has returned, in the loop that waits if there is one."""
        loop = self._loop
        if loop is None:
            self._own_loop = self._own_loop or LoopThread("drayman-handlers")
            loop = self._own_loop.loop
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_run(awaitable), loop))

    def close(self) -> None:
        """End the loop that coroutines have used."""
        if self._own_loop is not None:
            self._own_loop.close()

    @contextlib.contextmanager
    def _attached(self, submit: _Submit, loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
        """Let a thread, and its loop if it has one, run what is to be run."""
        before = self._exchange(submit, loop)
        try:
            yield
        finally:
            self._exchange(*before)

    def _exchange(
        self, submit: _Submit | None, loop: asyncio.AbstractEventLoop | None
    ) -> _Attached:
        with self._lock:
            before = self._submit, self._loop
            self._submit, self._loop = submit, loop
        return before


def _run_until_done(
    jobs: "queue.SimpleQueue[_Job | None]", future: "concurrent.futures.Future[Any]"
) -> None:
    """Run functions until None comes; cancel the future if one ends the test or the program."""
    try:
        while (job := jobs.get()) is not None:
            job()
    finally:
        future.cancel()


def _run_rest(jobs: "queue.SimpleQueue[_Job | None]") -> None:
    """Run what was submitted before the thread ceased to wait."""
    with contextlib.suppress(queue.Empty):
        while True:
            job = jobs.get_nowait()
            if job is not None:
                job()


async def _run(awaitable: Awaitable[_Result]) -> _Result:
    return await awaitable

"""Where the code of a test runs while the server delivers to it.

It must not run in the server's event loop, which it may call. A function or a WSGI application
runs in the thread that waits for the deliveries, so that it shares what belongs to that thread: a
transaction of a database, a debugger. A coroutine runs in the event loop that waits for them, or
in one of its own.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from drayman.testing.loop_thread import LoopThread

_Result = TypeVar("_Result")
_Job = Callable[[], object]
_Begin = Callable[[], concurrent.futures.Future[_Result]]
_BLOCKED = (
    "this call blocks the event loop of the test, which a coroutine or an ASGI application may "
    "wait for: use async_cloud_tasks, and await its methods"
)


@dataclasses.dataclass(slots=True, eq=False)
class _Waiter:
    """A call that waits for deliveries, and runs the code of the test meanwhile.

    Attributes:
        submit: Runs a function in its thread.
        loop: The event loop that awaits it, None for a call that blocks its thread.
        abort: Ends it with an exception, which it raises.
        ran_coroutine: Whether a coroutine was run in another loop meanwhile.
    """

    submit: Callable[[_Job], object]
    loop: asyncio.AbstractEventLoop | None
    abort: Callable[[BaseException], object]
    ran_coroutine: bool = False


class Handlers:
    """Runs the code of a test for the server, in the call that began to wait last.

    An Exception is raised where the server called. Any other exception, such as that of
    ``pytest.fail`` or ``sys.exit``, ends the call that waits, which raises it; the server gets a
    RuntimeError. A cancellation by the code itself is an error of that code.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: list[_Waiter] = []
        self._own_loop: LoopThread | None = None

    def wait(self, begin: _Begin[_Result]) -> _Result:
        """Run functions in this thread until what ``begin`` begins is done; return its result."""
        jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()

        def abort(error: BaseException) -> None:
            jobs.put(lambda: _raise(error))

        waiter = _Waiter(jobs.put, None, abort)
        try:
            with self._attached(waiter):
                future = begin()
                future.add_done_callback(lambda _: jobs.put(None))
                _run_until_done(jobs, future)
        finally:
            _run_rest(jobs)
        try:
            return future.result()
        except TimeoutError as error:
            if waiter.ran_coroutine and _in_event_loop():
                raise TimeoutError(f"{error}; {_BLOCKED}") from None
            raise

    async def wait_async(self, begin: _Begin[_Result]) -> _Result:
        """Run functions and coroutines in the running loop until what begins is done."""
        loop = asyncio.get_running_loop()
        errors: list[BaseException] = []

        def abort(error: BaseException) -> None:
            errors.append(error)
            loop.call_soon_threadsafe(cancel)

        def cancel() -> None:
            future.cancel()

        with self._attached(_Waiter(loop.call_soon_threadsafe, loop, abort)):
            future = asyncio.wrap_future(begin())
            try:
                return await future
            finally:
                if errors:
                    raise errors[0] from None

    async def call(self, function: Callable[[], _Result]) -> _Result:
        """Call a function, in the thread that waits if there is one."""
        done: concurrent.futures.Future[_Result] = concurrent.futures.Future()

        def job() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(self._run_function(function, waiter))
            except BaseException as error:  # noqa: BLE001 - the caller gets it
                done.set_exception(error)

        with self._lock:
            waiter = self._last_waiter
            if waiter is not None:
                waiter.submit(job)
        if waiter is None:
            return await asyncio.to_thread(self._run_function, function, None)
        return await asyncio.wrap_future(done)

    async def run(self, awaitable: Awaitable[_Result]) -> _Result:
        """Await what a function has returned, in the loop that waits if there is one."""
        with self._lock:
            waiter = self._last_waiter
            loop = waiter.loop if waiter is not None else None
            if waiter is not None:
                waiter.ran_coroutine = True
        if loop is None:
            self._own_loop = self._own_loop or LoopThread("drayman-handlers")
            loop = self._own_loop.loop
        coroutine = self._run_awaitable(awaitable, waiter)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))

    def reset(self) -> None:
        """Forget the calls that wait, such as those of a loop that was closed meanwhile."""
        with self._lock:
            self._waiters.clear()

    def close(self) -> None:
        """End the loop that coroutines have used."""
        if self._own_loop is not None:
            self._own_loop.close()

    @property
    def _last_waiter(self) -> _Waiter | None:
        return self._waiters[-1] if self._waiters else None

    @contextlib.contextmanager
    def _attached(self, waiter: _Waiter) -> Iterator[None]:
        """Let a call that waits run what is to be run. Such calls may end in any order."""
        with self._lock:
            self._waiters.append(waiter)
        try:
            yield
        finally:
            with self._lock, contextlib.suppress(ValueError):  # after a reset
                self._waiters.remove(waiter)

    def _run_function(self, function: Callable[[], _Result], waiter: _Waiter | None) -> _Result:
        try:
            return function()
        except StopIteration as error:  # a future cannot have it, and neither can a coroutine
            raise RuntimeError("the handler raised StopIteration") from error
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:
            raise self._abort(error, waiter) from error

    async def _run_awaitable(
        self, awaitable: Awaitable[_Result], waiter: _Waiter | None
    ) -> _Result:
        try:
            return await awaitable
        except (Exception, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:
            raise self._abort(error, waiter) from error

    def _abort(self, error: BaseException, waiter: _Waiter | None) -> RuntimeError:
        """End the call that waits with an exception; return the one for the server."""
        with self._lock:
            is_waiting = waiter in self._waiters
            target = waiter if is_waiting else self._last_waiter or waiter
        if target is not None:
            target.abort(error)
        return RuntimeError(f"the handler was ended by {error!r}")


def _in_event_loop() -> bool:
    """Return whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _raise(error: BaseException) -> None:
    raise error


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

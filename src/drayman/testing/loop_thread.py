"""A thread with an event loop."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

_Result = TypeVar("_Result")


class LoopThread:
    """A thread that runs an event loop until ``close``."""

    def __init__(self, name: str) -> None:
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether the loop has ended."""
        return self.loop.is_closed()

    def begin(
        self, coroutine: Coroutine[Any, Any, _Result]
    ) -> "concurrent.futures.Future[_Result]":
        """Run a coroutine in the loop. RuntimeError if it is closed, or its thread has ended."""
        if self.closed or not self._thread.is_alive():
            coroutine.close()
            raise RuntimeError(
                "the server is closed" if self.closed else "the thread of the server has ended"
            )
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a coroutine in the loop; return its result."""
        return self.begin(coroutine).result()

    def call(self, function: Callable[[], _Result]) -> _Result:
        """Call a function in the loop's thread; return its result."""

        async def coroutine() -> _Result:
            return function()

        return self.run(coroutine())

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def close(self) -> None:
        """Cancel what still runs, and end the thread, unless it has ended."""
        if self._thread.is_alive():
            self.run(_cancel_others())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.join()
        self.loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_default_executor()

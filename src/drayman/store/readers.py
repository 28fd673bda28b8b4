"""Threads that read beside the writer, each on a connection of its own."""

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from drayman.store.session import Session

Reader: TypeAlias = Callable[[Callable[[Session], Any]], Any]
"""Calls a function with a session for reads; returns what the function returns."""
_Call = TypeVar("_Call")


class Readers(Generic[_Call]):
    """A thread for each reader; calls are run by whichever is free, in their order."""

    def __init__(self, readers: Sequence[Reader], run: Callable[[Reader, _Call], object]) -> None:
        self._run = run
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, args=[reader], name="drayman-reader", daemon=True)
            for reader in readers
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, call: _Call) -> None:
        """Have a thread run a call."""
        self._calls.put(call)

    def stop(self) -> None:
        """Have the threads finish the waiting calls, then stop."""
        for _ in self._threads:
            self._calls.put(None)

    def join(self) -> None:
        """Return when the threads have stopped."""
        for thread in self._threads:
            thread.join()

    def _work(self, reader: Reader) -> None:
        while (call := self._calls.get()) is not None:
            self._run(reader, call)

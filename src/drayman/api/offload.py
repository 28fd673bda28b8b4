"""Large messages: parsed and encoded in a thread, beside the event loop, and not many at once.

A thread does not make them faster. But between two steps of it the event loop runs, so that a
large request takes long for its own caller alone.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

LARGE = 32 << 10
"""The bytes of a message from which on it is parsed or encoded in the thread. The worst message of
this size takes about 20 ms."""
ADMITTED = 16 << 20
"""The most bytes of large requests, and of large responses, that are handled at once: one of the
largest. As messages they take several times as much. Further ones wait."""

_AT_ONCE = contextlib.nullcontext()
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Admission:
    """How many bytes of large messages are handled at once; those beyond wait in their order.

    Args:
        size: The most bytes at once.
        large: The bytes of a message from which on it counts as large.
    """

    def __init__(self, size: int = ADMITTED, large: int = LARGE) -> None:
        self._size = self._free = size
        self._large = large
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def admit(self, size: int) -> contextlib.AbstractAsyncContextManager[None]:
        """Wait until a message of so many bytes may be handled; small ones never wait."""
        return _AT_ONCE if size <= self._large else self._admit(min(size, self._size))

    @contextlib.asynccontextmanager
    async def _admit(self, size: int) -> AsyncIterator[None]:
        await self._acquire(size)
        try:
            yield
        finally:
            self._free += size
            self._admit_next()

    async def _acquire(self, size: int) -> None:
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free += size
            self._admit_next()
            raise

    def _admit_next(self) -> None:
        """Admit those that wait, in their order, as far as there is room."""
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.done():
                if size > self._free:
                    return
                self._free -= size
                turn.set_result(None)
            self._waiting.popleft()


class Offload:
    """The thread, and the large messages in progress.

    Args:
        large: The bytes of a message from which on it counts as large.

    Attributes:
        requests: Admits large requests.
        responses: Admits calls whose responses may be large.
    """

    def __init__(self, large: int = LARGE) -> None:
        self._large = large
        self.requests = Admission()
        self.responses = Admission()
        self._executor = ThreadPoolExecutor(1, "drayman-offload")

    async def run(
        self,
        size: int,
        function: Callable[_Arguments, _Result],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> _Result:
        """Call a function that parses or encodes so many bytes, in the thread if they are many."""
        if size <= self._large:
            return function(*args, **kwargs)
        call = self._executor.submit(function, *args, **kwargs)
        try:
            return await asyncio.wrap_future(call)
        finally:
            del call  # its error refers to this frame: the cycle would hold the message

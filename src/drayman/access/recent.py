"""A value of the store that is read again and again, so that it is never older than some age.

The first call past half of that age starts to read; calls go on with the value they have while it
is young enough, and only then wait. So under load no call waits, and all that wait go on at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from drayman.core.clock import Clock, Micros

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """A value, at most ``max_age`` old.

    Args:
        read: Reads the value.
        clock: The source of the time.
        max_age: How old the value may be.
    """

    def __init__(
        self, read: Callable[[], Awaitable[_Value]], clock: Clock, max_age: Micros
    ) -> None:
        self._read = read
        self._clock = clock
        self._max_age = max_age
        self._read_time: Micros = -max_age
        self._half_age = max_age // 2
        self._value: _Value
        self._reading: asyncio.Task[None] | None = None

    def is_fresh(self) -> bool:
        """Return whether the value is young enough not to be read again."""
        return 0 <= self._clock.now() - self._read_time < self._half_age  # clocks may be set back

    async def get(self) -> _Value:
        """Return the value; raises what reading raises, if the value is too old."""
        if not self.is_fresh():
            age, reading = self._clock.now() - self._read_time, self._begin()
            if not 0 <= age < self._max_age:
                await asyncio.shield(reading)
        return self._value

    def _begin(self) -> "asyncio.Task[None]":
        """Return the task that reads the value; start it if there is none."""
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._run())
            self._reading.add_done_callback(_retrieve_exception)
        return self._reading

    async def _run(self) -> None:
        now = self._clock.now()
        try:
            self._value = await self._read()
            self._read_time = now
        finally:
            self._reading = None


def _retrieve_exception(task: "asyncio.Task[None]") -> None:
    """Mark the exception of a task as seen: nobody may be waiting for it."""
    if not task.cancelled():
        task.exception()

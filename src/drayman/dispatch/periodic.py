"""Work that is repeated until the server stops."""

import abc
import asyncio

from drayman.core.clock import Clock, Micros


class Periodic(abc.ABC):
    """Repeats ``step``; a step returns how long to pause before the next one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stopping = False
        self._wake = asyncio.Event()

    @abc.abstractmethod
    async def step(self) -> Micros:
        """Do the work once; return how long to pause before the next step."""

    async def run(self) -> None:
        """Repeat the work until ``stop`` is called."""
        while not self._stopping:
            self._wake.clear()
            pause = await self.step()
            await self._clock.wait(self._wake, self._clock.now() + pause)

    def stop(self) -> None:
        """Do no further step."""
        self._stopping = True
        self._wake.set()

"""Lines on their way to a descriptor that may be read slowly, or by nobody.

Whoever starts a server may give it a pipe and forget to read it. Whatever the server says there,
nobody may wait for it: not the event loop, not the end of the server.
"""

import asyncio
import os
import queue
import threading

WAITING = 10_000
"""The most lines that wait for whoever reads them."""
LAST = 1.0
"""Seconds that the lines which wait have when the server stops."""


class Lines:
    """A thread that writes lines; what finds no room is left out and counted.

    The descriptor is written to directly: a thread that hangs in the lock of ``sys.stdout`` would
    hold up the server's end.
    """

    def __init__(self, descriptor: int, room: int = WAITING) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[str | None] = queue.Queue(room)
        self._thread = threading.Thread(target=self._run, name="drayman-lines", daemon=True)
        self._thread.start()
        self._broken = False
        self.left_out = 0

    def write(self, line: str) -> bool:
        """Write a line some time, and return whether there was room for it."""
        if not self._broken:
            try:
                self._lines.put_nowait(line)
            except queue.Full:
                pass
            else:
                return True
        self.left_out += 1
        return False

    async def close(self) -> None:
        """Give what waits a moment to be written."""
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            return
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, LAST)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            rest = line.encode(errors="replace")
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:  # its reader is gone
                self._broken = True
                return

"""A writer of lines that never blocks its caller.

Standard output or standard error may be a pipe that is read slowly or not at all. Neither the
event loop nor the shutdown of the server may wait for its reader.
"""

import asyncio
import os
import queue
import threading
from collections.abc import Callable

Write = Callable[[str], bool]
"""Writes a line without blocking; returns False if the line is dropped."""
BUFFER_LINES = 10_000
"""The most lines that wait to be written."""
FLUSH_TIMEOUT = 1.0
"""Seconds to flush buffered lines at shutdown."""


class NonBlockingWriter:
    """Writes lines to a file descriptor in a thread of its own.

    A line that finds the buffer full, or the reader gone, is dropped. The descriptor is written
    to directly: ``sys.stdout`` has a lock, which a blocked thread would hold, and the interpreter
    takes it at exit.
    """

    def __init__(self, descriptor: int, size: int = BUFFER_LINES) -> None:
        self._descriptor = descriptor
        self._size = size
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="drayman-log-writer", daemon=True)
        self._thread.start()

    def write(self, line: str) -> bool:
        """Buffer a line, which includes its line end; return False if it is dropped."""
        if self._ended or self._lines.qsize() >= self._size:
            return False
        self._lines.put(line)
        return True

    async def close(self, flush_seconds: float = FLUSH_TIMEOUT) -> None:
        """Write the buffered lines, for at most so many seconds, and end the thread."""
        self._lines.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, flush_seconds)

    def _run(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                self._write(line.encode(errors="replace"))
        except OSError:  # the reader is gone
            pass
        finally:
            self._ended = True

    def _write(self, rest: bytes) -> None:
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

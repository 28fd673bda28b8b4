"""The lock on a database file: one server at a time.

SQLite's own exclusive lock does not serve, because it would exclude the server's second connection
as well. So there are two locks of the operating system, which releases them when the process dies.
One is on an empty file beside the database, which is never deleted. The other, on systems that have
locks of open files (Linux), is on the database itself, on a byte that SQLite does not use: it holds
under every name of the file, and if the first file is deleted.
"""

import fcntl
import logging
import os
import struct
from pathlib import Path
from typing import IO

_log = logging.getLogger(__name__)
_BYTE = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 1 << 62, 1, 0)


class FileLock:
    """The lock on one database file. OSError if another process holds it."""

    def __init__(self, path: str) -> None:
        self._files: list[IO[bytes]] = []
        real = Path(path).resolve()  # a link to a file is the same file
        try:
            beside = self._open(real.with_name(f"{real.name}.lock"), "ab")
            fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if hasattr(fcntl, "F_OFD_SETLK"):
                self._lock_byte(self._open(real, "rb+"))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Release the lock, after the process has closed all other uses of the file.

        POSIX: closing a file drops all locks that the process has on it, SQLite's included.
        """
        for file in self._files:
            file.close()

    def _open(self, path: Path, mode: str) -> IO[bytes]:
        file = path.open(mode)
        self._files.append(file)
        return file

    def _lock_byte(self, database: IO[bytes]) -> None:
        try:
            fcntl.fcntl(database, fcntl.F_OFD_SETLK, _BYTE)
        except (BlockingIOError, PermissionError):  # another process holds it
            raise
        except OSError as error:  # a file system or a sandbox without this kind of lock
            _log.debug("no lock on the database itself: %s", error)

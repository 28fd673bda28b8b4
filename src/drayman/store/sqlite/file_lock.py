"""The lock on a database file: one server at a time.

SQLite's own exclusive lock would exclude the server's second connection too. So there are two locks
of the operating system, which releases them when the process ends. One is on an empty file next to
the database, which is never deleted. The other is on a byte of the database that SQLite does not
use, on systems with open file description locks (Linux). It also works if the database is opened
under another name, or if the first file is deleted.
"""

import fcntl
import logging
import os
import struct
from pathlib import Path
from typing import IO

from drayman.store.sqlite import files

_log = logging.getLogger(__name__)
_BYTE = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 1 << 62, 1, 0)


class FileLock:
    """The lock on one database file. OSError if another process holds it."""

    def __init__(self, path: str) -> None:
        self._files: list[IO[bytes]] = []
        try:
            files.create(lock := files.beside(path, ".lock"))
            fcntl.flock(self._open(lock, "ab"), fcntl.LOCK_EX | fcntl.LOCK_NB)
            if hasattr(fcntl, "F_OFD_SETLK"):
                self._lock_byte(self._open(files.beside(path, ""), "rb+"))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Release the lock. The process must have closed all SQLite connections to the file before.

        POSIX: closing a file releases all locks that the process has on it, including SQLite's.
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

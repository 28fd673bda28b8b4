"""The disk reserve: a file beside the database that is cut, piece by piece, when the disk is full.

SQLite needs disk space even to delete rows: for the write-ahead log, and for the pages that a
checkpoint appends to the database. The space of the reserve is for these. It is released in pieces
because another program may take what is released.
"""

import contextlib
import os
from pathlib import Path

from drayman.store.sqlite import files

MAX_SIZE = 32 << 20
"""Bytes of the reserve: twice the size that the write-ahead log reaches between checkpoints."""
PIECES = 8
"""The number of pieces in which it is released."""
_CHUNK = 1 << 20


class Reserve:
    """The reserve of one database.

    Attributes:
        size: Its size in bytes; less than ``MAX_SIZE`` on a small disk.
        held: Whether all of it is allocated.
    """

    def __init__(self, path: str) -> None:
        self._path = files.beside(path, ".reserve")
        disk = os.statvfs(self._path.parent)
        self.size = min(MAX_SIZE, disk.f_blocks * disk.f_frsize // 4)
        self.held = _allocated(self._path) >= self.size

    def free_space(self) -> int:
        """Return the free bytes of the disk."""
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize

    def restore(self) -> None:
        """Allocate the reserve if at least as much stays free beside it."""
        if self.held or self.free_space() < 2 * self.size:
            return
        try:
            files.create(self._path)
            _allocate(self._path, self.size)
            self.held = True
        except OSError:  # a quota, a limit of file sizes: go on without
            self._path.unlink(missing_ok=True)

    def release(self) -> bool:
        """Give a piece of the space back to the disk; return False if none was left."""
        self.held = False
        allocated = _allocated(self._path)
        with contextlib.suppress(OSError):
            os.truncate(self._path, max(0, allocated - self.size // PIECES))
        return allocated > 0


def _allocated(path: Path) -> int:
    """Return the bytes that a file takes on the disk; a sparse copy takes none."""
    try:
        return path.stat().st_blocks * 512
    except OSError:
        return 0


def _allocate(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        for _ in range(0, size, _CHUNK):
            file.write(bytes(_CHUNK))

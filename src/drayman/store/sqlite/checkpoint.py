"""Checkpoints: copying the write-ahead log into the database, on their own thread and connection.

By default SQLite does this in the commit that finds the log long, which delays all callers of the
store: by 10 ms and more, once a second under load. This thread copies in smaller pieces while the
writer goes on, so that commits have almost nothing to copy. It only affects speed. An error here is
ignored, because the writer gets and reports it too.
"""

import logging
import sqlite3
import threading

COMMITS = 200
"""The number of commits between two checkpoints."""

_CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"

_log = logging.getLogger(__name__)


class Checkpointer:
    """The thread. ``committed`` is called by the writer, ``close`` by the store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._commits = 0
        self._commits_before = 0
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="drayman-checkpoint", daemon=True)
        self._thread.start()

    def committed(self) -> None:
        """Count a commit; start a checkpoint after ``COMMITS`` of them."""
        self._commits += 1
        if self._commits >= COMMITS:
            self._commits = 0
            self._wake.set()

    def tick(self) -> None:
        """Start a checkpoint if commits have come to rest; called regularly by the writer.

        Without it, the file of an idle database would not shrink after its last commits.
        """
        if self._commits and self._commits == self._commits_before:
            self._commits = 0
            self._wake.set()
        self._commits_before = self._commits

    def checkpoint(self) -> int:
        """Copy the log as far as possible, in the caller's thread; return the pages that are left.

        If none is left, SQLite writes its log from the start again, over pages that exist.
        """
        with self._lock:
            # PASSIVE: it neither waits for other connections nor blocks them.
            busy, pages, copied = self._connection.execute(_CHECKPOINT).fetchone()
        return 1 if busy else int(pages - copied)

    def close(self) -> None:
        """Stop the thread, after the checkpoint that is running."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._closing:  # read after the clear, so that no wake-up is lost
                return
            try:
                self.checkpoint()
            except sqlite3.Error as error:
                _log.debug("checkpoint failed: %s", error)

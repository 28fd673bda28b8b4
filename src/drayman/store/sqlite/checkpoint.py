"""Checkpoints: copying the write-ahead log into the database, on a thread and connection apart.

By default the commit that finds the log long copies it, and everybody who waits for the store waits
for that: 10 ms and more, once a second under load. Done beside the writer, in smaller pieces, it
leaves that commit next to nothing to copy. The writer is correct without it; this is for speed
alone. An error here is ignored, because the writer meets it as well and reports it.
"""

import logging
import sqlite3
import threading

COMMITS = 200
"""Commits between two checkpoints: about a fifth of what SQLite itself waits for."""

_log = logging.getLogger(__name__)


class Checkpointer:
    """The thread. ``committed`` is called by the writer, ``close`` by the store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._commits = 0
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
                # PASSIVE: it waits for nobody, and nobody waits for it.
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            except sqlite3.Error as error:
                _log.debug("checkpoint failed: %s", error)

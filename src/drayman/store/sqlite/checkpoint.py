"""Copying the log into the database, in a thread and over a connection of its own.

SQLite lets the commit that finds the log long copy it, and whoever waits for the store waits
for that too: 10 ms and more, once a second under load. Done beside the writer, in smaller
pieces, it leaves that commit next to nothing to copy. What the writer does is correct without:
this is for speed alone. What fails here is left to the writer, which meets it again and tells.
"""

import logging
import sqlite3
import threading

from drayman.store.sqlite.rows import Connection

COMMITS = 200
"""After so many commits it is time to copy: about a fifth of what SQLite itself waits for."""

_log = logging.getLogger(__name__)


class Checkpointer:
    """The thread. ``committed`` and ``close`` are the writer's, and the store's, to call."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._commits = 0
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="drayman-checkpoint", daemon=True)
        self._thread.start()

    def committed(self) -> None:
        """Count a commit, and have the log copied when there were enough."""
        self._commits += 1
        if self._commits >= COMMITS:
            self._commits = 0
            self._wake.set()

    def close(self) -> None:
        """Stop the thread, when it has finished what it is at."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._closing:  # only now: what is set after the look wakes up again
                return
            try:
                # It waits for nobody, and nobody for it.
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            except sqlite3.Error as error:
                _log.debug("the log could not be copied into the database: %s", error)

"""The guard of an open database: its files and its disk, and the calls refused because of them."""

import sqlite3

from drayman.core import errors
from drayman.store.sqlite import failures, files
from drayman.store.sqlite.checkpoint import Checkpointer
from drayman.store.sqlite.reserve import Reserve


class Guard:
    """Watches the files of a database. All calls come from the writer's thread.

    Args:
        path: The database.
        connection: The writer's connection, outside any transaction.
        checkpointer: Makes checkpoints.
    """

    def __init__(
        self, path: str, connection: sqlite3.Connection, checkpointer: Checkpointer
    ) -> None:
        self._path = path
        self._connection = connection
        self._checkpointer = checkpointer
        self._files = files.identities(path)
        self._reserve = Reserve(path)
        self._replaced = False
        self._full = False

    @property
    def refuses(self) -> bool:
        """Whether some calls are refused at present."""
        return self._replaced or self._full

    def refusal(self, *, durable: bool, grows: bool) -> errors.ServiceError | None:
        """Return the error of a call that is refused at present."""
        if self._replaced and durable:
            return errors.Unavailable(
                f"The store's file {self._path} was moved, replaced or deleted under the server."
            )
        if self._full and grows:
            return errors.ResourceExhausted(failures.FULL)
        return None

    def inspect(self) -> None:
        """Find out which calls to refuse from now on."""
        self._replaced = files.identities(self._path) != self._files
        if not self._replaced:
            self._reserve.restore()
            self._full = self._lacks_room()

    def make_room(self, error: Exception) -> bool:
        """Release space if an error means a full disk; return whether it does.

        From then on calls that need more room are refused, and other calls can be repeated. As much
        of the reserve is released as a checkpoint needs. It takes the space before another program
        does; after it SQLite writes its log over pages that exist.
        """
        if not failures.is_no_room(error):
            return False
        self._full = True
        released = self._reserve.release()
        while not self._log_is_copied() and released:
            released = self._reserve.release()
        return True

    def _lacks_room(self) -> bool:
        free, reserve = self._reserve.free_space(), self._reserve
        if not reserve.held and free + self._free_pages() < 2 * reserve.size:
            return True
        # A checkpoint may append as much to the database as the log holds.
        return free < files.size_of_log(self._path) and not self._log_is_copied()

    def _log_is_copied(self) -> bool:
        """Copy the log into the database; return whether that was possible."""
        try:
            return self._checkpointer.checkpoint() == 0
        except sqlite3.Error:  # the disk is full
            return False

    def _free_pages(self) -> int:
        """Return the bytes of free pages inside the database."""
        return self._pragma("freelist_count") * self._pragma("page_size")

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

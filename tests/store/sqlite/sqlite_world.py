"""A world whose store is on a SQLite database that a test can look into."""

from world import LIMITS, START, World

from drayman.store.sqlite.database import MEMORY, SqliteDatabase
from drayman.store.store import Store


class RecordingDatabase(SqliteDatabase):
    """A database that records how each transaction is committed.

    Attributes:
        levels: The value of ``PRAGMA synchronous`` at each commit.
    """

    def __init__(self, *args, **kwargs):
        self.levels = []
        super().__init__(*args, **kwargs)

    def commit(self):
        self.levels += self.connection.execute("PRAGMA synchronous").fetchone()
        super().commit()


def open_world(path=MEMORY, *, safe=True):
    """Return a world on a new or existing file; ``world.database`` is its database."""
    database = RecordingDatabase(str(path), LIMITS, START, safe=safe)
    world = World(Store(database))
    world.database = database
    return world

"""A database on which another server writes between two statements of a verb."""

from drayman.store.sqlite.database import MEMORY, SqliteDatabase


class InterruptedSession:
    """A session that runs a competing write just before a statement.

    Where several servers share a database, another server may commit a write between two statements
    of a verb. SQLite has one writer, so here the write runs in the verb's own transaction; the
    statements that follow see the same rows.

    Attributes:
        statement: The statement before which the write runs.
        competing_write: A function of the session, which runs once; None for no write.
    """

    def __init__(self, session, statement):
        self.competing_write = None
        self._session = session
        self.statement = statement

    def __getattr__(self, name):
        return getattr(self._session, name)

    def insert(self, statement, rows):
        self._compete(statement)
        return self._session.insert(statement, rows)

    def run(self, statement, **params):
        self._compete(statement)
        return self._session.run(statement, **params)

    def _compete(self, statement):
        if statement == self.statement and self.competing_write is not None:
            write, self.competing_write = self.competing_write, None
            write(self._session)


class InterruptedDatabase(SqliteDatabase):
    """A database in memory whose session is interrupted before a statement."""

    def __init__(self, statement, limits, now):
        super().__init__(MEMORY, limits, now, safe=True)
        self.session = InterruptedSession(self.session, statement)

"""A session on a PostgreSQL connection."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg

from drayman.core.limits import Limits
from drayman.store import statements
from drayman.store.damage import DamagedQueues
from drayman.store.postgres.connection import Connection
from drayman.store.session import Row

_PARAM = re.compile(r"(?<![:\w]):(\w+)")
_FETCH = 32
"""The rows that ``each`` fetches at a time; each may hold a request of a megabyte."""


def _load() -> dict[str, str]:
    """Return the statements, with parameters in the form of psycopg."""
    texts = statements.load("drayman.store.postgres.sql")
    return {name: _PARAM.sub(r"%(\1)s", text) for name, text in texts.items()}


STATEMENTS = _load()
"""All statements of this dialect, by name."""


class PostgresSession:
    """Implements ``store.session.Session``.

    Attributes:
        connection: The connection; after it is lost, another one takes its place.
    """

    def __init__(self, connection: Connection, limits: Limits) -> None:
        self.connection = connection
        self.retention = limits.retention
        self.ramp_up = limits.ramp_up
        self.damaged = DamagedQueues()
        self._changes = 0

    @property
    def changes(self) -> int:
        """A number that grows with each change of a row."""
        return self._changes

    def is_damage(self, error: Exception) -> bool:  # noqa: ARG002 - see below
        """Return False: PostgreSQL ends the transaction, in which no other queue could be read."""
        return False

    def one(self, statement: str, **params: Any) -> Row:
        """Return the row of a statement that always has one."""
        row = self.first(statement, **params)
        if row is None:
            raise LookupError(f"statement {statement} has no row")
        return row

    def first(self, statement: str, **params: Any) -> Row | None:
        """Return the first row of a statement, None if there is none."""
        row: Row | None = self._execute(statement, params).fetchone()
        return row

    def all(self, statement: str, **params: Any) -> list[Row]:
        """Return all rows of a statement."""
        return self._execute(statement, params).fetchall()

    def each(self, statement: str, **params: Any) -> Iterator[Row]:
        """Yield the rows of a statement, which are fetched a few at a time."""
        connection = self.connection
        with connection.transaction(), connection.cursor("each", withhold=False) as cursor:
            cursor.itersize = _FETCH
            cursor.execute(STATEMENTS[statement], params, binary=True)
            yield from cursor

    def run(self, statement: str, **params: Any) -> int:
        """Run a statement; return how many rows it changed. An empty one changes none."""
        return self._execute(statement, params).rowcount if STATEMENTS[statement] else 0

    def insert(self, statement: str, rows: Sequence[Row]) -> int:
        """Run an INSERT for many rows, passed as an array for each column."""
        if not rows:
            return 0
        return self._execute(
            statement, [list(column) for column in zip(*rows, strict=True)]
        ).rowcount

    def _execute(
        self, statement: str, params: Mapping[str, Any] | Sequence[Any]
    ) -> psycopg.Cursor[Any]:
        connection = self.connection
        prepare = not connection.address.pooled
        cursor = connection.execute(STATEMENTS[statement], params, prepare=prepare, binary=True)
        if not (cursor.statusmessage or "").startswith("SELECT"):
            self._changes += cursor.rowcount
        return cursor

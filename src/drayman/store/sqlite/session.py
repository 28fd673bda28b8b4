"""A session on a SQLite connection."""

import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from drayman.core.limits import Limits
from drayman.store import statements
from drayman.store.damage import DamagedQueues
from drayman.store.session import Row
from drayman.store.sqlite import failures

STATEMENTS = statements.load("drayman.store.sqlite.sql")
"""All statements of this dialect, by name."""
_MAX_INSERT = 256
"""The most rows of one INSERT."""


class SqliteSession:
    """Implements ``store.session.Session``."""

    def __init__(self, connection: sqlite3.Connection, limits: Limits) -> None:
        self.retention = limits.retention
        self.ramp_up = limits.ramp_up
        self.damaged = DamagedQueues()
        self._connection = connection

    @property
    def changes(self) -> int:
        """A number that grows with each change of a row."""
        return self._connection.total_changes

    def is_damage(self, error: Exception) -> bool:
        """Return whether rows of the database cannot be read."""
        return failures.is_damage(error)

    def one(self, statement: str, **params: Any) -> Row:
        """Return the row of a statement that always has one."""
        row = self.first(statement, **params)
        if row is None:
            raise LookupError(f"statement {statement} has no row")
        return row

    def first(self, statement: str, **params: Any) -> Row | None:
        """Return the first row of a statement, None if there is none."""
        row: Row | None = self._connection.execute(STATEMENTS[statement], params).fetchone()
        return row

    def all(self, statement: str, **params: Any) -> list[Row]:
        """Return all rows of a statement."""
        return self._connection.execute(STATEMENTS[statement], params).fetchall()

    def each(self, statement: str, **params: Any) -> Iterator[Row]:
        """Yield the rows of a statement."""
        cursor = self._connection.execute(STATEMENTS[statement], params)
        try:
            yield from cursor
        finally:
            cursor.close()

    def run(self, statement: str, **params: Any) -> int:
        """Run a statement; return how many rows it changed."""
        return self._connection.execute(STATEMENTS[statement], params).rowcount

    def insert(self, statement: str, rows: Sequence[Row]) -> int:
        """Run an INSERT for many rows; return how many were inserted.

        Few large statements instead of many small ones: beside a busy event loop the thread waits
        for the interpreter's lock after each statement.
        """
        start = inserted = 0
        for count in _powers_of_two(len(rows)):
            chunk = rows[start : start + count]
            places = f"({', '.join('?' * len(chunk[0]))})"
            values = ", ".join([places] * count)
            text = STATEMENTS[statement].replace("(?)", values)
            params = tuple(itertools.chain.from_iterable(chunk))
            inserted += self._connection.execute(text, params).rowcount
            start += count
        return inserted


def _powers_of_two(total: int) -> Iterator[int]:
    """Split a number into powers of two, so that only nine texts are in the statement cache."""
    count = _MAX_INSERT
    while total:
        while count > total:
            count //= 2
        yield count
        total -= count

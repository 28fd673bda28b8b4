"""The session: the calls by which verbs use a database, the same for every dialect.

Statements have names; their text is in the ``.sql`` files of the dialect. Values are passed by
keyword. Lists are passed as one JSON array, so that a batch of any size is one statement.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from drayman.core.limits import Retention
from drayman.store.damage import DamagedQueues

Row = tuple[Any, ...]


class Session(Protocol):
    """One connection, inside a transaction unless the verb only reads."""

    retention: Retention
    """How long tasks, tombstones and dead letters exist."""
    ramp_up: bool
    """Whether new, idle and resumed queues begin slowly."""
    damaged: DamagedQueues
    """The queues that claims skip for the time being."""

    @property
    def changes(self) -> int:
        """A number that grows with each row that is inserted, updated or deleted."""

    def is_damage(self, error: Exception) -> bool:
        """Return whether rows of the database cannot be read; others may be intact."""

    def one(self, statement: str, **params: Any) -> Row:
        """Return the row of a statement that always has one; LookupError if it has none."""

    def first(self, statement: str, **params: Any) -> Row | None:
        """Return the first row of a statement, None if there is none."""

    def all(self, statement: str, **params: Any) -> list[Row]:
        """Return all rows of a statement."""

    def each(self, statement: str, **params: Any) -> Iterator[Row]:
        """Yield the rows of a statement; closing the iterator ends the statement."""

    def run(self, statement: str, **params: Any) -> int:
        """Run a statement that returns no rows; return how many rows it changed."""

    def insert(self, statement: str, rows: Sequence[Row]) -> int:
        """Run an INSERT for many rows; return how many were inserted."""

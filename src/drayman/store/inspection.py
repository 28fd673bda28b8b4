"""What a check of a store reports: how many rows there are, and which rules they break.

The statements are those of both databases, whose tables have the same columns. They read whole
tables, so they are for an operator who asks, never for a server.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

Count = Callable[[str], int]
"""Returns the number that a statement selects."""

_COUNTS = {
    "queues": "SELECT count(*) FROM queue",
    "tasks": "SELECT count(*) FROM task WHERE generation IN (SELECT generation FROM queue)",
    "tasksToSweep": (
        "SELECT count(*) FROM task WHERE generation IN (SELECT generation FROM deleted_generation)"
    ),
    "attemptsInFlight": "SELECT count(*) FROM claim WHERE server IS NOT NULL",
    "attemptsGranted": "SELECT count(*) FROM claim WHERE server IS NULL",
    "taskTombstones": "SELECT count(*) FROM task_tombstone",
    "queueTombstones": "SELECT count(*) FROM queue_tombstone",
    "attemptRecords": "SELECT count(*) FROM attempt",
    "deadLetters": "SELECT count(*) FROM dead_letter",
    "documents": "SELECT count(*) FROM document",
}
_RULES = {
    "tasks belong to no queue and would never be delivered or swept": (
        "SELECT count(*) FROM task WHERE generation NOT IN "
        "(SELECT generation FROM queue UNION ALL SELECT generation FROM deleted_generation)"
    ),
    "tasks wait for an attempt that does not exist and would never be delivered": (
        "SELECT count(*) FROM task WHERE claim IS NOT NULL "
        "AND claim NOT IN (SELECT number FROM claim)"
    ),
    "queues count their attempts in flight wrongly": (
        "SELECT count(*) FROM queue WHERE in_flight <> "
        "(SELECT count(*) FROM claim WHERE claim.queue = queue.key AND server IS NOT NULL)"
    ),
    "dead letters are missing in their total, or counted twice": (
        "SELECT abs((SELECT count(*) FROM dead_letter) - "
        "(SELECT coalesce(sum(value), 0) FROM counter WHERE name = 'dead_letters'))"
    ),
}
"""Statements that select how many rows break a rule."""
TASKS_COUNTED_WRONGLY = "queues count their tasks wrongly"
"""A rule of both databases, each of which counts in its own way."""


class Report(NamedTuple):
    """The outcome of a check.

    Attributes:
        format: The number of the store's format.
        in_use: Whether a server uses the store; None if that is not known.
        counts: How many rows there are, by what they are.
        problems: What is wrong, a sentence each.
        warnings: What may become a problem.
    """

    format: int
    in_use: bool | None
    counts: dict[str, int]
    problems: list[str]
    warnings: list[str]


def counts(count: Count, own: Mapping[str, str] = MappingProxyType({})) -> dict[str, int]:
    """Return how many rows a store has: those above, and what its database alone has."""
    return {name: count(statement) for name, statement in (*_COUNTS.items(), *own.items())}


def broken_rules(count: Count, own: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Return which rules the rows of a store break: those above, and its database's own."""
    broken = ((text, count(statement)) for text, statement in (*_RULES.items(), *own.items()))
    return [f"{number:,} {text}" for text, number in broken if number]

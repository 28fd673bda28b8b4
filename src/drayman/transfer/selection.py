"""The queues that ``--queue`` selects."""

import fnmatch
from collections.abc import Sequence

from drayman.core import names


class SelectionError(Exception):
    """A pattern selects no queue; the message is for the operator."""


class Selection:
    """Selects queues by patterns of their full names or their ids; without any, all.

    A pattern is that of a shell: ``mail-*``.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = tuple(patterns)
        self._used: set[str] = set()

    @property
    def key(self) -> str:
        """A text that is the same for the same selection, "" for all queues."""
        return ",".join(sorted(self._patterns))

    def includes(self, queue: str) -> bool:
        """Return whether a queue is selected."""
        matching = {each for each in self._patterns if _matches(queue, each)}
        self._used |= matching
        return not self._patterns or bool(matching)

    def check(self) -> None:
        """Check that each pattern has selected a queue. SelectionError."""
        for pattern in self._patterns:
            if pattern not in self._used:
                raise SelectionError(f"--queue {pattern} selects no queue")


def _matches(queue: str, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in (queue, names.short_id(queue)))

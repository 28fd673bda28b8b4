"""Queues whose rows cannot be read because the database is damaged; claims skip them for a time."""

from collections.abc import Mapping

from drayman.core.clock import MINUTE, Micros

BACKOFF: Micros = MINUTE
"""How long a queue is skipped before claims try it again."""
MAX_QUEUES = 16
"""The most queues that are skipped; with more, the damage is not that of single queues."""
GRANTS = 0
"""In place of a queue's key: the attempts granted by RunTask, which are claimed together."""


class DamagedQueues:
    """The queues that claims skip, by key. It is kept in memory, outside transactions."""

    def __init__(self) -> None:
        self._queues: dict[int, tuple[str, Micros]] = {}

    def add(self, key: int, name: str, now: Micros) -> bool:
        """Skip a queue from now on; return False if too many are skipped already."""
        self._queues = {key: each for key, each in self._queues.items() if each[1] > now}
        if len(self._queues) >= MAX_QUEUES:
            return False
        self._queues[key] = name, now + BACKOFF
        return True

    def skips(self, key: int, now: Micros) -> bool:
        """Return whether claims skip a queue at present."""
        return key in self._queues and now < self._queues[key][1]

    def retry_times(self, now: Micros) -> Mapping[str, Micros]:
        """Return when claims will try each queue again that they skip at present, by name."""
        return {name: time for name, time in self._queues.values() if now < time}

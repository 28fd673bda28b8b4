"""Encryption of tasks as the calls see it: which key a location has, and what may be shown."""

import dataclasses
from collections.abc import Callable, Sequence

from drayman.core import names
from drayman.core.clock import SECOND, Clock, Micros
from drayman.core.errors import FailedPrecondition
from drayman.core.task import NewTask, Task
from drayman.store.contract import Store
from drayman.wire import tasks, vault
from drayman.wire.vault import Vault

FRESH: Micros = 5 * SECOND
"""A key that another server has set is in use here after so long at most."""


LOCATIONS = 1_000
"""So many locations' keys are known without asking the store."""


class Encryption:
    """The keys of locations, and the vault that holds their material."""

    def __init__(self, store: Store, clock: Clock, keys: Vault) -> None:
        self._store = store
        self._clock = clock
        self._vault = keys
        self._known: dict[str, tuple[str, Micros]] = {}
        self._changes = 0

    async def key_of(self, location: str) -> str:
        """Return the name of the key of a location, "" for none."""
        now = self._clock.now()
        key, until = self._known.get(location, ("", 0))
        if now >= until:
            changes = self._changes
            key = await self._store.get_key(location)
            if changes == self._changes:  # what was read is not older than what was set meanwhile
                self._note(location, key, now)
        return key

    async def set_key(self, location: str, key: str) -> None:
        """Encrypt the tasks of a location from now on. FailedPrecondition for an unknown key."""
        if key and key not in self._vault:
            raise FailedPrecondition(
                f"The key {key} is not available; it must be in the file given by --key-file."
            )
        try:
            await self._store.set_key(location, key)
        finally:
            self._changes += 1
            self._known.pop(location, None)

    def _note(self, location: str, key: str, now: Micros) -> None:
        if len(self._known) >= LOCATIONS:
            self._known.clear()
        self._known[location] = key, now + FRESH

    async def seal(self, queue: str, new: Sequence[NewTask]) -> list[NewTask]:
        """Return tasks as they are to be stored. FailedPrecondition."""
        return self._seal(await self.key_of(names.location_of(queue)), new)

    async def seal_batch(
        self, queue: str, new: Sequence[NewTask]
    ) -> tuple[list[NewTask], Callable[[bytes], bytes]]:
        """Return tasks as they are to be stored, and what makes their operation so.

        Both under one key: what is secret of the tasks is so of the operation that shows them.
        """
        key = await self.key_of(names.location_of(queue))

        def keep(operation: bytes) -> bytes:
            return self._vault.seal_operation(key, operation) if key else operation

        return self._seal(key, new), keep

    def _seal(self, key: str, new: Sequence[NewTask]) -> list[NewTask]:
        if not key:
            return list(new)
        return [
            dataclasses.replace(task, request=self._vault.seal(key, task.request)) for task in new
        ]

    def opened(self, task: Task, view: int) -> Task:
        """Return a task as it may be shown: a body that nobody asked for needs no key."""
        try:
            return self._vault.opened(task)
        except FailedPrecondition:
            if view == tasks.FULL:
                raise
            return dataclasses.replace(task, request=vault.without_secret(task.request))

    def operation(self, stored: bytes) -> bytes:
        """Return a stored operation, open. FailedPrecondition."""
        return self._vault.open(stored)

    def operation_in_list(self, stored: bytes) -> bytes:
        """Return a stored operation as a list shows it: by its name alone without its key."""
        try:
            return self._vault.open(stored)
        except FailedPrecondition:
            return vault.without_secret(stored)

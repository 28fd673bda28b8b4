"""Encryption of tasks as callers of the API see it."""

import dataclasses
from collections.abc import Sequence

from drayman.core import names
from drayman.core.errors import FailedPrecondition
from drayman.core.task import NewTask, Task
from drayman.encryption import envelope
from drayman.encryption.cipher import TaskCipher
from drayman.encryption.locations import LocationKeys
from drayman.wire import tasks


class TaskEncryption:
    """Seals new tasks with the KMS key of their location, and opens tasks to be shown.

    Attributes:
        cipher: Seals and opens with the keys that this server has.
        locations: The KMS key of each location.
    """

    def __init__(self, cipher: TaskCipher, locations: LocationKeys) -> None:
        self.cipher = cipher
        self.locations = locations

    async def seal(self, queue: str, new: Sequence[NewTask]) -> list[NewTask]:
        """Return new tasks of a queue as they are to be stored. FailedPrecondition."""
        return self.seal_with(await self.kms_key_of(queue), new)

    async def kms_key_of(self, queue: str) -> str:
        """Return the name of the KMS key for new tasks of a queue, "" for none."""
        return await self.locations.get(names.location_of(queue))

    def seal_with(self, kms_key: str, new: Sequence[NewTask]) -> list[NewTask]:
        """Return new tasks sealed with a KMS key; with "" as they are. FailedPrecondition."""
        if not kms_key:
            return list(new)
        return [
            dataclasses.replace(task, request=self.cipher.seal(kms_key, task.request))
            for task in new
        ]

    def open(self, task: Task, view: int) -> Task:
        """Return a task as it is shown in a view of the API.

        Without its KMS key a task is shown without body and headers; FailedPrecondition in the
        view FULL.
        """
        try:
            return self.cipher.open_task(task)
        except FailedPrecondition:
            if view == tasks.FULL:
                raise
            return dataclasses.replace(task, request=envelope.open_part(task.request))

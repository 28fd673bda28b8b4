"""Encryption of tasks as callers of the API see it."""

import dataclasses
import json
from collections.abc import Sequence

from drayman.core import errors, names
from drayman.core.batch import BatchResult, Item
from drayman.core.errors import FailedPrecondition, ServiceError
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
        return [task._replace(request=self.cipher.seal(kms_key, task.request)) for task in new]

    def seal_error(self, kms_key: str, error: ServiceError) -> bytes:
        """Return why an item of a batch was refused as it is stored. FailedPrecondition.

        The message may repeat what is secret of the task.
        """
        content = json.dumps(errors.encode(error)).encode()
        return self.cipher.seal_parts(kms_key, content) if kms_key else content

    def open_result(self, result: BatchResult) -> BatchResult:
        """Return the result of a batch as it is shown. FailedPrecondition without its key."""
        views = result.views or [tasks.BASIC] * len(result.results)
        results = [
            self._open_item(item, view) for item, view in zip(result.results, views, strict=True)
        ]
        return dataclasses.replace(result, results=results)

    def _open_item(self, item: Item, view: int) -> Item:
        if isinstance(item, Task):
            return self.open(item, view)
        if isinstance(item, bytes):
            return errors.decode(json.loads(self.cipher.open(item)))
        return item

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
            return task._replace(request=envelope.open_part(task.request))

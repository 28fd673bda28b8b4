"""The batch calls: one transaction of the store each, once for each id of a request."""

import uuid
from collections.abc import Container, Sequence
from typing import Any

from drayman.api import operations
from drayman.api import tasks as task_calls
from drayman.api.context import Context
from drayman.core import batch, errors, limits, names
from drayman.core.batch import Batch, BatchResult, Creations, Deletions
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.events import TasksCreated, TasksDeleted
from drayman.core.task import NewTask, Task
from drayman.wire import tasks


async def batch_create_tasks(context: Context, request: Any) -> Any:
    """BatchCreateTasks: each task succeeds or fails on its own; the operation has the results."""
    parent = request.parent
    requests = list(request.requests)  # once, because each access creates objects of its parts
    messages = [item.task for item in requests]
    _check_creations(parent, requests, messages)
    views = [tasks.view(item) for item in requests]
    now = context.clock.now()
    size = request.ByteSize()
    parsed = await context.offload.run(size, _parse_items, context, parent, messages, now)
    kms_key = await context.encryption.kms_key_of(parent)
    items = [_seal(context, kms_key, item) for item in parsed]
    result = await _run(context, parent, request, Creations(parent, items, views), now)
    _emit_created(context, parent, items, result)
    return await operations.show(context, result)


async def batch_delete_tasks(context: Context, request: Any) -> Any:
    """BatchDeleteTasks: each task succeeds or fails on its own; the operation has the results."""
    parent = request.parent
    _check_deletions(parent, request.names)
    requested, now = list(request.names), context.clock.now()
    result = await _run(context, parent, request, Deletions(requested), now)
    failures = [item if isinstance(item, ServiceError) else None for item in result.results]
    context.emit(TasksDeleted(parent, requested, failures, now))
    return await operations.show(context, result)


async def _run(
    context: Context, parent: str, request: Any, items: Creations | Deletions, now: Micros
) -> BatchResult:
    """Run a batch. InvalidArgument if an earlier one has used the id of the request."""
    operation_id = names.request_id(request.request_id) or uuid.uuid4()
    new_batch = Batch(
        operation=f"{names.location_of(parent)}/operations/{operation_id}",
        expire_time=now + batch.RETENTION,
        items=items,
    )
    return await context.store.run_batch(new_batch, now)


def _check_creations(parent: str, requests: Sequence[Any], messages: Sequence[Any]) -> None:
    """Check what concerns a batch of creations as a whole: its size and its names (recorded)."""
    if not requests:
        raise errors.InvalidArgument("Request must contain at least one task.")
    if len(requests) > limits.BATCH_CREATE:
        raise errors.InvalidArgument(
            f"A maximum of {limits.BATCH_CREATE} tasks can be created in a single batch, but got "
            f"{len(requests)} tasks."
        )
    used: set[str] = set()
    for item, message in zip(requests, messages, strict=True):
        name = message.name
        _check_item_names(parent, item.parent, name, used)
        used.add(name)


def _check_item_names(parent: str, of_item: str, name: str, used: Container[str]) -> None:
    """Check the parent of an item, then its task's name, which is not among those ``used``."""
    if of_item != parent:
        raise errors.InvalidArgument(
            "All tasks in a batch request must target the same queue. Found task for queue "
            f"{of_item} in batch request for queue {parent}."
        )
    if name:
        names.new_task(parent, name)
        if name in used:
            raise errors.InvalidArgument(f"Duplicate task name in the batch request: {name}")


def _check_deletions(parent: str, requested: Sequence[str]) -> None:
    """Check the size of a batch of deletions (recorded) and its names (as those of creations).

    A name may occur twice: the second deletion finds nothing.
    """
    count = len(requested)
    if not count:
        raise errors.invalid_argument()
    if count > limits.BATCH_DELETE:
        raise errors.InvalidArgument(
            f"A maximum of {limits.BATCH_DELETE} tasks can be handled in a batch, but {count} "
            "were requested."
        )
    for name in requested:
        names.new_task(parent, name)


def _emit_created(
    context: Context, parent: str, items: Sequence[NewTask | bytes], result: BatchResult
) -> None:
    """Emit the results of the items that were valid enough to reach the store."""
    pairs = [
        (task_calls.requested_name(parent, item), created)
        for item, created in zip(items, result.results, strict=True)
        if isinstance(item, NewTask) and isinstance(created, Task | ServiceError)
    ]
    requested, results = [name for name, _ in pairs], [created for _, created in pairs]
    context.emit(TasksCreated(parent, requested, results, result.time))


def _parse_items(
    context: Context, parent: str, messages: Sequence[Any], now: Micros
) -> list[NewTask | ServiceError]:
    return [_parse_item(context, parent, message, now) for message in messages]


def _parse_item(context: Context, parent: str, message: Any, now: Micros) -> NewTask | ServiceError:
    try:
        task_calls.check_request_size(context, message.ByteSize())
        return tasks.parse(parent, message, now, context.limits.task)
    except ServiceError as error:
        if tasks.has_payload(message):
            return error
        # It comes before any other error, and CreateTask has another message for it (recorded).
        return errors.InvalidArgument("Payload type must be set.")


def _seal(context: Context, kms_key: str, item: NewTask | ServiceError) -> NewTask | bytes:
    if isinstance(item, ServiceError):
        return context.encryption.seal_error(kms_key, item)
    if not kms_key:
        return item
    (sealed,) = context.encryption.seal_with(kms_key, [item])
    return sealed

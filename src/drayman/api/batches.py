"""The batch calls: one transaction of the store, idempotent by the id of the request."""

import hashlib
import uuid
from collections.abc import Sequence
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
    parent = names.queue("parent", request.parent)
    views = [_check_item(parent, index, item) for index, item in enumerate(request.requests)]
    _check_count("requests", len(views), limits.BATCH_CREATE)
    now = context.clock.now()
    size = request.ByteSize()
    parsed = await context.offload.run(size, _parse_items, context, parent, request.requests, now)
    kms_key = await context.encryption.kms_key_of(parent)
    items = [_seal(context, kms_key, item) for item in parsed]
    result = await _run(context, parent, request, Creations(parent, items, views), now)
    if not result.repeated:
        _emit_created(context, parent, items, result)
    return await operations.show(context, result)


async def batch_delete_tasks(context: Context, request: Any) -> Any:
    """BatchDeleteTasks: each task succeeds or fails on its own; the operation has the results."""
    parent = names.queue("parent", request.parent)
    _check_count("names", len(request.names), limits.BATCH_DELETE)
    for index, name in enumerate(request.names):
        if names.task(f"names[{index}]", name).queue != parent:
            raise errors.invalid_field(
                f"names[{index}]", f"must be the name of a task in {parent}."
            )
    requested, now = list(request.names), context.clock.now()
    result = await _run(context, parent, request, Deletions(requested), now)
    if not result.repeated:
        failures = [item if isinstance(item, ServiceError) else None for item in result.results]
        context.emit(TasksDeleted(parent, requested, failures, now))
    return await operations.show(context, result)


async def _run(
    context: Context, parent: str, request: Any, items: Creations | Deletions, now: Micros
) -> BatchResult:
    """Run a batch, or return the stored result of an earlier request with the same id."""
    request_id = names.request_id(request.request_id)
    new_batch = Batch(
        operation=f"{names.location_of(parent)}/operations/{request_id or uuid.uuid4()}",
        fingerprint=await _fingerprint(context, request)
        if request_id
        else b"",  # without an id a batch is never repeated
        expire_time=now + batch.RETENTION,
        items=items,
    )
    return await context.store.run_batch(new_batch, now)


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


def _check_item(parent: str, index: int, request: Any) -> int:
    """Check that an item belongs to the batch; return the view that it requests."""
    if request.parent not in {"", parent}:
        raise errors.invalid_field(
            f"requests[{index}].parent",
            f"must be the parent of the batch ('{parent}'), not '{request.parent[:200]}'.",
        )
    return tasks.view(request)


def _parse_items(
    context: Context, parent: str, requests: Sequence[Any], now: Micros
) -> list[NewTask | ServiceError]:
    return [_parse_item(context, parent, item, now) for item in requests]


def _parse_item(context: Context, parent: str, request: Any, now: Micros) -> NewTask | ServiceError:
    if not request.HasField("task"):
        return errors.invalid_field("CreateTaskRequest.task", "is required.")
    try:
        task_calls.check_request_size(context, request.ByteSize())
        return tasks.parse(parent, request.task, now, context.limits.task)
    except ServiceError as error:
        return error


def _seal(context: Context, kms_key: str, item: NewTask | ServiceError) -> NewTask | bytes:
    if isinstance(item, ServiceError):
        return context.encryption.seal_error(kms_key, item)
    (sealed,) = context.encryption.seal_with(kms_key, [item])
    return sealed


def _check_count(field: str, count: int, limit: int) -> None:
    if not count:
        raise errors.invalid_field(field, "is required.")
    if count > limit:
        raise errors.invalid_field(field, f"has {count} items; at most {limit} are allowed.")


async def _fingerprint(context: Context, request: Any) -> bytes:
    return await context.offload.run(request.ByteSize(), _digest, request)


def _digest(request: Any) -> bytes:
    text = request.SerializeToString(deterministic=True)
    return hashlib.sha256(request.DESCRIPTOR.name.encode() + text).digest()

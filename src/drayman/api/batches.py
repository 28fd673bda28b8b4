"""The batch calls: one transaction of the store, remembered by the id of the request."""

import hashlib
import uuid
from typing import Any

from drayman.api.context import Context
from drayman.core import batch, errors, limits, names
from drayman.core.batch import Batch
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.task import NewTask, Task
from drayman.wire import operations, tasks


async def batch_create_tasks(context: Context, request: Any) -> Any:
    """BatchCreateTasks: each task succeeds or fails alone, the operation says which did."""
    parent = names.queue("parent", request.parent)
    views = [_check(parent, index, each) for index, each in enumerate(request.requests)]
    _check_count("requests", len(views), limits.BATCH_CREATE)
    now = context.clock.now()
    about = _about(parent, request, now)
    refused, accepted = {}, []
    for index, each in enumerate(request.requests):
        task = _accept(context, parent, each, now)
        if isinstance(task, ServiceError):
            refused[index] = task
        else:
            accepted.append(task)

    accepted, keep = await context.encryption.seal_batch(parent, accepted)

    def describe(results: list[Task | ServiceError]) -> bytes:
        rest = iter(results)
        whole = [
            _opened(context, refused.get(index) or next(rest), view)
            for index, view in enumerate(views)
        ]
        return keep(operations.created(about.operation, whole, views, now))

    stored = await context.store.create_batch(about, parent, accepted, describe, now)
    return operations.show(context.encryption.operation(stored))


async def batch_delete_tasks(context: Context, request: Any) -> Any:
    """BatchDeleteTasks: each task is deleted or missing alone, the operation says which is."""
    parent = names.queue("parent", request.parent)
    _check_count("names", len(request.names), limits.BATCH_DELETE)
    for index, name in enumerate(request.names):
        if names.task(f"names[{index}]", name).queue != parent:
            raise errors.invalid_field(
                f"names[{index}]", f"must be the name of a task in {parent}."
            )
    now = context.clock.now()
    about = _about(parent, request, now)
    return operations.show(
        await context.store.delete_batch(
            about,
            list(request.names),
            lambda results: operations.deleted(about.operation, results, now),
            now,
        )
    )


def _check(parent: str, index: int, request: Any) -> int:
    """Check what concerns the batch as a whole; return the view that an item asks for."""
    if request.parent not in {"", parent}:
        raise errors.invalid_field(
            f"requests[{index}].parent",
            f"must be the parent of the batch ('{parent}'), not '{request.parent[:200]}'.",
        )
    return tasks.view(request)


def _accept(context: Context, parent: str, request: Any, now: Micros) -> NewTask | ServiceError:
    if not request.HasField("task"):
        return errors.invalid_field("CreateTaskRequest.task", "is required.")
    try:
        return tasks.parse(parent, request.task, now, context.limits)
    except ServiceError as error:
        return error


def _opened(context: Context, result: Task | ServiceError, view: int) -> Task | ServiceError:
    return context.encryption.opened(result, view) if isinstance(result, Task) else result


def _check_count(field: str, count: int, limit: int) -> None:
    if not count:
        raise errors.invalid_field(field, "is required.")
    if count > limit:
        raise errors.invalid_field(field, f"has {count} items; at most {limit} are allowed.")


def _about(parent: str, request: Any, now: Micros) -> Batch:
    given = names.request_id(request.request_id)
    return Batch(
        operation=f"{names.location_of(parent)}/operations/{given or uuid.uuid4()}",
        fingerprint=_fingerprint(request) if given else b"",  # nobody can repeat what has no id
        expire_time=now + batch.RETENTION,
    )


def _fingerprint(request: Any) -> bytes:
    text = request.SerializeToString(deterministic=True)
    return hashlib.sha256(request.DESCRIPTOR.name.encode() + text).digest()

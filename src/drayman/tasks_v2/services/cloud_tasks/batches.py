"""The requests and results of batch creation."""

import dataclasses
import uuid
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any

from drayman.tasks_v2 import types

# The service's limit for BatchCreateTasks.
MAX_TASKS = 100
# Below the default message limit of gRPC servers, 4 MiB.
MAX_BYTES = 3 * 1024 * 1024
# Timeout of a batch in seconds. Google's service rejects deadlines of more than 30 s.
TIMEOUT = 25.0

TaskLike = types.Task | Mapping[str, Any]
Tasks = Iterable[TaskLike]
AsyncTasks = Iterable[TaskLike] | AsyncIterable[TaskLike]


@dataclasses.dataclass(frozen=True, slots=True)
class Creation:
    """The result of creating one task: either ``task`` or ``error`` is set.

    Attributes:
        task: The task as created.
        error: Why the task was not created: a ``google.api_core.exceptions.GoogleAPICallError``,
            or a ``TypeError`` or ``ValueError`` if the value cannot be converted to a task.
    """

    task: types.Task | None = None
    error: Exception | None = None

    def result(self) -> types.Task:
        """Return the task as created, or raise the error."""
        if self.error is not None:
            raise self.error
        assert self.task is not None  # noqa: S101 - one of the two is set
        return self.task


def parse_task(value: TaskLike) -> types.Task | Creation:
    """Convert a value to a task. If that fails, return a ``Creation`` with the error."""
    try:
        return value if isinstance(value, types.Task) else types.Task(value)
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
        return Creation(error=error)


def build_request(parent: str, tasks: Sequence[types.Task]) -> types.BatchCreateTasksRequest:
    """Return the request for a batch.

    It has a request id, so that it can be retried: the service runs no batch twice.
    """
    message = types.BatchCreateTasksRequest.pb()(parent=parent, request_id=str(uuid.uuid4()))
    for task in tasks:
        request = message.requests.add()
        request.parent = parent
        request.task.CopyFrom(types.Task.pb(task))
    batch: types.BatchCreateTasksRequest = types.BatchCreateTasksRequest.wrap(message)
    return batch


def exists_already(error: Exception) -> bool:
    """Return whether a batch was refused because a batch with its request id exists."""
    return "Duplicate operation id in the batch request" in str(error)


def operation_name(request: types.BatchCreateTasksRequest) -> str:
    """Return the name of the operation of a batch."""
    location = request.parent.partition("/queues/")[0]
    return f"{location}/operations/{request.request_id}"


def results(
    count: int,
    metadata: types.BatchCreateTasksMetadata | None,
    response: types.BatchCreateTasksResponse,
) -> list[Creation]:
    """Return the result of each of ``count`` tasks of a batch, in order.

    The response lists the created tasks in the order of the requests, and the metadata the errors
    of the others by index. If the two do not add up to ``count``, the tasks cannot be told
    apart: each without an error of its own gets an ``Unknown`` error.
    """
    created = [types.Task.wrap(task) for task in types.BatchCreateTasksResponse.pb(response).tasks]
    if len(created) == count:
        return [Creation(task=task) for task in created]
    errors = _errors_by_index(metadata)
    if len(created) + len(errors) != count:
        from google.api_core import exceptions

        unknown = exceptions.Unknown("The server returned no result for this task of the batch.")
        return [Creation(error=errors.get(index, unknown)) for index in range(count)]
    remaining = iter(created)
    return [
        Creation(error=errors[index]) if index in errors else Creation(task=next(remaining))
        for index in range(count)
    ]


def failed_results(
    count: int, metadata: types.BatchCreateTasksMetadata | None, error: Exception
) -> list[Creation]:
    """Return the result of each of ``count`` tasks of a batch that failed as a whole."""
    errors = _errors_by_index(metadata)
    return [Creation(error=errors.get(index, error)) for index in range(count)]


def _errors_by_index(metadata: types.BatchCreateTasksMetadata | None) -> dict[int, Exception]:
    if metadata is None:
        return {}
    from google.api_core import exceptions

    statuses = types.BatchCreateTasksMetadata.pb(metadata).failed_requests
    return {
        index: exceptions.from_grpc_status(status.code, status.message)
        for index, status in statuses.items()
    }


def last_error(error: Exception) -> Exception:
    """Return the last failure that a ``RetryError`` reports, and any other error unchanged."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error

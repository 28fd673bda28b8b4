"""What goes into one batch of tasks, and what came of each."""

import dataclasses
import uuid
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any

from drayman.tasks_v2 import types

# What one call of the service takes.
MOST_TASKS = 100
# Kept below the 4 MiB that gRPC servers take unless told otherwise.
MOST_BYTES = 3 * 1024 * 1024
# Seconds that a batch may take; Google's service refuses a deadline of more than 30.
TIMEOUT = 25.0

TaskLike = types.Task | Mapping[str, Any]
Tasks = Iterable[TaskLike]
AsyncTasks = Iterable[TaskLike] | AsyncIterable[TaskLike]


@dataclasses.dataclass(frozen=True, slots=True)
class Creation:
    """What came of one task.

    Attributes:
        task: The task as created, None when it was not.
        error: Why it was not, a ``google.api_core.exceptions.GoogleAPICallError``; a
            ``TypeError`` or ``ValueError`` when no task could be made of what was given.
    """

    task: types.Task | None = None
    error: Exception | None = None

    def result(self) -> types.Task:
        """The task as created; raises the error when it was not."""
        if self.error is not None:
            raise self.error
        assert self.task is not None  # noqa: S101 - one of the two is there
        return self.task


def read(given: TaskLike) -> types.Task | Creation:
    """The task, or what is to be said of one that is none."""
    try:
        return given if isinstance(given, types.Task) else types.Task(given)
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
        return Creation(error=error)


def request(parent: str, tasks: Sequence[types.Task]) -> types.BatchCreateTasksRequest:
    """The batch's message, with an id that makes it safe to send again."""
    message = types.BatchCreateTasksRequest.pb()(parent=parent, request_id=str(uuid.uuid4()))
    for task in tasks:
        one = message.requests.add()
        one.parent = parent
        one.task.CopyFrom(types.Task.pb(task))
    wrapped: types.BatchCreateTasksRequest = types.BatchCreateTasksRequest.wrap(message)
    return wrapped


def outcome(
    count: int,
    metadata: types.BatchCreateTasksMetadata | None,
    response: types.BatchCreateTasksResponse,
) -> list[Creation]:
    """What came of each of ``count`` tasks: the response holds those created, in their order."""
    created = [types.Task.wrap(task) for task in types.BatchCreateTasksResponse.pb(response).tasks]
    if len(created) == count:
        return [Creation(task=task) for task in created]
    from google.api_core import exceptions

    missing = exceptions.Unknown("The server does not say what came of this task of the batch.")
    failures = _failures(metadata)
    left = iter(created)
    answers = []
    for index in range(count):
        if index in failures:
            answers.append(Creation(error=failures[index]))
        elif len(created) + len(failures) == count:
            answers.append(Creation(task=next(left)))
        else:
            answers.append(Creation(error=missing))
    return answers


def failed(
    count: int, metadata: types.BatchCreateTasksMetadata | None, error: Exception
) -> list[Creation]:
    """What came of each task of a batch that failed as a whole."""
    failures = _failures(metadata)
    return [Creation(error=failures.get(index, error)) for index in range(count)]


def _failures(metadata: types.BatchCreateTasksMetadata | None) -> dict[int, Exception]:
    if metadata is None:
        return {}
    from google.api_core import exceptions

    statuses = types.BatchCreateTasksMetadata.pb(metadata).failed_requests
    return {
        index: exceptions.from_grpc_status(status.code, status.message)
        for index, status in statuses.items()
    }


def cause(error: Any) -> Exception:
    """The last failure of a call that was repeated until the retry's end."""
    found = error.cause
    return found if isinstance(found, Exception) else error

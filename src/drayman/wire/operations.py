"""Batches as long-running operations, which are done when they are first seen."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from drayman.core.batch import BatchResult
from drayman.core.errors import ServiceError
from drayman.core.status import Code
from drayman.core.task import Task
from drayman.tasks_v2 import types
from drayman.wire import google_descriptors, tasks, times


class _Kind(NamedTuple):
    """What the operations of creations and of deletions differ in (recorded, unless marked).

    Attributes:
        metadata: The class of the metadata.
        states: The states by how many items failed: none, some and all. That of deletions which
            all failed is not its FAILED.
        error: The error if all failed, None for none.
    """

    metadata: Any
    states: tuple[int, int, int]
    error: str | None


_CreateState: Any = types.BatchCreateTasksMetadata.State
_DeleteState: Any = types.BatchDeleteTasksMetadata.State
_CREATION = _Kind(
    metadata=types.BatchCreateTasksMetadata.pb(),
    states=(_CreateState.SUCCEEDED, _CreateState.PARTIALLY_SUCCEEDED, _CreateState.FAILED),
    error=None,
)
_DELETION = _Kind(
    metadata=types.BatchDeleteTasksMetadata.pb(),
    states=(
        _DeleteState.SUCCEEDED,
        _DeleteState.PARTIALLY_SUCCEEDED,  # API text
        _DeleteState.PARTIALLY_SUCCEEDED,
    ),
    error="None of the requests succeeded, refer to BatchDeleteTasksMetadata.failed_requests for "
    "individual error details",
)
_CreateResponse = types.BatchCreateTasksResponse.pb()


def show(result: BatchResult) -> Any:
    """Return the operation of a batch, opened: what came of it, and why some items failed."""
    kind = _DELETION if result.deletes else _CREATION
    failed = {
        index: each for index, each in enumerate(result.results) if isinstance(each, ServiceError)
    }
    operation = operations_pb2.Operation(name=result.operation, done=True)
    google_descriptors.pack(_metadata(kind, result, failed), operation.metadata)
    if len(failed) < len(result.results):
        google_descriptors.pack(_response(result), operation.response)
    elif kind.error:
        operation.error.code, operation.error.message = int(Code.ABORTED), kind.error
    return operation


def _metadata(kind: _Kind, result: BatchResult, failed: Mapping[int, ServiceError]) -> Any:
    metadata = kind.metadata(state=_state(kind, len(failed), len(result.results)))
    times.set_moment(metadata.start_time, result.time)
    # A batch is one transaction at one moment, but its end is recorded as later than its start.
    times.set_moment(metadata.end_time, result.time + 1)
    for index, error in failed.items():
        status = metadata.failed_requests[index]  # without details
        status.code, status.message = int(error.code), error.message
    return metadata


def _state(kind: _Kind, failed: int, count: int) -> int:
    none_failed, some_failed, all_failed = kind.states
    if not failed:
        return int(none_failed)
    return int(all_failed if failed == count else some_failed)


def _response(result: BatchResult) -> Any:
    if result.deletes:
        return empty_pb2.Empty()
    response = _CreateResponse()
    for view, task in zip(result.views, result.results, strict=True):
        if isinstance(task, Task):
            tasks.encode_into(response.tasks.add(), task, view)
    return response


def show_closed(name: str) -> Any:
    """Return the operation of a batch whose content cannot be read."""
    return operations_pb2.Operation(name=name, done=True)

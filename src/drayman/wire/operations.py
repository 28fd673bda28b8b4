"""Batches as long-running operations, which are done when they are first seen."""

from collections.abc import Mapping, Sequence
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.status import Code
from drayman.core.task import Task
from drayman.tasks_v2 import types
from drayman.wire import details, google_descriptors, tasks, times

_CreateMetadata = types.BatchCreateTasksMetadata.pb()
_DeleteMetadata = types.BatchDeleteTasksMetadata.pb()
_CreateResponse = types.BatchCreateTasksResponse.pb()
_CreateState: Any = types.BatchCreateTasksMetadata.State
_DeleteState: Any = types.BatchDeleteTasksMetadata.State


def created(
    name: str, results: Sequence[Task | ServiceError], views: Sequence[int], now: Micros
) -> bytes:
    """Return the operation of a BatchCreateTasks: what was created, and why the others were not."""
    failed = {index: each for index, each in enumerate(results) if isinstance(each, ServiceError)}
    response = _CreateResponse()
    for view, result in zip(views, results, strict=True):
        if isinstance(result, Task):
            response.tasks.append(tasks.encode(result, view))
    return _operation(name, _CreateMetadata(), _CreateState, failed, len(results), response, now)


def deleted(name: str, results: Sequence[ServiceError | None], now: Micros) -> bytes:
    """Return the operation of a BatchDeleteTasks."""
    failed = {index: each for index, each in enumerate(results) if each is not None}
    response = empty_pb2.Empty()
    return _operation(name, _DeleteMetadata(), _DeleteState, failed, len(results), response, now)


def show(stored: bytes) -> Any:
    """Return the message of an operation that is kept."""
    return operations_pb2.Operation.FromString(stored)


def parted(stored: bytes) -> tuple[bytes, bytes]:
    """Return an operation in two messages: what it came to, and its name."""
    operation = operations_pb2.Operation.FromString(stored)
    rest = operations_pb2.Operation(name=operation.name, done=operation.done)
    operation.ClearField("name")
    operation.ClearField("done")
    return operation.SerializeToString(), rest.SerializeToString()


def _operation(
    name: str,
    metadata: Any,
    states: Any,
    failed: Mapping[int, ServiceError],
    count: int,
    response: Any,
    now: Micros,
) -> bytes:
    # When all fail the state stays PARTIALLY_SUCCEEDED and an error is set (API text).
    metadata.state = int(states.PARTIALLY_SUCCEEDED if failed else states.SUCCEEDED)
    times.set_moment(metadata.start_time, now)
    times.set_moment(metadata.end_time, now)
    for index, error in failed.items():
        metadata.failed_requests[index].CopyFrom(details.status(error))
    operation = operations_pb2.Operation(name=name, done=True)
    google_descriptors.pack(metadata, operation.metadata)
    if failed and len(failed) == count:
        operation.error.code = int(Code.ABORTED)
        operation.error.message = (
            f"None of the requests succeeded, refer to {metadata.DESCRIPTOR.name}.failed_requests "
            "for individual error details"
        )
    else:
        google_descriptors.pack(response, operation.response)
    return bytes(operation.SerializeToString())

"""Batches as long-running operations, which are done when they are first seen."""

from collections.abc import Mapping
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from drayman.core.batch import BatchResult
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


def show(result: BatchResult) -> Any:
    """Return the operation of a batch, opened: what came of it, and why some items failed."""
    failed = {
        index: each for index, each in enumerate(result.results) if isinstance(each, ServiceError)
    }
    if result.deletes:
        response, metadata, states = empty_pb2.Empty(), _DeleteMetadata(), _DeleteState
    else:
        response, metadata, states = _CreateResponse(), _CreateMetadata(), _CreateState
        for view, task in zip(result.views, result.results, strict=True):
            if isinstance(task, Task):
                response.tasks.append(tasks.encode(task, view))
    return _operation(result, metadata, states, failed, response)


def show_closed(name: str) -> Any:
    """Return the operation of a batch whose content cannot be read."""
    return operations_pb2.Operation(name=name, done=True)


def _operation(
    result: BatchResult,
    metadata: Any,
    states: Any,
    failed: Mapping[int, ServiceError],
    response: Any,
) -> Any:
    # When all fail the state stays PARTIALLY_SUCCEEDED and an error is set (API text).
    metadata.state = int(states.PARTIALLY_SUCCEEDED if failed else states.SUCCEEDED)
    times.set_moment(metadata.start_time, result.time)
    times.set_moment(metadata.end_time, result.time)
    for index, error in failed.items():
        metadata.failed_requests[index].CopyFrom(details.status(error))
    operation = operations_pb2.Operation(name=result.operation, done=True)
    google_descriptors.pack(metadata, operation.metadata)
    if failed and len(failed) == len(result.results):
        operation.error.code = int(Code.ABORTED)
        operation.error.message = (
            f"None of the requests succeeded, refer to {metadata.DESCRIPTOR.name}.failed_requests "
            "for individual error details"
        )
    else:
        google_descriptors.pack(response, operation.response)
    return operation

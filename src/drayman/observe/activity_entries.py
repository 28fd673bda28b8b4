"""Entries of the activity log, in the shape of Google's TaskActivityLog.

Google logs four operations: CreateTask, DeleteTask, AttemptDispatch and AttemptResponse (section
5.3 of the notes on the service). The functions here return one entry each, as a JSON object.
"""

import contextlib
from typing import Any

from drayman.core import delivery, history
from drayman.core.clock import SECOND, Micros
from drayman.core.delivery import Kind
from drayman.core.errors import ServiceError
from drayman.core.events import AttemptBegan, AttemptEnded
from drayman.core.lifecycle import Claim
from drayman.core.queue import Queue
from drayman.core.task import Task
from drayman.encryption.cipher import TaskCipher
from drayman.wire import deliveries, times

_TYPE = "type.googleapis.com/google.cloud.tasks.logging.v1.TaskActivityLog"
_TARGET_TYPES = {Kind.HTTP: "HTTP", Kind.APP_ENGINE: "APP_ENGINE_HTTP"}


def created(
    queue: Queue,
    name: str,
    result: Task | ServiceError,
    time: Micros,
    *,
    cipher: TaskCipher,
    mask_query: bool = False,
) -> dict[str, Any]:
    """Return the entry of a creation: the task, or the error in its place.

    An encrypted task whose key is missing has no target and schedule time in the entry.
    """
    content = {"status": _status(result)}
    if isinstance(result, Task):
        with contextlib.suppress(ServiceError):
            content |= _scheduled(queue, cipher.open_task(result), mask_query=mask_query)
    return _entry(name, time, "taskCreationLog", content)


def deleted(name: str, result: ServiceError | None, time: Micros) -> dict[str, Any]:
    """Return the entry of a deletion."""
    return _entry(name, time, "taskDeletionLog", {"status": _status(result)})


def attempt_began(event: AttemptBegan) -> dict[str, Any]:
    """Return the entry of an attempt that begins."""
    task = event.claim.task
    content = {
        "dispatchCount": str(task.dispatch_count - 1),
        "dispatchReason": _dispatch_reason(event.claim),
        "maxAttempts": event.max_attempts,
        "scheduleTime": times.text(event.claim.due),
        "status": "OK",
        "targetAddress": event.target,
        "targetType": _TARGET_TYPES[event.kind],
    }
    return _entry(task.name, event.time, "attemptDispatchLog", content)


def attempt_ended(event: AttemptEnded) -> dict[str, Any]:
    """Return the entry of an attempt that ended."""
    record = history.record(event.result, event.settled)
    content = {
        "attemptDuration": f"{event.duration / SECOND:.6f}s",
        "dispatchCount": str(record.number),
        "maxAttempts": event.max_attempts,
        "responseCount": str(record.response_count),
        "scheduleTime": times.text(record.schedule_time),
        "status": record.outcome.code.name,
        "targetAddress": record.target,
        "targetType": _TARGET_TYPES[event.kind],
    }
    if record.retry_time is not None:
        content["retryTime"] = times.text(record.retry_time)
    return _entry(record.task, record.end_time, "attemptResponseLog", content)


def _scheduled(queue: Queue, task: Task, *, mask_query: bool) -> dict[str, str]:
    target = deliveries.open_(queue, task).target
    return {
        "scheduleTime": times.text(task.schedule_time),
        "targetAddress": delivery.address(target.method, target.url, mask_query=mask_query),
        "targetType": _TARGET_TYPES[target.kind],
    }


def _status(result: object) -> str:
    return result.code.name if isinstance(result, ServiceError) else "OK"


def _dispatch_reason(claim: Claim) -> str:
    """Return why an attempt is made; the real service's values are not known."""
    if claim.forced_at is not None:
        return "RUN_TASK"
    return "SCHEDULE" if claim.task.dispatch_count == 1 else "RETRY"


def _entry(task: str, time: Micros, operation: str, content: dict[str, Any]) -> dict[str, Any]:
    _, project, _, location, _, queue, _, _ = task.split("/")
    return {
        "severity": "INFO" if content["status"] == "OK" else "ERROR",
        "timestamp": times.text(time),
        "logName": f"projects/{project}/logs/cloudtasks.googleapis.com%2Ftask_operations_log",
        "resource": {
            "type": "cloud_tasks_queue",
            "labels": {"project_id": project, "location": location, "queue_id": queue},
        },
        "jsonPayload": {"@type": _TYPE, "task": task, operation: content},
    }

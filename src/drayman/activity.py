"""Attempts as lines of JSON, in the shape of the real service's log (section 5.3 of the notes).

A subscriber of events, like ``observe``: it writes what a queue's sampling ratio picked. The
real service logs creations and deletions too; here attempts alone are logged.
"""

import json
from collections.abc import Callable
from typing import Any

from drayman.core.clock import SECOND, Micros
from drayman.core.delivery import Kind
from drayman.core.events import AttemptEnded, Event
from drayman.core.record import AttemptRecord
from drayman.core.status import Code
from drayman.wire import times

_TYPE = "type.googleapis.com/google.cloud.tasks.logging.v1.TaskActivityLog"
_TYPES = {Kind.HTTP: "HTTP", Kind.APP_ENGINE: "APP_ENGINE_HTTP"}

Write = Callable[[str], object]


def subscriber(write: Write) -> Callable[[Event], None]:
    """Return a subscriber that writes two lines, dispatch and response, for each picked attempt."""

    def log(event: Event) -> None:
        if isinstance(event, AttemptEnded) and event.settlement.record is not None:
            for entry in entries(event, event.settlement.record):
                write(json.dumps(entry, separators=(",", ":")) + "\n")

    return log


def entries(event: AttemptEnded, record: AttemptRecord) -> list[dict[str, Any]]:
    """Return the log entries of an attempt."""
    common = {
        "scheduleTime": times.text(record.schedule_time),
        "targetAddress": record.target,
        "targetType": _TYPES[event.kind],
    }
    response = common | {
        "attemptDuration": f"{event.duration / SECOND:.6f}s",
        "dispatchCount": str(record.number),
        "maxAttempts": event.max_attempts,
        "responseCount": str(record.responses),
        "status": record.code.name,
    }
    if record.retry_time is not None:
        response["retryTime"] = times.text(record.retry_time)
    dispatch = common | {
        "dispatchCount": str(record.number - 1),
        "dispatchReason": _reason(event, record),
        "maxAttempts": event.max_attempts,
        "status": "OK",
    }
    return [
        _entry(record, record.dispatch_time, "attemptDispatchLog", dispatch),
        _entry(record, record.response_time, "attemptResponseLog", response),
    ]


def _reason(event: AttemptEnded, record: AttemptRecord) -> str:
    """Return why an attempt was made; the real service's words are not known."""
    if event.claim.forced_at is not None:
        return "RUN_TASK"
    return "SCHEDULE" if record.number == 1 else "RETRY"


def _entry(record: AttemptRecord, time: Micros, kind: str, content: Any) -> dict[str, Any]:
    _, project, _, location, _, queue, _, _ = record.task.split("/")
    failed = kind == "attemptResponseLog" and record.code is not Code.OK
    return {
        "severity": "ERROR" if failed else "INFO",
        "timestamp": times.text(time),
        "logName": f"projects/{project}/logs/cloudtasks.googleapis.com%2Ftask_operations_log",
        "resource": {
            "type": "cloud_tasks_queue",
            "labels": {"project_id": project, "location": location, "queue_id": queue},
        },
        "jsonPayload": {"@type": _TYPE, "task": record.task, kind: content},
    }

"""Attempts as lines of JSON, in the shape of the real service's log (section 5.3 of the notes).

A subscriber of events, like ``observe``: it writes what a queue's sampling ratio picked. The
real service logs creations and deletions too; here attempts alone are logged.
"""

import asyncio
import json
import logging
import os
import queue
import threading
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

WAITING = 10_000
"""The most lines that wait for whoever reads them."""
LAST = 1.0
"""Seconds that the lines which wait have when the server stops."""

Write = Callable[[str], object]

_log = logging.getLogger("drayman")


class Lines:
    """Lines on their way to a file descriptor that may be read slowly, or by nobody.

    A thread writes them, so that the event loop never waits. What finds no room is left out and
    counted. The descriptor is written to directly: a thread that hangs in the lock of
    ``sys.stdout`` would hold up the server's end.
    """

    def __init__(self, descriptor: int, room: int = WAITING) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[str | None] = queue.Queue(room)
        self._thread = threading.Thread(target=self._run, name="drayman-activity", daemon=True)
        self._thread.start()
        self._broken = False
        self.left_out = 0

    def write(self, line: str) -> None:
        """Write a line some time, if there is room for it."""
        try:
            if not self._broken:
                self._lines.put_nowait(line)
                return
        except queue.Full:
            pass
        if not self.left_out:
            _log.warning("activity log: standard output is not read; lines are left out")
        self.left_out += 1

    async def close(self) -> None:
        """Give what waits a moment to be written, and say how much was left out."""
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            pass
        else:
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join, LAST)
        if self.left_out:
            _log.warning("activity log: %d lines were left out", self.left_out)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            rest = line.encode()
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:  # its reader is gone
                self._broken = True
                return


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

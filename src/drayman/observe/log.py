"""Log lines: a subscriber that writes events to the logger ``drayman``."""

import logging
import shlex
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from drayman.core.clock import SECOND
from drayman.core.events import (
    AttemptCrashed,
    AttemptEnded,
    CallCrashed,
    CallRefused,
    CmekChanged,
    Crashed,
    DeadLettersChanged,
    DispatchPaused,
    Event,
    FilesExposed,
    HandshakeFailed,
    KeysNotFetched,
    Notice,
    OutboxRefused,
    QueueChanged,
    QueueDamaged,
    RateChanged,
    Reloaded,
    ReloadFailed,
    Started,
    Stopped,
    Stopping,
    StoreConditionChanged,
    StoreFailed,
    TaskRunRequested,
)
from drayman.core.lifecycle import SettleResult, Verdict
from drayman.observe.log_format import FORMATS
from drayman.observe.writer import Write

_OVERRULED = {
    SettleResult.SUPERSEDED: "another attempt decides the outcome",
    SettleResult.GONE: "the task has been deleted",
}

_REPETITION_SECONDS = 60

_log = logging.getLogger("drayman")


def configure(write: Write, level: str, format_: str = "text") -> None:
    """Pass log lines of ``level`` and above to ``write``; of other libraries, warnings only."""
    handler = _Handler(write)
    handler.addFilter(_RepetitionFilter())
    handler.setFormatter(FORMATS[format_]())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    set_level(level)


def set_level(level: str) -> bool:
    """Write lines of ``level`` and above from now on; return whether that is a change."""
    before = _log.level
    _log.setLevel(level.upper())
    return _log.level != before


class _RepetitionFilter(logging.Filter):
    """Passes each line of OpenTelemetry once a minute.

    Without a collector, its exporter writes several lines for each batch of spans.
    """

    def __init__(self) -> None:
        super().__init__("opentelemetry")
        self._written: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write the line: it is of others, or was not written for a minute."""
        if not super().filter(record):
            return True
        statement = record.pathname, record.lineno
        written = self._written.get(statement)
        if written is not None and record.created - written < _REPETITION_SECONDS:
            return False
        self._written[statement] = record.created
        return True


class _Handler(logging.Handler):
    """Passes log lines to a writer, and reports dropped lines once there is room again."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self._write = write
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        if self._dropped and self._write(self._notice(record) + "\n"):
            self._dropped = 0
        if not self._write(self.format(record) + "\n"):
            self._dropped += 1

    def _notice(self, record: logging.LogRecord) -> str:
        """Return a line with the number of dropped lines, of the time of the next one."""
        message = f"{self._dropped} log lines dropped: buffer full"
        fields = {"msg": message, "levelname": "WARNING", "created": record.created}
        return self.format(logging.makeLogRecord(fields))


def record(event: Event) -> None:
    """Write the log line of an event, if it has one."""
    write = _WRITERS.get(type(event))
    if write is not None:
        write(event)


def _attempt_ended(event: AttemptEnded) -> None:
    task, result = event.result.claim.task, event.result
    number, seconds = task.dispatch_count, event.duration / SECOND
    if result.verdict is Verdict.COMPLETED:
        _log.debug(
            "task %s completed: attempt %d, %.3f s",
            task.name,
            number,
            seconds,
            extra={"event": event},
        )
    elif event.settled is not SettleResult.SETTLED:
        _log.info(
            "task %s: attempt %d failed after %.3f s: %s; %s",
            task.name, number, seconds, result.outcome.description, _OVERRULED[event.settled],
            extra={"event": event},
        )  # fmt: skip
    elif result.verdict is Verdict.RETRY:
        wait = (result.schedule_time - result.end_time) / SECOND
        _log.info(
            "task %s: attempt %d failed after %.3f s: %s; retry in %.3f s",
            task.name, number, seconds, result.outcome.description, wait, extra={"event": event}
        )  # fmt: skip
    else:
        _log.warning(
            "task %s failed permanently: attempt %d, %s: %s",
            task.name, number, result.reason, result.outcome.description, extra={"event": event}
        )  # fmt: skip


def _attempt_crashed(event: AttemptCrashed) -> None:
    _log.error(
        "task %s: internal error in an attempt\n%s",
        event.claim.task.name,
        _trace(event.error),
        extra={"event": event},
    )


def _run_requested(event: TaskRunRequested) -> None:
    _log.debug("task %s: run requested", event.task, extra={"event": event})


def _queue_changed(event: QueueChanged) -> None:
    by = _escape(event.by)
    _log.info("queue %s %s by %s", event.queue, event.action.value, by, extra={"event": event})


def _cmek_changed(event: CmekChanged) -> None:
    _log.info(
        "location %s: %s by %s",
        event.location,
        f"encryption key set to {event.kms_key}" if event.kms_key else "encryption key removed",
        _escape(event.by),
        extra={"event": event},
    )


def _dead_letters_changed(event: DeadLettersChanged) -> None:
    _log.info(
        "queue %s: %d dead letters %s by %s",
        event.queue, event.count, event.action.value, _escape(event.by), extra={"event": event},
    )  # fmt: skip


def _notice(event: Notice) -> None:
    _log.warning("%s", event.message, extra={"event": event})


def _started(event: Started) -> None:
    _log.info(
        "drayman %s started: grpc %s, http %s, store %s (format %d), %d attempts recovered, "
        "auth %s, role %s",
        event.version, event.grpc, event.http, event.store, event.store_format, event.recovered,
        event.auth, event.role, extra={"event": event},
    )  # fmt: skip


def _stopped(event: Stopped) -> None:
    _log.info(
        "stopped after %.1f s; %d attempts returned to their queues",
        event.uptime / SECOND, event.returned, extra={"event": event},
    )  # fmt: skip


def _rate_changed(event: RateChanged) -> None:
    if event.rate_factor < 1:
        _log.warning(
            "queue %s: back pressure, rate reduced to %.1f %%",
            event.queue,
            event.rate_factor * 100,
            extra={"event": event},
        )
    else:
        _log.warning(
            "queue %s: end of back pressure, full rate", event.queue, extra={"event": event}
        )


def _call_refused(event: CallRefused) -> None:
    _log.debug(
        "%s refused: %s: %s",
        event.rpc,
        event.code.name,
        _escape(event.message),
        extra={"event": event},
    )


def _call_crashed(event: CallCrashed) -> None:
    _log.error("%s: internal error\n%s", event.rpc, _trace(event.error), extra={"event": event})


def _store_failed(event: StoreFailed) -> None:
    _log.error("store: %s failed, retrying: %s", event.verb, event.message, extra={"event": event})


def _outbox_refused(event: OutboxRefused) -> None:
    _log.warning(
        "outbox: task %s refused: %s: %s", event.task, event.code.name, _escape(event.message),
        extra={"event": event},
    )  # fmt: skip


def _dispatch_paused(event: DispatchPaused) -> None:
    _log.error("dispatch pauses, no attempt is counted: %s", event.reason, extra={"event": event})


def _store_condition_changed(event: StoreConditionChanged) -> None:
    if event.problem:
        _log.error("store: %s", event.problem, extra={"event": event})
    else:
        _log.warning("store: the problem has ended", extra={"event": event})


def _queue_damaged(event: QueueDamaged) -> None:
    _log.error(
        "queue %s: the store is damaged; its tasks are not dispatched, other queues go on",
        event.queue,
        extra={"event": event},
    )


def _files_exposed(event: FilesExposed) -> None:
    _log.warning(
        "%s: other users of this machine may read it; run: chmod 600 %s",
        event.subject, shlex.join(event.paths), extra={"event": event}
    )  # fmt: skip


def _handshake_failed(event: HandshakeFailed) -> None:
    _log.debug(
        "TLS handshake with %s failed: %s", event.address, event.message, extra={"event": event}
    )


def _reloaded(event: Reloaded) -> None:
    _log.info("reloaded: %s", event.subject, extra={"event": event})


def _reload_failed(event: ReloadFailed) -> None:
    for problem in event.problems:
        _log.error("reload failed, nothing has changed: %s", problem, extra={"event": event})


def _keys_not_fetched(event: KeysNotFetched) -> None:
    _log.warning(
        "keys of the issuer %s cannot be fetched: %s",
        event.issuer,
        event.reason,
        extra={"event": event},
    )


def _stopping(event: Stopping) -> None:
    _log.info("stopping; %d attempts in flight", event.in_flight, extra={"event": event})


def _crashed(event: Crashed) -> None:
    _log.critical(
        "internal error, the server stops\n%s", _trace(event.error), extra={"event": event}
    )


def _escape(text: str) -> str:
    """Return a text with control characters escaped: callers choose parts of it."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


_WRITERS: Mapping[type, Callable[[Any], None]] = {
    AttemptEnded: _attempt_ended,
    AttemptCrashed: _attempt_crashed,
    TaskRunRequested: _run_requested,
    QueueChanged: _queue_changed,
    CmekChanged: _cmek_changed,
    DeadLettersChanged: _dead_letters_changed,
    RateChanged: _rate_changed,
    HandshakeFailed: _handshake_failed,
    Reloaded: _reloaded,
    ReloadFailed: _reload_failed,
    CallRefused: _call_refused,
    CallCrashed: _call_crashed,
    StoreFailed: _store_failed,
    OutboxRefused: _outbox_refused,
    DispatchPaused: _dispatch_paused,
    StoreConditionChanged: _store_condition_changed,
    QueueDamaged: _queue_damaged,
    FilesExposed: _files_exposed,
    KeysNotFetched: _keys_not_fetched,
    Notice: _notice,
    Started: _started,
    Stopping: _stopping,
    Stopped: _stopped,
    Crashed: _crashed,
}
"""The events that have a log line. Creations and deletions of tasks have none: they are many."""

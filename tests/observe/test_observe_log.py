"""Log lines: each event, its level and its text."""

import json
import logging
import sys

import pytest

from drayman.core.clock import SECOND
from drayman.core.delivery import Kind, Outcome
from drayman.core.events import (
    AttemptBegan,
    AttemptCrashed,
    AttemptEnded,
    CallCrashed,
    CallRefused,
    CmekChanged,
    Crashed,
    DeadLetterAction,
    DeadLettersChanged,
    DispatchPaused,
    FilesExposed,
    HandshakeFailed,
    Notice,
    OutboxRefused,
    QueueAction,
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
    TasksCreated,
    TasksDeleted,
)
from drayman.core.lifecycle import AttemptResult, Claim, SettleResult, Verdict
from drayman.core.queue import Queue
from drayman.core.status import Code
from drayman.core.task import Task
from drayman.observe import log
from drayman.observe.log_format import FORMATS

NOW = 1_700_000_000 * SECOND
QUEUE = "projects/p/locations/l/queues/q"
TASK = Task(f"{QUEUE}/tasks/t", NOW, NOW, b"", dispatch_count=3)
CLAIM = Claim(7, Queue(QUEUE), TASK)


def ended(verdict, settled=SettleResult.SETTLED):
    outcome = Outcome(
        success=False, code=Code.INTERNAL, message="HTTP status code 500", responded=True,
        executed=False, previous_response=500,
    )  # fmt: skip
    result = AttemptResult(
        CLAIM, outcome, verdict, end_time=NOW, schedule_time=NOW + 2 * SECOND,
        reason="max_attempts reached",
    )  # fmt: skip
    return AttemptEnded(result, settled, SECOND // 4, Kind.HTTP, 100)


FAILED = f"task {TASK.name}: attempt 3 failed after 0.250 s: HTTP status code 500"
FAILED_PERMANENTLY = f"task {TASK.name} failed permanently: attempt 3, max_attempts reached"

STARTED = Started("1.2", "h:1", "http://h:2", "memory", 3, 4, "keys", "calls")

STARTED_LINE = (
    "drayman 1.2 started: grpc h:1, http http://h:2, store memory (format 3), "
    "4 attempts recovered, auth keys, role calls"
)

LINES = [
    (ended(Verdict.COMPLETED), "DEBUG", f"task {TASK.name} completed: attempt 3, 0.250 s"),
    (ended(Verdict.RETRY), "INFO", f"{FAILED}; retry in 2.000 s"),
    (ended(Verdict.RETRY, SettleResult.SUPERSEDED), "INFO",
     f"{FAILED}; another attempt decides the outcome"),
    (ended(Verdict.FAILED, SettleResult.GONE), "INFO", f"{FAILED}; the task has been deleted"),
    (ended(Verdict.FAILED), "WARNING", f"{FAILED_PERMANENTLY}: HTTP status code 500"),
    (TaskRunRequested(TASK.name, NOW), "DEBUG", f"task {TASK.name}: run requested"),
    *((QueueChanged(QUEUE, action, NOW, "user:a@b.c"), "INFO",
       f"queue {QUEUE} {action.value} by user:a@b.c")
      for action in QueueAction),
    (QueueChanged(QUEUE, QueueAction.PURGED, NOW, "user:a\nb"), "INFO",
     f"queue {QUEUE} purged by user:a\\nb"),
    (CmekChanged("projects/p/locations/l", "k", NOW, "192.0.2.1"), "INFO",
     "location projects/p/locations/l: encryption key set to k by 192.0.2.1"),
    (CmekChanged("projects/p/locations/l", "", NOW, "192.0.2.1"), "INFO",
     "location projects/p/locations/l: encryption key removed by 192.0.2.1"),
    *((DeadLettersChanged(QUEUE, action, 2, NOW, "192.0.2.1"), "INFO",
       f"queue {QUEUE}: 2 dead letters {action.value} by 192.0.2.1")
      for action in DeadLetterAction),
    (Notice("authentication is off"), "WARNING", "authentication is off"),
    (STARTED, "INFO",
     STARTED_LINE),
    (Stopped(3 * SECOND // 2, 4), "INFO",
     "stopped after 1.5 s; 4 attempts returned to their queues"),
    (RateChanged(QUEUE, 0.25), "WARNING", f"queue {QUEUE}: back pressure, rate reduced to 25.0 %"),
    (RateChanged(QUEUE, 1.0), "WARNING", f"queue {QUEUE}: end of back pressure, full rate"),
    (CallRefused("GetQueue", Code.NOT_FOUND, "no such queue", NOW), "DEBUG",
     "GetQueue refused: NOT_FOUND: no such queue"),
    (CallRefused("GetQueue", Code.NOT_FOUND, "no queue a\nCRITICAL forged\x1b[2J", NOW), "DEBUG",
     "GetQueue refused: NOT_FOUND: no queue a\\nCRITICAL forged\\x1b[2J"),
    (StoreFailed("settle", "the disk does not answer"), "ERROR",
     "store: settle failed, retrying: the disk does not answer"),
    (OutboxRefused(TASK.name, Code.NOT_FOUND, "no queue\nforged"), "WARNING",
     f"outbox: task {TASK.name} refused: NOT_FOUND: no queue\\nforged"),
    (DispatchPaused("no files left; raise the limit"), "ERROR",
     "dispatch pauses, no attempt is counted: no files left; raise the limit"),
    (StoreConditionChanged("The disk is full."), "ERROR", "store: The disk is full."),
    (StoreConditionChanged(""), "WARNING", "store: the problem has ended"),
    (QueueDamaged(QUEUE, NOW), "ERROR",
     f"queue {QUEUE}: the store is damaged; its tasks are not dispatched, other queues go on"),
    (FilesExposed("--key-file", ["/etc/keys of us.yaml"]), "WARNING",
     "--key-file: other users of this machine may read it; run: chmod 600 '/etc/keys of us.yaml'"),
    (HandshakeFailed("192.0.2.1", "no certificate"), "DEBUG",
     "TLS handshake with 192.0.2.1 failed: no certificate"),
    (Reloaded("2 queues, TLS certificates"), "INFO", "reloaded: 2 queues, TLS certificates"),
    (ReloadFailed(["--tls-cert: no"]), "ERROR",
     "reload failed, nothing has changed: --tls-cert: no"),
    (Stopping(5), "INFO", "stopping; 5 attempts in flight"),
]  # fmt: skip

CRASHES = [
    (AttemptCrashed(CLAIM, ValueError("a cause")), "ERROR",
     f"task {TASK.name}: internal error in an attempt\n"),
    (CallCrashed("GetQueue", ValueError("a cause"), NOW), "ERROR", "GetQueue: internal error\n"),
    (Crashed(ValueError("a cause")), "CRITICAL", "internal error, the server stops\n"),
]  # fmt: skip

SILENT = [
    TasksCreated(QUEUE, [TASK.name], [TASK], NOW),
    TasksDeleted(QUEUE, [TASK.name], [None], NOW),
    AttemptBegan(CLAIM, NOW, "POST https://a.example/", Kind.HTTP, 100),
]


@pytest.fixture
def lines(caplog):
    """Return the level and text of the lines that an event has."""
    caplog.set_level(logging.DEBUG, "drayman")

    def write(event):
        caplog.clear()
        log.record(event)
        return [(line.levelname, line.getMessage()) for line in caplog.records]

    return write


@pytest.mark.parametrize(("event", "level", "text"), LINES)
def test_an_event_is_one_line(lines, event, level, text):
    assert lines(event) == [(level, text)]


@pytest.mark.parametrize(("event", "level", "text"), CRASHES)
def test_an_internal_error_is_logged_with_its_trace(lines, event, level, text):
    ((actual, message),) = lines(event)
    assert actual == level
    assert message.startswith(text)
    assert "ValueError: a cause" in message


@pytest.mark.parametrize("event", SILENT, ids=lambda event: type(event).__name__)
def test_events_of_single_tasks_have_no_line(lines, event):
    assert lines(event) == []


@pytest.fixture
def root():
    """The root logger; its state is restored afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("drayman")
    before = root.handlers[:], root.level, ours.level
    root.handlers.clear()  # else they would be closed, pytest's own among them
    yield root
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def test_dropped_lines_are_reported_once_there_is_room(root):  # noqa: ARG001
    lines, room = [], [True]

    def write(line):
        lines.extend([line] * room[0])
        return room[0]

    log.configure(write, "info")
    logger = logging.getLogger("drayman")
    logger.info("first")
    room[0] = False
    for _ in range(10):
        logger.info("dropped")
    room[0] = True
    logger.info("again")
    logger.debug("below the level")
    logger.info("last")
    first, notice, again, last = lines
    assert notice.endswith("Z WARNING 10 log lines dropped: buffer full\n")
    assert first.endswith(" INFO    first\n")
    assert (again[-6:], last[-5:]) == ("again\n", "last\n")


def formatted(name, event, caplog):
    """Return the line of an event in a format, at a time."""
    caplog.set_level(logging.DEBUG, "drayman")
    log.record(event)
    record = caplog.records[-1]
    record.created = NOW / SECOND
    return FORMATS[name]().format(record)


def test_times_are_in_utc(caplog):
    line = formatted("text", Stopping(5), caplog)
    assert line == "2023-11-14T22:13:20.000Z INFO    stopping; 5 attempts in flight"


def test_a_json_line_has_the_fields_of_its_event(caplog):
    event = QueueChanged(QUEUE, QueueAction.PAUSED, NOW, "user:a@b.c")
    line = formatted("json", event, caplog)
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.000Z",
        "severity": "INFO",
        "message": f"queue {QUEUE} paused by user:a@b.c",
        "event": {"type": "QueueChanged", "queue": QUEUE, "action": "paused", "by": "user:a@b.c"},
    }


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (ended(Verdict.RETRY), {
            "task": TASK.name, "attempt": 3, "verdict": "retry", "code": "INTERNAL",
            "settled": "settled", "duration_seconds": 0.25, "kind": "http", "max_attempts": 100,
        }),
        (AttemptCrashed(CLAIM, ValueError("a cause")), {"task": TASK.name, "attempt": 3}),
        (CallRefused("GetQueue", Code.NOT_FOUND, "no", NOW),
         {"rpc": "GetQueue", "code": "NOT_FOUND", "message": "no"}),
        (FilesExposed("store", ["a", "b"]), {"subject": "store", "paths": ["a", "b"]}),
        (Stopped(3 * SECOND // 2, 4), {"uptime_seconds": 1.5, "returned": 4}),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_fields_of_events_are_plain_values(caplog, event, fields):
    line = json.loads(formatted("json", event, caplog))
    assert line["event"] == {"type": type(event).__name__, **fields}


def test_a_line_without_an_event_is_json_too_and_has_its_trace():
    try:
        int("a cause")
    except ValueError:
        record = logging.LogRecord("other", logging.ERROR, "", 0, "it %s", ("failed",),
                                   sys.exc_info())  # fmt: skip
    line = json.loads(FORMATS["json"]().format(record))
    assert (line["severity"], line["message"]) == ("ERROR", "it failed")
    assert "a cause" in line["trace"]
    assert "event" not in line


def test_the_level_can_change_while_lines_are_written(root):  # noqa: ARG001
    lines = []
    log.configure(lambda line: not lines.append(line), "info")
    assert log.set_level("debug")
    assert not log.set_level("debug")
    log.record(TaskRunRequested(TASK.name, NOW))
    assert len(lines) == 1


def test_a_line_that_opentelemetry_repeats_is_written_once_a_minute(root):  # noqa: ARG001
    lines = []
    log.configure(lambda line: not lines.append(line), "info")
    for name, line, second in [
        ("opentelemetry.exporter", 1, 0),
        ("opentelemetry.exporter", 1, 59),
        ("opentelemetry.exporter", 2, 59),
        ("opentelemetry.exporter", 1, 60),
        ("asyncio", 3, 60),
        ("asyncio", 3, 60),
    ]:
        record = logging.LogRecord(
            name, logging.WARNING, "exporter.py", line, "%d at %d s", (line, second), None
        )
        record.created = second
        logging.getLogger(name).handle(record)
    assert [line.rstrip().partition("WARNING ")[2] for line in lines] == [
        "1 at 0 s", "2 at 59 s", "1 at 60 s", "3 at 60 s", "3 at 60 s",
    ]  # fmt: skip

"""Log lines: each event, its level and its text."""

import logging

import pytest

from drayman.core.clock import SECOND
from drayman.core.delivery import Kind, Outcome
from drayman.core.events import (
    AttemptBegan,
    AttemptCrashed,
    AttemptEnded,
    CallCrashed,
    CallRefused,
    Crashed,
    DispatchPaused,
    FilesExposed,
    HandshakeFailed,
    OutboxRefused,
    QueueAction,
    QueueChanged,
    QueueDamaged,
    RateChanged,
    Reloaded,
    ReloadFailed,
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

LINES = [
    (ended(Verdict.COMPLETED), "DEBUG", f"task {TASK.name} completed: attempt 3, 0.250 s"),
    (ended(Verdict.RETRY), "INFO", f"{FAILED}; retry in 2.000 s"),
    (ended(Verdict.RETRY, SettleResult.SUPERSEDED), "INFO",
     f"{FAILED}; another attempt decides the outcome"),
    (ended(Verdict.FAILED, SettleResult.GONE), "INFO", f"{FAILED}; the task has been deleted"),
    (ended(Verdict.FAILED), "WARNING", f"{FAILED_PERMANENTLY}: HTTP status code 500"),
    (TaskRunRequested(TASK.name, NOW), "DEBUG", f"task {TASK.name}: run requested"),
    *((QueueChanged(QUEUE, action, NOW), "INFO", f"queue {QUEUE} {action.value}")
      for action in QueueAction),
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
    assert notice == "10 log lines dropped: buffer full\n"
    assert first.endswith(" INFO    first\n")
    assert (again[-6:], last[-5:]) == ("again\n", "last\n")

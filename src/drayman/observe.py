"""What people see of a server: log lines, written by a subscriber of its events."""

import logging
import traceback

from drayman.core.clock import SECOND
from drayman.core.events import (
    AttemptCrashed,
    AttemptEnded,
    Crashed,
    Event,
    RateChanged,
    Stopping,
    StoreFailed,
)
from drayman.core.lifecycle import SettleResult, Verdict
from drayman.lines import Lines

_FATES = {
    SettleResult.SUPERSEDED: "another attempt of it decides",
    SettleResult.GONE: "the task was deleted meanwhile",
}
LEVELS = ("debug", "info", "warning", "error")

_log = logging.getLogger("drayman")


class _Handler(logging.Handler):
    """Hands log lines on, and says in their midst how many found no room."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines
        self._told = 0

    def emit(self, record: logging.LogRecord) -> None:
        missing = self._lines.left_out - self._told
        if missing and self._lines.write(f"{missing} lines were left out: nobody read them\n"):
            self._told += missing
        self._lines.write(self.format(record) + "\n")


def log_to(lines: Lines, level: str) -> None:
    """Send log lines of a level and above there."""
    handler = _Handler(lines)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    _log.setLevel(level.upper())


def log(event: Event) -> None:
    """Write an event as a log line."""
    match event:
        case AttemptEnded():
            _log_attempt(event)
        case AttemptCrashed(claim, error):
            _log.error("attempt of %s crashed\n%s", claim.task.name, _trace(error))
        case Crashed(error):
            _log.critical("the server has to stop\n%s", _trace(error))
        case StoreFailed(verb, message):
            _log.error("store: %s failed, trying again: %s", verb, message)
        case RateChanged(queue, level):
            words = "slowed down by its targets" if level < 1 else "at its full rate again"
            _log.warning("%s: %s, %.1f %% of its rate", queue, words, level * 100)
        case Stopping(in_flight):
            _log.info("stopping; %d attempts in flight", in_flight)


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _log_attempt(event: AttemptEnded) -> None:
    task, end = event.claim.task, event.settlement
    seconds = event.duration / SECOND
    number = task.dispatch_count
    if end.verdict is Verdict.COMPLETED:
        _log.debug("%s: done at attempt %d, %.3f s", task.name, number, seconds)
    elif event.fate is not SettleResult.SETTLED:
        _log.info(
            "%s: attempt %d failed, %.3f s: %s; %s",
            task.name, number, seconds, end.message, _FATES[event.fate],
        )  # fmt: skip
    elif end.verdict is Verdict.RETRY:
        wait = (end.schedule_time - end.response_time) / SECOND
        _log.info(
            "%s: attempt %d failed, %.3f s: %s; next in %.3f s",
            task.name, number, seconds, end.message, wait,
        )  # fmt: skip
    else:
        _log.warning(
            "%s: given up at attempt %d, %s: %s", task.name, number, end.reason, end.message
        )

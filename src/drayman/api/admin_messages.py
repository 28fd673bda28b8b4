"""Messages of the admin API: requests are parsed, responses rendered as JSON values."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from drayman.core import errors, names
from drayman.core.clock import SECOND, Micros
from drayman.core.errors import ServiceError
from drayman.core.history import AttemptRecord, DeadLetter
from drayman.core.queue import State
from drayman.core.rates import Rates
from drayman.core.status import Code
from drayman.core.task import Task
from drayman.store.contract import MAX_DEAD_LETTERS_COUNTED, MAX_DUE_COUNTED, QueueStats
from drayman.wire import json_writer, pages, protojson, tasks, times

PAGE = 1000
"""The most items of a page, and of a call that changes dead letters."""
STATS_PAGE = 100
"""The most queues of a page of statistics: for each, the store reads thousands of index entries."""
_PARENT = re.compile(r"projects/[^/]+(/locations/[^/]+)?")


class Filter(NamedTuple):
    """Dead letters of a code, or of any, with numbers above ``after``."""

    code: Code | None
    after: int


@dataclasses.dataclass(frozen=True, slots=True)
class AdminRequest:
    """A request. Query and body are parsed on access: a call ignores what it does not use.

    Attributes:
        queue: The full name of the queue in the path; "" without one.
        task_id: The id of the task in the path; "" without one.
        query: The parameters of the query.
        content: The JSON value of the body; None for an empty body.
        time: When the request came.
    """

    queue: str
    task_id: str
    query: Mapping[str, str]
    content: Any
    time: Micros

    @classmethod
    def parse(
        cls, variables: Mapping[str, str], query: Mapping[str, str], body: bytes, now: Micros
    ) -> "AdminRequest":
        """Return a request from what varies in its path, its query and body. InvalidArgument."""
        queue = names.queue(variables["queue"]) if "queue" in variables else ""
        task_id = variables.get("task_id", "")
        return cls(queue, task_id, query, protojson.decode(body), now)

    @property
    def resource(self) -> str:
        """The name of the resource that the caller needs a permission on. InvalidArgument."""
        return self.queue or self.parent

    @property
    def parent(self) -> str:
        """The project or location to which a list is restricted; "" for all. InvalidArgument."""
        name = self.query.get("parent", "")
        if name and not _PARENT.fullmatch(name):
            raise errors.invalid_field(
                "parent", "must be projects/PROJECT or projects/PROJECT/locations/LOCATION."
            )
        return name

    @property
    def task_name(self) -> str:
        """The full name of the task in the path. InvalidArgument."""
        return _task_name(self.queue, self.task_id)

    @property
    def task_filter(self) -> str | None:
        """The id of the task to which a list is restricted."""
        return self.query.get("task") or None

    @property
    def code(self) -> Code | None:
        """The code to which a list is restricted. InvalidArgument."""
        text = self.query.get("code")
        return _parse_code(text) if text else None

    def page_size(self, limit: int) -> int:
        """Return the most items of the page, at most ``limit``. InvalidArgument."""
        text = self.query.get("pageSize") or "0"
        if not re.fullmatch("[0-9]{1,9}", text):
            raise errors.invalid_field("pageSize", "must be a whole number.")
        return pages.size("pageSize", int(text), limit)

    def cursor(self, collection: str, token: str | None = None) -> int:
        """Return the number after which a page starts, 0 for the first. InvalidArgument.

        The page is that of ``token``, without one that of the query.
        """
        page_token = self.query.get("pageToken", "") if token is None else token
        return pages.number(f"{self.queue}/{collection}", page_token, self.time)

    def next_page(self, collection: str, last: int | None) -> dict[str, str]:
        """Return the field of a response that continues after ``last``; none for None."""
        if last is None:
            return {}
        return {"nextPageToken": pages.token(f"{self.queue}/{collection}", str(last), self.time)}

    def selection(self) -> list[str] | Filter:
        """Return what the body selects: names of tasks, or a filter. InvalidArgument."""
        match self.content:
            case {"tasks": [*ids], **rest} if not rest and len(ids) <= PAGE:
                return list(dict.fromkeys(_task_name(self.queue, str(each)) for each in ids))
            case {"code": str(code), **rest} if rest.keys() <= {"pageToken"}:
                return self._filter(_parse_code(code))
            case {"all": True, **rest} if rest.keys() <= {"pageToken"}:
                return self._filter(None)
            case _:
                raise errors.InvalidArgument(
                    f'The body must be {{"tasks": [ID, ...]}} with at most {PAGE} ids, '
                    '{"code": "NOT_FOUND"} or {"all": true}.'
                )

    def _filter(self, code: Code | None) -> Filter:
        return Filter(code, self.cursor("deadLetters", str(self.content.get("pageToken", ""))))


def _task_name(queue: str, task_id: str) -> str:
    name = names.join_task(queue, task_id)
    names.task(name)
    return name


def _parse_code(text: str) -> Code:
    if text not in Code.__members__:
        known = ", ".join(Code.__members__)
        raise errors.invalid_field("code", f"must be one of {known}.")
    return Code[text]


def render_stats(stats: QueueStats, rates: Mapping[str, Rates], now: Micros) -> dict[str, Any]:
    """Return the statistics of a queue."""
    limits = stats.queue.rate_limits
    rendered: dict[str, Any] = {
        "name": stats.queue.name,
        "state": stats.queue.state.name,
        "tasks": stats.tasks,
        "due": stats.due,
        "dueAtLeast": stats.due >= MAX_DUE_COUNTED,
        "inFlight": stats.in_flight,
        "deadLetters": stats.dead_letters,
        "deadLettersAtLeast": stats.dead_letters >= MAX_DEAD_LETTERS_COUNTED,
        "rates": {window: each._asdict() for window, each in rates.items()},
        "maxDispatchesPerSecond": limits.max_dispatches_per_second,
        "maxConcurrentDispatches": limits.max_concurrent_dispatches,
        "effectiveExecutionRate": stats.effective_rate,
        "rateLimitedBy": _rate_limit(stats),
        "recentAnswers": {
            "all": round(stats.recent_responses, 1),
            "errors": round(stats.recent_errors, 1),
            "pushbacks": round(stats.recent_pushbacks, 1),
        },
    }
    if stats.recovery_time > now:
        rendered["recoversFrom"] = times.text(stats.recovery_time)
    if stats.next_schedule_time is not None:
        rendered["nextScheduleTime"] = times.text(stats.next_schedule_time)
        if stats.next_schedule_time <= now:
            rendered["oldestDueSeconds"] = (now - stats.next_schedule_time) / SECOND
    return rendered


def _rate_limit(stats: QueueStats) -> str:
    """Return what limits the rate of a queue at present."""
    if stats.queue.state is not State.RUNNING:
        return stats.queue.state.name
    configured = stats.queue.rate_limits.max_dispatches_per_second
    return "BACK_PRESSURE" if stats.effective_rate < configured else "QUEUE"


def render_attempt(attempt: AttemptRecord) -> dict[str, Any]:
    """Return a recorded attempt."""
    outcome = attempt.outcome
    rendered = {
        "task": attempt.task,
        "target": attempt.target,
        "attempt": attempt.number,
        "scheduleTime": times.text(attempt.schedule_time),
        "dispatchTime": times.text(attempt.dispatch_time),
        "responseTime": times.text(attempt.end_time),
        "status": {"code": outcome.code.name, "message": outcome.message},
        "outcome": attempt.result,
        "answer": attempt.response_body,
    }
    if outcome.cause:
        rendered["error"] = outcome.cause
    if attempt.reason:
        rendered["reason"] = attempt.reason
    if attempt.retry_time is not None:
        rendered["retryTime"] = times.text(attempt.retry_time)
    return rendered


def render_dead_letter(letter: DeadLetter, task: Task, view: int) -> dict[str, Any]:
    """Return a dead letter with its decrypted task, as much of it as the view shows."""
    return {
        "task": json_writer.render(tasks.encode(task, view)),
        "time": times.text(letter.time),
        "reason": letter.reason,
        "answer": letter.response_body,
    }


def render_results(
    task_names: Sequence[str], results: Sequence[Any], next_page: Mapping[str, str]
) -> dict[str, Any]:
    """Return how many tasks a call has changed, and why it has not changed the others."""
    failed = {
        names.short_id(name): {"code": result.code.name, "message": result.message}
        for name, result in zip(task_names, results, strict=True)
        if isinstance(result, ServiceError)
    }
    count = len(task_names) - len(failed)
    return {"count": count, "failed": failed, "more": bool(next_page), **next_page}

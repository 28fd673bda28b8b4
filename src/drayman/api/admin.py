"""What became of attempts and tasks, over HTTP: ``/drayman/v1/`` of the HTTP port.

    method and path below a queue's name            what it does
    --------------------------------------------    ------------------------------------------
    GET    …/stats                                  in flight, effective rate, what waits
    GET    …/attempts?task=ID                       attempts that were kept, the latest first
    GET    …/deadLetters?code=NOT_FOUND             tasks that failed for good, the earliest first
    GET    …/deadLetters/ID                         one, with its task in full
    DELETE …/deadLetters/ID                         forget one
    POST   …/deadLetters:replay                     make tasks of them again
    POST   …/deadLetters:delete                     forget many

The two last take ``{"tasks": [ID, …]}``, ``{"code": "NOT_FOUND"}`` or ``{"all": true}``, at most
a thousand at a time; ``"more": true`` in the answer says that there are others, and the same body
with its ``nextPageToken`` as ``pageToken`` goes on behind those that were tried. Lists take
``pageSize`` and ``pageToken``. A queue that is neither there nor has left a trace is NOT_FOUND.
"""

import re
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from drayman.api import calls
from drayman.api.context import Context
from drayman.core import errors, names
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.events import TasksCreated
from drayman.core.history import AttemptRecord, DeadLetter
from drayman.core.status import Code
from drayman.store.contract import QueueStats
from drayman.wire import pages, protojson, tasks, times

PREFIX = "/drayman/v1/"
PAGE = 1000
_NEWEST = 1 << 62

Query = Mapping[str, str]
_Route = Callable[[Context, str, str, Query, Any], Awaitable[Any]]


async def answer(context: Context, verb: str, path: str, query: str, body: bytes) -> Any:
    """Answer a request with a JSON value; every failure is a ServiceError."""
    rest = urllib.parse.unquote(path.removeprefix(PREFIX))
    for name, method, pattern, route in _ROUTES:
        if method == verb and (match := pattern.fullmatch(rest)):
            return await calls.guard(context, name, _call(context, route, match, query, body))
    raise errors.NotFound(f"No call has the method {verb} and the path {path}.")


async def _call(
    context: Context, route: _Route, match: re.Match[str], query: str, body: bytes
) -> Any:
    queue, *task = match.groups()
    names.queue("name", queue)
    parameters = dict(urllib.parse.parse_qsl(query))
    return await route(context, queue, "".join(task), parameters, protojson.decode(body))


async def _stats(context: Context, queue: str, _task: str, _query: Query, _body: Any) -> Any:
    now = context.clock.now()
    return show_stats(await context.store.queue_stats(queue, now), now)


async def _attempts(context: Context, queue: str, _task: str, query: Query, _body: Any) -> Any:
    scope, now, size = f"{queue}/attempts", context.clock.now(), _size(query)
    before = pages.number(scope, query.get("pageToken", ""), now) or _NEWEST
    task = query.get("task")
    attempts = await context.store.list_attempts(queue, task, before, size)
    if not attempts:
        await _check_queue(context, queue)
    shown: dict[str, Any] = {"attempts": [_show_attempt(attempt) for _, attempt in attempts]}
    if attempts and await context.store.list_attempts(queue, task, attempts[-1][0], 1):
        shown["nextPageToken"] = pages.token(scope, str(attempts[-1][0]), now)
    return shown


async def _letters(context: Context, queue: str, _task: str, query: Query, _body: Any) -> Any:
    scope, now, size = f"{queue}/deadLetters", context.clock.now(), _size(query)
    after, code = pages.number(scope, query.get("pageToken", ""), now), _code(query.get("code"))
    letters = await context.store.list_dead_letters(queue, after, size, code=code)
    if not letters:
        await _check_queue(context, queue)
    shown: dict[str, Any] = {"deadLetters": [_show(context, each, tasks.BASIC) for each in letters]}
    if letters and await _numbered(context, queue, code, letters[-1].number, 1):
        shown["nextPageToken"] = pages.token(scope, str(letters[-1].number), now)
    return shown


async def _letter(context: Context, queue: str, task: str, _query: Query, _body: Any) -> Any:
    _, task_id = names.task("name", names.join_task(queue, task))
    letters = await context.store.list_dead_letters(queue, 0, 1, task=task_id)
    if not letters:
        raise errors.entity_missing()
    return _show(context, letters[0], tasks.FULL)


async def _forget(context: Context, queue: str, task: str, _query: Query, _body: Any) -> Any:
    (refused,) = await context.store.delete_dead_letters([_task_name(queue, task)])
    if refused:
        raise refused
    return {}


async def _replay(context: Context, queue: str, _task: str, _query: Query, body: Any) -> Any:
    chosen, now = await _chosen(context, queue, body), context.clock.now()
    results = await context.store.replay_dead_letters(chosen.names, now)
    context.emit(TasksCreated(queue, chosen.names, results, now))
    return _outcome(chosen, results)


async def _delete(context: Context, queue: str, _task: str, _query: Query, body: Any) -> Any:
    chosen = await _chosen(context, queue, body)
    return _outcome(chosen, await context.store.delete_dead_letters(chosen.names))


async def _numbered(
    context: Context, queue: str, code: Code | None, after: int, limit: int
) -> list[tuple[int, str]]:
    """Return numbers and names of dead letters, without their requests."""
    letters = await context.store.list_dead_letters(
        queue, after, limit, code=code, with_request=False
    )
    return [(letter.number, letter.task.name) for letter in letters]


_QUEUE = r"(projects/[^/]+/locations/[^/]+/queues/[^/:]+)"
_ROUTES: tuple[tuple[str, str, re.Pattern[str], _Route], ...] = (
    ("GetQueueStats", "GET", re.compile(_QUEUE + "/stats"), _stats),
    ("ListAttempts", "GET", re.compile(_QUEUE + "/attempts"), _attempts),
    ("ListDeadLetters", "GET", re.compile(_QUEUE + "/deadLetters"), _letters),
    ("GetDeadLetter", "GET", re.compile(_QUEUE + "/deadLetters/([^/:]+)"), _letter),
    ("DeleteDeadLetter", "DELETE", re.compile(_QUEUE + "/deadLetters/([^/:]+)"), _forget),
    ("ReplayDeadLetters", "POST", re.compile(_QUEUE + "/deadLetters:replay"), _replay),
    ("DeleteDeadLetters", "POST", re.compile(_QUEUE + "/deadLetters:delete"), _delete),
)


def show_stats(stats: QueueStats, now: Micros) -> dict[str, Any]:
    """Return the statistics of a queue as JSON."""
    shown: dict[str, Any] = {
        "inFlight": stats.in_flight,
        "effectiveExecutionRate": stats.effective_rate,
        "recentAnswers": {
            "all": round(stats.recent_responses, 1),
            "errors": round(stats.recent_errors, 1),
            "pushbacks": round(stats.recent_pushbacks, 1),
        },
        "deadLetters": stats.dead_letters,
    }
    if stats.recovery_time > now:
        shown["recoversFrom"] = times.text(stats.recovery_time)
    if stats.next_schedule_time is not None:
        shown["nextScheduleTime"] = times.text(stats.next_schedule_time)
    return shown


class _Chosen(NamedTuple):
    """The tasks that a request is about, and the token for those behind them, "" for none."""

    names: list[str]
    page_token: str


async def _chosen(context: Context, queue: str, body: Any) -> _Chosen:
    """Return the tasks that a request is about."""
    match body:
        case {"tasks": [*ids], **rest} if not rest and len(ids) <= PAGE:
            once = dict.fromkeys(_task_name(queue, str(each)) for each in ids)
            return _Chosen(list(once), "")
        case {"code": str(code), **rest} if rest.keys() <= {"pageToken"}:
            return await _found(context, queue, _code(code), rest.get("pageToken", ""))
        case {"all": True, **rest} if rest.keys() <= {"pageToken"}:
            return await _found(context, queue, None, rest.get("pageToken", ""))
        case _:
            raise errors.InvalidArgument(
                f'The body must be {{"tasks": [ID, ...]}} with at most {PAGE} ids, '
                '{"code": "NOT_FOUND"} or {"all": true}.'
            )


async def _found(context: Context, queue: str, code: Code | None, page_token: Any) -> _Chosen:
    """Return the tasks that a filter finds, a page of them."""
    scope, now = f"{queue}/deadLetters", context.clock.now()
    after = pages.number(scope, str(page_token), now)
    numbered = await _numbered(context, queue, code, after, PAGE + 1)
    if not numbered:
        await _check_queue(context, queue)
    page, more = numbered[:PAGE], len(numbered) > PAGE
    token = pages.token(scope, str(page[-1][0]), now) if more else ""
    return _Chosen([name for _, name in page], token)


async def _check_queue(context: Context, queue: str) -> None:
    """Return if a queue exists or has left dead letters. NotFound."""
    if not await _numbered(context, queue, None, 0, 1):
        await context.store.get_queue(queue)


def _outcome(chosen: _Chosen, results: Sequence[Any]) -> dict[str, Any]:
    failed = {
        names.short_id(name): {"code": each.code.name, "message": each.message}
        for name, each in zip(chosen.names, results, strict=True)
        if isinstance(each, ServiceError)
    }
    more = bool(chosen.page_token)
    shown = {"count": len(chosen.names) - len(failed), "failed": failed, "more": more}
    return shown | ({"nextPageToken": chosen.page_token} if more else {})


def _task_name(queue: str, task_id: str) -> str:
    name = names.join_task(queue, task_id)
    names.task("name", name)
    return name


def _size(query: Query) -> int:
    text = query.get("pageSize", "0")
    if not re.fullmatch("[0-9]{1,9}", text):
        raise errors.invalid_field("pageSize", "must be a whole number.")
    return pages.size(int(text), PAGE)


def _code(text: str | None) -> Code | None:
    if text is None:
        return None
    if text not in Code.__members__:
        known = ", ".join(Code.__members__)
        raise errors.invalid_field("code", f"must be one of {known}.")
    return Code[text]


def _show(context: Context, letter: DeadLetter, view: int) -> dict[str, Any]:
    task = context.encryption.open(letter.task, view)
    return {
        "task": protojson.render(tasks.encode(task, view)),
        "time": times.text(letter.time),
        "reason": letter.reason,
        "answer": letter.response_body,
    }


def _show_attempt(attempt: AttemptRecord) -> dict[str, Any]:
    outcome = attempt.outcome
    shown = {
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
    if attempt.reason:
        shown["reason"] = attempt.reason
    if attempt.retry_time is not None:
        shown["retryTime"] = times.text(attempt.retry_time)
    return shown

"""The admin API: statistics, attempts and dead letters of queues, below ``/drayman/v1/``.

A call is a row of ``CALLS``. A handler takes a parsed request and returns a JSON value. A queue
that does not exist is NOT_FOUND, except that the dead letters of a deleted queue can still be
listed, replayed and deleted.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from drayman.access.caller import Caller
from drayman.api import admin_messages, callers, calls, permissions, rest
from drayman.api.admin_messages import AdminRequest, Filter
from drayman.api.context import Context
from drayman.api.path_patterns import compile_path
from drayman.api.request import Request
from drayman.api.responses import Response, json_response
from drayman.core import errors, names
from drayman.core.clock import Micros
from drayman.core.errors import ServiceError
from drayman.core.events import DeadLetterAction, DeadLettersChanged, TasksCreated
from drayman.core.history import DeadLetter
from drayman.core.limits import PLAIN_REQUEST_SIZE
from drayman.core.status import Code
from drayman.core.task import Task
from drayman.store.contract import QueueStats
from drayman.wire import pages, tasks

PREFIX = "/drayman/v1/"
TESTING = f"{PREFIX}testing"
"""The path of the test endpoints, which only a server for tests has."""
_NEWEST = 1 << 62
"""A number above those of all attempts."""


async def get_stats(context: Context, request: AdminRequest) -> Any:
    """Return the state of a queue, the counts and rates of its tasks, and its effective rate."""
    stats = await context.store.queue_stats(request.queue, request.time)
    return _render_stats(context, stats, request.time)


async def list_queue_stats(context: Context, request: AdminRequest) -> Any:
    """List the statistics of all queues, by name; of a project or location with ``?parent=``."""
    parent, size, now = request.parent, request.page_size(admin_messages.STATS_PAGE), request.time
    scope = f"{parent}/queueStats"
    after = pages.cursor(scope, request.query.get("pageToken", ""), now)
    stats = await context.store.list_queue_stats(parent, after, size + 1, now)
    page = stats[:size]
    response: dict[str, Any] = {"queues": [_render_stats(context, each, now) for each in page]}
    if len(stats) > size:
        response["nextPageToken"] = pages.token(scope, page[-1].queue.name, now)
    return response


async def list_attempts(context: Context, request: AdminRequest) -> Any:
    """List recorded attempts, the latest first; of one task with ``?task=ID``."""
    size, before = request.page_size(admin_messages.PAGE), request.cursor("attempts") or _NEWEST
    load = context.store.list_attempts
    attempts = await load(request.queue, request.task_filter, before, size)
    if not attempts:
        await _check_queue(context, request.queue)
        return {"attempts": []}
    last, _ = attempts[-1]
    more = await load(request.queue, request.task_filter, last, 1)
    rendered = [admin_messages.render_attempt(attempt) for _, attempt in attempts]
    return {"attempts": rendered} | request.next_page("attempts", last if more else None)


async def list_dead_letters(context: Context, request: AdminRequest) -> Any:
    """List tasks that failed for good, the earliest first; of one code with ``?code=NOT_FOUND``."""
    queue, size, after = (
        request.queue,
        request.page_size(admin_messages.PAGE),
        request.cursor("deadLetters"),
    )
    code = request.code
    letters = await context.store.list_dead_letters(queue, after, size, code=code)
    if not letters:
        await _check_queue(context, queue)
        return {"deadLetters": []}
    last = letters[-1].number
    more = await _list_names(context, queue, code, last, 1)
    rendered = [_render(context, letter, tasks.BASIC) for letter in letters]
    return {"deadLetters": rendered} | request.next_page("deadLetters", last if more else None)


async def get_dead_letter(context: Context, request: AdminRequest) -> Any:
    """Return a dead letter with its task in full."""
    task_id = names.short_id(request.task_name)
    letters = await context.store.list_dead_letters(request.queue, 0, 1, task=task_id)
    if not letters:
        raise errors.entity_missing()
    return _render(context, letters[0], tasks.FULL)


async def delete_dead_letter(context: Context, request: AdminRequest) -> Any:
    """Delete a dead letter."""
    (error,) = await context.store.delete_dead_letters([request.task_name])
    if error:
        raise error
    _emit(context, request, DeadLetterAction.DELETED, [error])
    return {}


async def replay_dead_letters(context: Context, request: AdminRequest) -> Any:
    """Create the tasks of dead letters anew."""
    selected, next_page = await _select(context, request)
    results = await context.store.replay_dead_letters(selected, request.time)
    context.emit(TasksCreated(request.queue, selected, results, request.time))
    _emit(context, request, DeadLetterAction.REPLAYED, results)
    return admin_messages.render_results(selected, results, next_page)


async def delete_dead_letters(context: Context, request: AdminRequest) -> Any:
    """Delete dead letters."""
    selected, next_page = await _select(context, request)
    results = await context.store.delete_dead_letters(selected)
    _emit(context, request, DeadLetterAction.DELETED, results)
    return admin_messages.render_results(selected, results, next_page)


class AdminCall(NamedTuple):
    """A call of the admin API.

    Attributes:
        name: Its name in events.
        permission: The permission that it needs on the queue, or on the parent of a list.
        method: Its HTTP method.
        path: Its path below ``PREFIX``, with names in braces for what varies.
        handler: Returns the JSON value of its response.
    """

    name: str
    permission: str
    method: str
    path: str
    handler: Callable[[Context, AdminRequest], Awaitable[Any]]


CALLS = (
    AdminCall("ListQueueStats", "drayman.queues.getStats",
              "GET", "queues", list_queue_stats),
    AdminCall("GetQueueStats", "drayman.queues.getStats",
              "GET", "{queue}/stats", get_stats),
    AdminCall("ListAttempts", "drayman.attempts.list",
              "GET", "{queue}/attempts", list_attempts),
    AdminCall("ListDeadLetters", "drayman.deadLetters.list",
              "GET", "{queue}/deadLetters", list_dead_letters),
    AdminCall("GetDeadLetter", "drayman.deadLetters.get",
              "GET", "{queue}/deadLetters/{task_id}", get_dead_letter),
    AdminCall("DeleteDeadLetter", "drayman.deadLetters.delete",
              "DELETE", "{queue}/deadLetters/{task_id}", delete_dead_letter),
    AdminCall("ReplayDeadLetters", "drayman.deadLetters.replay",
              "POST", "{queue}/deadLetters:replay", replay_dead_letters),
    AdminCall("DeleteDeadLetters", "drayman.deadLetters.delete",
              "POST", "{queue}/deadLetters:delete", delete_dead_letters),
)  # fmt: skip


_ROUTES = [(call, compile_path(PREFIX + call.path)) for call in CALLS]


async def handle(context: Context, request: Request, path: str) -> Response:
    """Return the response to a request; ``path`` is its path without percent signs. NotFound."""
    for call, pattern in _ROUTES:
        match = pattern.fullmatch(path)
        if match and call.method == request.method:
            return await _respond(context, call, match.groupdict(), request)
    raise errors.NotFound(f"No call has the method {request.method} and the path {request.path}.")


async def _respond(
    context: Context, call: AdminCall, variables: Mapping[str, str], request: Request
) -> Response:
    query = {name: values[-1] for name, values in request.parameters().items()}
    fields = rest.with_api_key(request.fields, query.get("key", ""))

    async def run(caller: Caller | None) -> Any:
        body = request.body.decompress(PLAIN_REQUEST_SIZE)
        parsed = AdminRequest.parse(variables, query, body, context.clock.now())
        await permissions.require(context.access, caller, call.permission, parsed.resource)
        return await call.handler(context, parsed)

    return json_response(200, await calls.guard(context, call.name, fields, run))


async def _list_names(
    context: Context, queue: str, code: Code | None, after: int, limit: int
) -> list[tuple[int, str]]:
    """Return numbers and names of dead letters, without their requests."""
    letters = await context.store.list_dead_letters(
        queue, after, limit, code=code, with_request=False
    )
    return [(letter.number, letter.task.name) for letter in letters]


async def _select(context: Context, request: AdminRequest) -> tuple[list[str], dict[str, str]]:
    """Return the names of the tasks that a request selects, and the token of the next page."""
    selection, size = request.selection(), admin_messages.PAGE
    if not isinstance(selection, Filter):
        return selection, {}
    rows = await _list_names(context, request.queue, selection.code, selection.after, size + 1)
    if not rows:
        await _check_queue(context, request.queue)
    page = rows[:size]
    last = page[-1][0] if len(rows) > size else None
    return [name for _, name in page], request.next_page("deadLetters", last)


async def _check_queue(context: Context, queue: str) -> None:
    """Return if a queue exists or has left dead letters. NotFound."""
    if not await _list_names(context, queue, None, 0, 1):
        await context.store.get_queue(queue)


def _emit(
    context: Context,
    request: AdminRequest,
    action: DeadLetterAction,
    results: Sequence[Task | ServiceError | None],
) -> None:
    """Emit the event of changed dead letters."""
    count = sum(not isinstance(each, ServiceError) for each in results)
    by = callers.current()
    context.emit(DeadLettersChanged(request.queue, action, count, request.time, by))


def _render_stats(context: Context, stats: QueueStats, now: Micros) -> dict[str, Any]:
    return admin_messages.render_stats(stats, context.rates(stats.queue.name, now), now)


def _render(context: Context, letter: DeadLetter, view: int) -> dict[str, Any]:
    return admin_messages.render_dead_letter(
        letter, context.encryption.open(letter.task, view), view
    )

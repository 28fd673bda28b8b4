"""The admin API: statistics, attempts and dead letters of a queue, below ``/drayman/v1/``.

A call is a row of ``CALLS``. A handler takes a parsed request and returns a JSON value. A queue
that does not exist is NOT_FOUND, except that the dead letters of a deleted queue can still be
listed, replayed and deleted.
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.routing import Route

from drayman.access.caller import Caller
from drayman.api import admin_messages, calls, permissions, request_body, rest
from drayman.api.admin_messages import AdminRequest, Filter
from drayman.api.context import Context
from drayman.api.request_body import Body
from drayman.api.responses import Response, json_response
from drayman.core import errors, names
from drayman.core.events import TasksCreated
from drayman.core.history import DeadLetter
from drayman.core.limits import PLAIN_REQUEST_SIZE
from drayman.core.status import Code
from drayman.wire import tasks

PREFIX = "/drayman/v1/"
TESTING = f"{PREFIX}testing"
"""The path of the test endpoints, which only a server for tests has."""
_NEWEST = 1 << 62
"""A number above those of all attempts."""


async def get_stats(context: Context, request: AdminRequest) -> Any:
    """Return the attempts in flight, the effective rate, and what waits."""
    stats = await context.store.queue_stats(request.queue, request.time)
    return admin_messages.render_stats(stats, request.time)


async def list_attempts(context: Context, request: AdminRequest) -> Any:
    """List recorded attempts, the latest first; of one task with ``?task=ID``."""
    size, before = request.page_size, request.cursor("attempts") or _NEWEST
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
    queue, size, after = request.queue, request.page_size, request.cursor("deadLetters")
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
    return {}


async def replay_dead_letters(context: Context, request: AdminRequest) -> Any:
    """Create the tasks of dead letters anew."""
    selected, next_page = await _select(context, request)
    results = await context.store.replay_dead_letters(selected, request.time)
    context.emit(TasksCreated(request.queue, selected, results, request.time))
    return admin_messages.render_results(selected, results, next_page)


async def delete_dead_letters(context: Context, request: AdminRequest) -> Any:
    """Delete dead letters."""
    selected, next_page = await _select(context, request)
    results = await context.store.delete_dead_letters(selected)
    return admin_messages.render_results(selected, results, next_page)


class AdminCall(NamedTuple):
    """A call of the admin API.

    Attributes:
        name: Its name in events.
        permission: The permission that it needs on the queue.
        method: Its HTTP method.
        path: Its path below ``PREFIX``.
        handler: Returns the JSON value of its response.
    """

    name: str
    permission: str
    method: str
    path: str
    handler: Callable[[Context, AdminRequest], Awaitable[Any]]


_QUEUE = "{queue:drayman_queue}"
_TASK = "{task_id:drayman_task_id}"
CALLS = (
    AdminCall("GetQueueStats", "drayman.queues.getStats",
              "GET", f"{_QUEUE}/stats", get_stats),
    AdminCall("ListAttempts", "drayman.attempts.list",
              "GET", f"{_QUEUE}/attempts", list_attempts),
    AdminCall("ListDeadLetters", "drayman.deadLetters.list",
              "GET", f"{_QUEUE}/deadLetters", list_dead_letters),
    AdminCall("GetDeadLetter", "drayman.deadLetters.get",
              "GET", f"{_QUEUE}/deadLetters/{_TASK}", get_dead_letter),
    AdminCall("DeleteDeadLetter", "drayman.deadLetters.delete",
              "DELETE", f"{_QUEUE}/deadLetters/{_TASK}", delete_dead_letter),
    AdminCall("ReplayDeadLetters", "drayman.deadLetters.replay",
              "POST", f"{_QUEUE}/deadLetters:replay", replay_dead_letters),
    AdminCall("DeleteDeadLetters", "drayman.deadLetters.delete",
              "POST", f"{_QUEUE}/deadLetters:delete", delete_dead_letters),
)  # fmt: skip


class _QueueConvertor(StringConvertor):
    regex = "projects/[^/]+/locations/[^/]+/queues/[^/:]+"


class _TaskIdConvertor(StringConvertor):
    regex = "[^/:]+"


# The registry is Starlette's and the process's: another application may be in it, too.
register_url_convertor("drayman_queue", _QueueConvertor())
register_url_convertor("drayman_task_id", _TaskIdConvertor())


def routes(context: Context) -> list[Route]:
    """Return a route for each call."""
    return [_route(context, call) for call in CALLS]


def _route(context: Context, call: AdminCall) -> Route:
    async def endpoint(request: Request) -> Response:
        headers = dict(request.scope["headers"])
        body = await request_body.read(headers, request.receive, PLAIN_REQUEST_SIZE)
        fields = rest.with_api_key(headers, request.query_params.get("key", ""))
        value = await calls.guard(context, call.name, fields, _handle, context, call, request, body)
        return json_response(200, value)

    route = Route(PREFIX + call.path, endpoint, methods=[call.method], name=call.name)
    route.methods = {call.method}  # without HEAD, which no call of REST has either
    return route


async def _handle(
    caller: Caller | None, context: Context, call: AdminCall, request: Request, body: Body
) -> Any:
    content = body.decompress(PLAIN_REQUEST_SIZE)
    parsed = AdminRequest.parse(request, content, context.clock.now())
    await permissions.require(context.access, caller, call.permission, parsed.queue)
    return await call.handler(context, parsed)


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


def _render(context: Context, letter: DeadLetter, view: int) -> dict[str, Any]:
    return admin_messages.render_dead_letter(
        letter, context.encryption.open(letter.task, view), view
    )

"""Pages: each is a function of its request that returns a template and its variables.

Every list is a page of the API, which bounds it. What the caller may not see is left out, with a
sentence in its place.
"""

from collections.abc import Awaitable
from typing import Any

from drayman.access import roles
from drayman.console import actions, bodies, charts, formats, forms
from drayman.console.calls import permission_of
from drayman.console.page import PageRequest, View
from drayman.core import errors
from drayman.core.status import Code

QUEUES_PAGE = 25
PAGE = 50
"""The items of a page of tasks, attempts or dead letters."""
_SPARKLINE = 120, 24
_CHART = 600, 80


async def queues(request: PageRequest) -> View:
    """All queues of the server, or of a project or location, with their counts and rates."""
    parent = request.query.get("parent", "")
    query = {
        "parent": parent,
        "pageToken": request.query.get("pageToken", ""),
        "pageSize": str(QUEUES_PAGE),
    }
    response, denial = await _visible(request.calls.call_admin("ListQueueStats", query=query))
    rows = [
        {"stats": stats, "chart": _chart(request, stats["name"], _SPARKLINE)}
        for stats in (response or {}).get("queues", ())
    ]
    return View(
        "queues.html",
        {
            "rows": rows,
            "parent": parent,
            "denial": denial,
            "next": (response or {}).get("nextPageToken", ""),
            "may_create": request.is_full
            and await request.calls.may(permission_of("CreateQueue"), parent),
        },
    )


async def new_queue(request: PageRequest) -> View:
    """The form of a new queue."""
    return View("new_queue.html", {"name": request.field("name")})


async def queue(request: PageRequest) -> View:
    """A queue with its tasks."""
    values = await _queue_values(request)
    response, denial = await _visible(
        request.calls.call(
            "ListTasks",
            parent=request.queue,
            pageSize=PAGE,
            pageToken=request.query.get("pageToken", ""),
        )
    )
    tasks = (response or {}).get("tasks", [])
    # The API gives the last page a token, too.
    more = (response or {}).get("nextPageToken", "") if len(tasks) == PAGE else ""
    return View("tasks.html", values | {"tasks": tasks, "denial": denial, "next": more})


async def attempts(request: PageRequest) -> View:
    """The recorded attempts of a queue."""
    values = await _queue_values(request)
    return View("attempts.html", values | await _attempts(request))


async def task(request: PageRequest) -> View:
    """A task with its request and its attempts."""
    values = await _queue_values(request)
    is_full = await request.calls.may(roles.FULL_VIEW, request.queue)
    message = await request.calls.call(
        "GetTask", name=request.task, responseView="FULL" if is_full else "BASIC"
    )
    values |= await _attempts(request) | _request_values(message)
    return View("task.html", values | {"task": message, "shows_all": is_full})


async def dead_letters(request: PageRequest) -> View:
    """The tasks of a queue that failed for good; the queue may be deleted."""
    values = await _queue_values(request, may_be_deleted=True)
    query = {
        "code": request.query.get("code", ""),
        "pageToken": request.query.get("pageToken", ""),
        "pageSize": str(PAGE),
    }
    response, denial = await _visible(
        request.calls.call_admin("ListDeadLetters", request.queue, query=query)
    )
    letters = (response or {}).get("deadLetters", [])
    values |= {
        "letters": letters,
        "denial": denial,
        "next": (response or {}).get("nextPageToken", ""),
        "code": query["code"],
        "codes": [code.name for code in Code if code is not Code.OK],
    }
    return View("dead_letters.html", values)


async def dead_letter(request: PageRequest) -> View:
    """A task that failed for good, with its request and its attempts."""
    values = await _queue_values(request, may_be_deleted=True)
    letter = await request.calls.call_admin("GetDeadLetter", request.queue, request.task_id)
    values |= await _attempts(request) | _request_values(letter["task"])
    return View(
        "dead_letter.html",
        values
        | {"letter": letter, "task": letter["task"], "answer": bodies.visible(letter["answer"])},
    )


async def settings(request: PageRequest) -> View:
    """The form with the settings of a queue."""
    values = await _queue_values(request)
    queue = values["queue"]
    texts, originals = forms.settings_values(queue, request), forms.original_values(queue, request)
    values |= {"groups": forms.SETTINGS, "texts": texts, "originals": originals}
    return View("settings.html", values)


async def new_task(request: PageRequest) -> View:
    """The form of a new task."""
    values = await _queue_values(request)
    return View("new_task.html", values | {"methods": forms.METHODS, "form": request.field})


async def _queue_values(request: PageRequest, *, may_be_deleted: bool = False) -> dict[str, Any]:
    """Return what all pages of a queue show."""
    queue, stats = None, None
    try:
        queue = await request.calls.call("GetQueue", name=request.queue)
        stats, _ = await _visible(request.calls.call_admin("GetQueueStats", request.queue))
    except (errors.NotFound, errors.PermissionDenied):
        if not may_be_deleted:
            raise
    return {
        "queue": queue,
        "stats": stats,
        "queue_name": request.queue,
        "task_id": request.task_id,
        "may": await actions.allowed(request),
        "chart": _chart(request, request.queue, _CHART),
    }


async def _attempts(request: PageRequest) -> dict[str, Any]:
    query = {
        "task": request.task_id,
        "pageToken": request.query.get("pageToken", ""),
        "pageSize": str(PAGE),
    }
    response, denial = await _visible(
        request.calls.call_admin("ListAttempts", request.queue, query=query)
    )
    records = (response or {}).get("attempts", [])
    shown = [record | {"answer": bodies.visible(record["answer"])} for record in records]
    return {
        "attempts": shown,
        "attempts_denial": denial,
        "next": (response or {}).get("nextPageToken", ""),
    }


def _request_values(task: Any) -> dict[str, Any]:
    """Return the header fields and the decoded body of a task's request."""
    target = task.get("httpRequest") or task.get("appEngineHttpRequest") or {}
    return {
        "headers": sorted(target.get("headers", {}).items()),
        "body": bodies.decode_base64(target.get("body", "")),
        "attempt_count": formats.field(task, "dispatchCount", 0),
    }


def _chart(request: PageRequest, queue: str, size: tuple[int, int]) -> charts.Chart:
    return charts.chart(request.history(queue, request.now), *size)


async def _visible(response: Awaitable[Any]) -> tuple[Any, str]:
    """Return a response, or None and why the caller may not see it."""
    try:
        return await response, ""
    except errors.PermissionDenied as error:
        return None, error.message

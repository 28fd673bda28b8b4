"""Changes: each is a call of the API with the fields of a form, and leads to a page."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from drayman.console import forms
from drayman.console.calls import permission_of
from drayman.console.page import Done, PageRequest
from drayman.core import errors, names

NOTICES = {
    "queue-created": "The queue was created.",
    "queue-deleted": "The queue and its tasks were deleted.",
    "paused": "The queue is paused: no attempts start.",
    "resumed": "The queue is running.",
    "purged": "The queue was purged.",
    "saved": "The settings were saved.",
    "unchanged": "No setting was changed.",
    "task-created": "The task was created.",
    "task-deleted": "The task was deleted.",
    "run": "An attempt of the task was started.",
    "replayed": "Dead letters replayed:",
    "letters-deleted": "Dead letters deleted:",
}
"""What was done, by the keys that URLs have."""
COUNTED = frozenset({"replayed", "letters-deleted"})
"""The notices that end with a number."""
PERMISSIONS = {
    "pause": permission_of("PauseQueue"),
    "resume": permission_of("ResumeQueue"),
    "purge": permission_of("PurgeQueue"),
    "delete": permission_of("DeleteQueue"),
    "edit": permission_of("UpdateQueue"),
    "create": permission_of("CreateTask"),
    "run": permission_of("RunTask"),
    "delete_task": permission_of("DeleteTask"),
    "replay": permission_of("ReplayDeadLetters"),
    "delete_letters": permission_of("DeleteDeadLetters"),
}
"""What each change of a queue needs: pages have no buttons that the API would refuse."""
_MOST_FAILURES = 5
"""Failures that an error names."""

Action = Callable[[PageRequest], Awaitable[Done]]


async def allowed(request: PageRequest) -> frozenset[str]:
    """Return the changes that the caller may make in a queue; none if the console is read-only."""
    if not request.is_full:
        return frozenset()
    return frozenset(
        [
            action
            for action, permission in PERMISSIONS.items()
            if await request.calls.may(permission, request.queue)
        ]
    )


def of_queue(call: str, notice: str) -> Action:
    """Return the change that is one call on the queue."""

    async def change(request: PageRequest) -> Done:
        await request.calls.call(call, name=request.queue)
        return Done(request.queue, notice)

    return change


pause = of_queue("PauseQueue", "paused")
resume = of_queue("ResumeQueue", "resumed")
purge = of_queue("PurgeQueue", "purged")


async def create_queue(request: PageRequest) -> Done:
    """Create a queue with the default settings."""
    name = request.field("name")
    parent = name.rpartition("/queues/")[0]
    await request.calls.call("CreateQueue", parent=parent, queue={"name": name})
    return Done(name, "queue-created")


async def delete_queue(request: PageRequest) -> Done:
    """Delete the queue."""
    await request.calls.call("DeleteQueue", name=request.queue)
    return Done("", "queue-deleted")


async def save_settings(request: PageRequest) -> Done:
    """Change the settings that were edited in the form, and no other."""
    message, paths = forms.changed_settings(request)
    if not paths:
        return Done(f"{request.queue}/settings", "unchanged")
    message["name"] = request.queue
    await request.calls.call("UpdateQueue", queue=message, updateMask=",".join(paths))
    return Done(f"{request.queue}/settings", "saved")


async def create_task(request: PageRequest) -> Done:
    """Create a task."""
    task = await request.calls.call("CreateTask", parent=request.queue, task=forms.task(request))
    return Done(task["name"], "task-created")


async def run_task(request: PageRequest) -> Done:
    """Start an attempt of the task now."""
    await request.calls.call("RunTask", name=request.task)
    return Done(request.task, "run")


async def delete_task(request: PageRequest) -> Done:
    """Delete the task."""
    await request.calls.call("DeleteTask", name=request.task)
    return Done(request.queue, "task-deleted")


async def replay(request: PageRequest) -> Done:
    """Create the tasks of the selected dead letters anew."""
    return await _change_letters(request, "ReplayDeadLetters", "replayed")


async def delete_letters(request: PageRequest) -> Done:
    """Delete the selected dead letters."""
    return await _change_letters(request, "DeleteDeadLetters", "letters-deleted")


async def _change_letters(request: PageRequest, call: str, notice: str) -> Done:
    selection = _selection(request)
    result = await request.calls.call_admin(call, request.queue, content=selection)
    if result["failed"]:
        raise errors.FailedPrecondition(_failures(notice, result["count"], result["failed"]))
    return Done(f"{request.queue}/deadLetters", notice, result["count"])


def _selection(request: PageRequest) -> Any:
    """Return the body of a call on dead letters: named ones, or all, of one code or of any."""
    if request.field("select") == "all":
        code = request.field("code")
        return {"code": code} if code else {"all": True}
    tasks = request.form.get("task", [])
    if not tasks:
        raise errors.InvalidArgument("No dead letter is selected.")
    return {"tasks": list(map(names.short_id, tasks))}


def _failures(notice: str, count: int, failed: Mapping[str, Any]) -> str:
    lines = [f"{task}: {error['message']}" for task, error in failed.items()][:_MOST_FAILURES]
    return f"{NOTICES[notice]} {count}. Not changed: {len(failed)}. {' '.join(lines)}"

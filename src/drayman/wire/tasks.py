"""Task messages, to and from ``core.task``.

What is stored of a task is a Task message of its own, less all that has a column in the store:
the request, the deadline and the retry policy.
"""

from typing import Any

from drayman.core import errors, limits, names
from drayman.core.clock import SECOND, Micros
from drayman.core.limits import Limits
from drayman.core.task import Attempt, NewTask, Task, check_deadline, check_schedule_time
from drayman.tasks_v2 import types
from drayman.wire import retries, targets, times

Message = types.Task.pb()

BASIC, FULL = int(types.Task.View.BASIC), int(types.Task.View.FULL)
_View: Any = types.Task.View
_VIEWS = frozenset(map(int, _View))
_GENERATED_ID = "0" * 19


def accept(parent: str, message: Any, now: Micros, allowed: Limits) -> NewTask:
    """Return the task that a CreateTask message asks for, defaults filled in.

    ``message`` is changed on the way. InvalidArgument says what is wrong.
    """
    task_id = names.new_task(parent, message.name) if message.name else None
    wanted = (
        times.moment("Task.scheduleTime", message.schedule_time)
        if message.HasField("schedule_time")
        else None
    )
    schedule_time = check_schedule_time(wanted, now, allowed.schedule_horizon)
    stored = Message()
    _accept_request(message, stored, parent, allowed)
    _accept_deadline(message, stored)
    if message.HasField("retry_config"):
        retries.check(message.retry_config)
        stored.retry_config.CopyFrom(message.retry_config)
    request = stored.SerializeToString()
    _check_size(stored, len(request), parent, task_id, allowed.task_size)
    return NewTask(task_id, schedule_time, request)


def view(request: Any) -> int:
    """Return the view that a request asks for; InvalidArgument when there is no such view."""
    wanted = int(request.response_view)
    if wanted not in _VIEWS:
        raise errors.invalid_field("response_view", f"has the unknown value {wanted}.")
    return wanted


def show(task: Task, view: int) -> Any:
    """Return the message of a task; any view but FULL comes without the body."""
    message = Message.FromString(task.request)
    message.name = task.name
    message.view = FULL if view == FULL else BASIC
    if view != FULL:
        payload(message).ClearField("body")
    times.set_moment(message.schedule_time, task.schedule_time)
    message.create_time.seconds = task.create_time // SECOND
    message.dispatch_count = task.dispatch_count
    message.response_count = task.response_count
    if task.first_dispatch_time is not None:
        times.set_moment(message.first_attempt.dispatch_time, task.first_dispatch_time)
    if task.last_attempt is not None:
        _show_attempt(task.last_attempt, message.last_attempt)
    return message


def payload(message: Any) -> Any:
    """Return the request of a Task message, of whichever kind it is."""
    if message.HasField("http_request"):
        return message.http_request
    return message.app_engine_http_request


def payload_like(message: Any, other: Any) -> Any:
    """Return the request of another Task message, of the kind that this one's is."""
    kind = "http_request" if message.HasField("http_request") else "app_engine_http_request"
    found = getattr(other, kind)
    found.SetInParent()
    return found


def _accept_request(message: Any, stored: Any, parent: str, allowed: Limits) -> None:
    if message.HasField("http_request"):
        targets.accept_http(message.http_request, allowed)
        stored.http_request.CopyFrom(message.http_request)
    elif message.HasField("app_engine_http_request"):
        targets.accept_app_engine(message.app_engine_http_request, parent)
        stored.app_engine_http_request.CopyFrom(message.app_engine_http_request)
    else:
        raise errors.invalid_field("Task.message_type", "is not set.")


def _accept_deadline(message: Any, stored: Any) -> None:
    wanted = (
        times.span("Task.dispatchDeadline", message.dispatch_deadline)
        if message.HasField("dispatch_deadline")
        else None
    )
    if stored.HasField("http_request"):
        allowed, default = limits.HTTP_DEADLINE_RANGE, limits.HTTP_DEADLINE_DEFAULT
        deadline = check_deadline(wanted, allowed, default)
    else:
        deadline = check_deadline(wanted, limits.APP_ENGINE_DEADLINE_RANGE, None)
    if deadline is not None:
        times.set_span(stored.dispatch_deadline, deadline)


def _check_size(stored: Any, size: int, parent: str, task_id: str | None, limit: int) -> None:
    # Measured as the real service does: the stored task with its name and two times.
    name = names.join_task(parent, task_id or _GENERATED_ID)
    if size + len(name) + 32 < limit:
        return
    whole = Message(name=name)
    whole.MergeFrom(stored)
    whole.schedule_time.seconds = whole.create_time.seconds = 1 << 30
    whole.schedule_time.nanos = 1 << 29
    if whole.ByteSize() > limit:
        raise errors.InvalidArgument("Task size too large")


def _show_attempt(attempt: Attempt, message: Any) -> None:
    times.set_moment(message.schedule_time, attempt.schedule_time)
    times.set_moment(message.dispatch_time, attempt.dispatch_time)
    if attempt.response_time is not None:
        times.set_moment(message.response_time, attempt.response_time)
        message.response_status.code = int(attempt.code)
        message.response_status.message = attempt.message

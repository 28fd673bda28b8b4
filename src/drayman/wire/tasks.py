"""Task messages, to and from ``core.task``, with the rules of their own fields.

The store keeps a task as a Task message without the fields that have columns: it has the request,
the dispatch deadline and the retry policy.
"""

from typing import Any, NamedTuple

from drayman.core import errors, limits, names
from drayman.core.clock import HOUR, SECOND, Micros
from drayman.core.limits import TaskLimits
from drayman.core.task import Attempt, NewTask, Task
from drayman.tasks_v2 import types
from drayman.wire import requests, retries, rules, times

Message = types.Task.pb()

BASIC, FULL = int(types.Task.View.BASIC), int(types.Task.View.FULL)
_View: Any = types.Task.View
_VIEWS = frozenset(map(int, _View))
_GENERATED_ID = "0" * 19
_MOST_OF_TIMES = 32
"""More bytes than the two times of a task have, and the tag and length of its name."""


def parse(parent: str, message: Any, now: Micros, allowed: TaskLimits) -> NewTask:
    """Return the task that a CreateTask message asks for, defaults filled in.

    The checks stop at the first error; their order is that of the lines below.

    Raises:
        InvalidArgument: A field breaks its rule; the message names both.
    """
    name = message.name
    task_id = names.new_task(parent, name) if name else None
    schedule_time = _parse_schedule_time(message, now, allowed.schedule_horizon)
    stored = Message()
    if message.HasField("http_request"):
        stored.http_request.CopyFrom(message.http_request)
        requests.complete_http(stored.http_request, allowed)
        _complete_deadline(message, stored, _HTTP_DEADLINE)
    elif message.HasField("app_engine_http_request"):
        stored.app_engine_http_request.CopyFrom(message.app_engine_http_request)
        requests.complete_app_engine(stored.app_engine_http_request, parent)
        _complete_deadline(message, stored, _APP_ENGINE_DEADLINE)
    else:
        raise errors.invalid_field("Task.payload_type", "is not set.")
    if message.HasField("retry_config"):
        retries.complete(message.retry_config, stored.retry_config)
    new_task = NewTask(task_id, schedule_time, stored.SerializeToString())
    _check_size(new_task, parent, now, allowed.task_size)
    return new_task


def has_payload(message: Any) -> bool:
    """Return whether a Task message has a request of either kind."""
    return message.WhichOneof("message_type") is not None


def view(request: Any) -> int:
    """Return the view that a request asks for; InvalidArgument if it has no name."""
    rules.check_enum("response_view", request.response_view, _VIEWS)
    return int(request.response_view)


def encode(task: Task, view: int) -> Any:
    """Return the message of a task; any view but FULL leaves out the body."""
    message = Message()
    encode_into(message, task, view)
    return message


def encode_into(message: Any, task: Task, view: int) -> None:
    """Write a task into an empty message, see ``encode``."""
    message.MergeFromString(task.request)
    message.name = task.name
    message.view = FULL if view == FULL else BASIC
    if view != FULL:
        payload(message).ClearField("body")
    times.set_moment(message.schedule_time, task.schedule_time)
    message.create_time.seconds = task.create_time // SECOND
    if task.dispatch_count:
        message.dispatch_count = task.dispatch_count
        message.response_count = task.response_count
    if task.first_dispatch_time is not None:
        times.set_moment(message.first_attempt.dispatch_time, task.first_dispatch_time)
    if task.last_attempt is not None:
        _encode_attempt(task.last_attempt, message.last_attempt)


def encode_granted(task: Task, view: int) -> Any:
    """Return the message of a task whose latest attempt is granted and not sent yet (recorded).

    The attempt is counted and has a schedule time, but no dispatch time.
    """
    message = encode(task, view)
    message.last_attempt.ClearField("dispatch_time")
    if task.dispatch_count == 1:
        message.ClearField("first_attempt")
    return message


def payload(message: Any) -> Any:
    """Return the request of a Task message, of whichever kind it is."""
    if message.HasField("http_request"):
        return message.http_request
    return message.app_engine_http_request


def split(request: bytes) -> tuple[bytes, bytes]:
    """Return a stored request as two Task messages: body and headers alone, and the rest.

    Concatenated, the two are a serialization of the whole.
    """
    rest, secret = Message.FromString(request), Message()
    source, target = payload(rest), _payload_like(rest, secret)
    target.body = source.body
    target.headers.update(source.headers)
    source.ClearField("body")
    source.ClearField("headers")
    return secret.SerializeToString(), rest.SerializeToString()


def _payload_like(message: Any, other: Any) -> Any:
    """Return the request of another Task message, set to the same kind as this message's."""
    kind = "http_request" if message.HasField("http_request") else "app_engine_http_request"
    request = getattr(other, kind)
    request.SetInParent()
    return request


class _DeadlineRule(NamedTuple):
    """The rule of a dispatch deadline, by kind of target (recorded).

    Attributes:
        shortest: The least it may be.
        longest: The most it may be.
        shown: Both, as the error shows them.
        default: What is stored when it is absent or 0; None stores nothing.
    """

    shortest: Micros
    longest: Micros
    shown: str
    default: Micros | None


_HTTP_DEADLINE = _DeadlineRule(
    *limits.HTTP_DEADLINE_RANGE, "[15s, 30m]", limits.HTTP_DEADLINE_DEFAULT
)
_APP_ENGINE_DEADLINE = _DeadlineRule(*limits.APP_ENGINE_DEADLINE_RANGE, "[15s, 24h15s]", None)


def _parse_schedule_time(message: Any, now: Micros, horizon: Micros) -> Micros:
    """Return when a task is due; absent or past means now (recorded).

    A time that no timestamp may have, such as one before the year 1, counts as past or future.
    """
    if not message.HasField("schedule_time"):
        return now
    time = times.moment(message.schedule_time)
    if time > now + horizon:
        raise errors.InvalidArgument(
            f"The Task.scheduleTime, {times.pacific(time)}, is too far in the future. Schedule "
            f"time must be no more than {horizon // HOUR}h in the future."
        )
    return max(time, now)


def _complete_deadline(message: Any, stored: Any, rule: _DeadlineRule) -> None:
    """Store how long an attempt may take, in whole milliseconds."""
    deadline = rule.default
    if message.HasField("dispatch_deadline"):
        span = times.span("Task.dispatchDeadline", message.dispatch_deadline)
        if span and not rule.shortest <= span <= rule.longest:
            raise errors.InvalidArgument(f"Task.dispatchDeadline must be between {rule.shown}.")
        deadline = span // 1000 * 1000 or rule.default
    if deadline is not None:
        times.set_span(stored.dispatch_deadline, deadline)


def _check_size(task: NewTask, parent: str, now: Micros, limit: int) -> None:
    """Check the size of a task: stored, with its name and two times (recorded)."""
    name = names.join_task(parent, task.id or _GENERATED_ID)
    if len(task.request) + len(name) + _MOST_OF_TIMES < limit:
        return
    whole = encode(Task(name, now, task.schedule_time, task.request), FULL)
    whole.ClearField("view")
    if whole.ByteSize() > limit:
        raise errors.InvalidArgument("Task size too large")


def _encode_attempt(attempt: Attempt, message: Any) -> None:
    times.set_moment(message.schedule_time, attempt.schedule_time)
    times.set_moment(message.dispatch_time, attempt.dispatch_time)
    if attempt.response_time is not None:
        times.set_moment(message.response_time, attempt.response_time)
        message.response_status.code = int(attempt.code)
        message.response_status.message = attempt.message

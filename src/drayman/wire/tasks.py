"""Task messages, to and from ``core.task``.

What is stored of a task is a Task message of its own, less all that has a column in the store:
the request, the deadline and the retry policy.
"""

import re
from typing import Any

from drayman.core import delivery, errors, limits, names
from drayman.core.clock import SECOND, Micros
from drayman.core.delivery import Kind
from drayman.core.limits import Limits
from drayman.core.queue import RetryConfig
from drayman.core.task import Attempt, NewTask, Task, check_deadline, check_schedule_time
from drayman.tasks_v2 import types
from drayman.wire import retries, times

Message = types.Task.pb()

_Method: Any = types.HttpMethod
BASIC, FULL = int(types.Task.View.BASIC), int(types.Task.View.FULL)
_POST, _PUT, _PATCH = (int(_Method[name]) for name in ("POST", "PUT", "PATCH"))
_METHODS = {method.value: method.name for method in _Method}
_WITH_BODY = {Kind.HTTP: (_POST, _PUT, _PATCH), Kind.APP_ENGINE: (_POST, _PUT)}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[^\x00\r\n]*")
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
    _accept_request(message, stored, parent)
    _accept_deadline(message, stored)
    if message.HasField("retry_config"):
        retries.accept(message.retry_config, RetryConfig())
        stored.retry_config.CopyFrom(message.retry_config)
    request = stored.SerializeToString()
    _check_size(stored, len(request), parent, task_id, allowed.task_size)
    return NewTask(task_id, schedule_time, request)


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


def _accept_request(message: Any, stored: Any, parent: str) -> None:
    if message.HasField("http_request"):
        _accept_http(message.http_request)
        stored.http_request.CopyFrom(message.http_request)
    elif message.HasField("app_engine_http_request"):
        _accept_app_engine(message.app_engine_http_request, parent)
        stored.app_engine_http_request.CopyFrom(message.app_engine_http_request)
    else:
        raise errors.InvalidArgument("Task.message_type is not set.")


def _accept_http(request: Any) -> None:
    if not request.url:
        raise errors.InvalidArgument("HttpRequest.url is required.")
    if not request.url.lower().startswith(("http://", "https://")):
        raise errors.InvalidArgument("HttpTarget.url must start with 'http://' or 'https://'.")
    if len(request.url) > limits.URL_LENGTH:
        raise errors.InvalidArgument(
            f"HttpRequest.url must be at most {limits.URL_LENGTH} characters long."
        )
    if request.WhichOneof("authorization_header"):
        raise errors.Unimplemented(
            "HttpRequest.authorization_header is not supported by this version of drayman."
        )
    _accept_method(request, Kind.HTTP, "HttpRequest")
    _check_headers(request.headers, "HttpRequest", limits.HEADERS_SIZE)
    _set_header(request.headers, "User-Agent", delivery.user_agent(Kind.HTTP))


def _accept_app_engine(request: Any, parent: str) -> None:
    uri = request.relative_uri or "/"
    if not uri.startswith("/") or " " in uri:
        raise errors.InvalidArgument(
            "AppEngineHttpRequest.relativeUri must start with '/' and contain no spaces."
        )
    if len(uri) > limits.URL_LENGTH:
        raise errors.InvalidArgument(
            f"AppEngineHttpRequest.relativeUri must be at most {limits.URL_LENGTH} characters long."
        )
    request.relative_uri = uri
    _accept_method(request, Kind.APP_ENGINE, "AppEngineHttpRequest")
    _check_headers(request.headers, "AppEngineHttpRequest", None)
    _set_header(request.headers, "User-Agent", delivery.user_agent(Kind.APP_ENGINE))
    if request.body:
        _set_header(request.headers, "Content-Length", str(len(request.body)))
        if not any(name.lower() == "content-type" for name in request.headers):
            request.headers["Content-Type"] = "application/octet-stream"
    routing = request.app_engine_routing
    routing.host = _app_engine_host(parent, routing)


def _app_engine_host(parent: str, routing: Any) -> str:
    # Seen on the real service: [service.]project.<region>.r.appspot.com, without a scheme.
    _, project, _, location = names.location_of(parent).split("/")
    parts = (routing.instance, routing.version, routing.service, project, location)
    return ".".join([*filter(None, parts), "r.appspot.com"])


def _accept_method(request: Any, kind: Kind, field: str) -> None:
    if request.http_method not in _METHODS:
        raise errors.InvalidArgument(
            f"{field}.httpMethod has the unknown value {request.http_method}."
        )
    request.http_method = request.http_method or _POST
    if request.body and request.http_method not in _WITH_BODY[kind]:
        allowed = ", ".join(_METHODS[method] for method in _WITH_BODY[kind])
        raise errors.InvalidArgument(
            f"{field}.body is allowed only for the methods {allowed}, "
            f"not for {_METHODS[request.http_method]}."
        )


def _check_headers(headers: Any, field: str, limit: int | None) -> None:
    size = 0
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise errors.InvalidArgument(f"{field}.headers has the invalid name {name[:100]!r}.")
        if not _HEADER_VALUE.fullmatch(value):
            raise errors.InvalidArgument(
                f'{field}.headers["{name}"] contains a line break or a null character.'
            )
        size += len(name.encode()) + len(value.encode())
    if limit is not None and size >= limit:
        raise errors.InvalidArgument(
            f"{field}.headers must be less than {limit // 1024} KB in total."
        )


def _set_header(headers: Any, name: str, value: str) -> None:
    for other in [key for key in headers if key.lower() == name.lower()]:
        del headers[other]
    headers[name] = value


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

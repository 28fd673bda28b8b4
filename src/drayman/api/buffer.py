"""BufferTask: creates a task from a request body, in a queue with an HTTP target of its own.

REST only. The task has the body of the request, decompressed, and its Content-Type. One kind of
body is unwrapped first: the JSON object ``{"body": {"contentType": …, "data": …}}``, which is
google.api.HttpBody as in the discovery document. Any object with other fields, or without
``contentType``, is a body of the caller's own.
"""

import re
from typing import Any

from drayman.api import calls
from drayman.api import tasks as task_calls
from drayman.api.context import Context
from drayman.core import errors, names
from drayman.tasks_v2 import types
from drayman.wire import deliveries, json_values, protojson, tasks

PATH = re.compile(r"(projects/[^/]+/locations/[^/]+/queues/[^/]+)/tasks(?:/([^/]*))?:buffer")
"""A queue and a task id, which may be absent or empty: gcloud sends ``/tasks/:buffer``."""
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""The HTTP methods that create a task, after ``X-HTTP-Method-Override``: not HEAD and TRACE.

The method of the task is the queue's or POST, whichever of these created it.
"""
_Task = types.Task.pb()


async def buffer_task(
    context: Context, queue: str, task_id: str, body: bytes, content_type: str
) -> Any:
    """Create the task; return its message in the BASIC view."""
    calls.check_name(context, "CreateTask", queue)
    target = deliveries.url_of(await context.store.get_queue(queue))
    if not target:
        raise errors.FailedPrecondition(
            "The queue has no target of its own: BufferTask needs httpTarget.uriOverride.host."
        )
    task_calls.check_request_size(context, len(body))
    content, content_type = await context.offload.run(len(body), _unwrap, body, content_type)
    message = _Task(name=names.join_task(queue, task_id) if task_id else "")
    message.http_request.url = target
    message.http_request.body = content
    if content_type:
        message.http_request.headers["Content-Type"] = content_type
    task_calls.trace(context, message)
    now = context.clock.now()
    new_task = tasks.parse(queue, message, now, context.limits.task)
    created = await task_calls.create(context, queue, new_task, now)
    return tasks.encode(context.encryption.open(created, tasks.BASIC), tasks.BASIC)


def _unwrap(body: bytes, content_type: str) -> tuple[bytes, str]:
    """Return the content of a body and its type. InvalidArgument for data that is not base64."""
    wrapped = _http_body(body) if _is_json(content_type) else None
    if wrapped is None:
        return body, content_type
    data = wrapped.get("data", "")
    if not json_values.is_base64(data):
        raise errors.invalid_field("body.data", "must be a text of base64.")
    return json_values.from_base64(data), wrapped["contentType"]


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _http_body(body: bytes) -> dict[str, Any] | None:
    """Return the google.api.HttpBody that a JSON body consists of, None if it is something else."""
    try:
        value = protojson.decode(body)
    except errors.InvalidArgument:
        return None
    match value:
        case {"body": {"contentType": str(), **rest} as wrapped} if len(value) == 1:
            return wrapped if rest.keys() <= {"data"} else None
    return None

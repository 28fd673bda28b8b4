"""BufferTask: a task out of nothing but a body, in a queue that has a target of its own.

Over REST alone, with any HTTP method that may change something. The body of the request,
decompressed, is the body of the task, its Content-Type the task's; only a JSON object ``{"body":
{"contentType": …, "data": …}}`` (google.api.HttpBody, as the discovery document has it) is opened.
``contentType`` and nothing beside ``data`` tell it from a body of the caller's own.
"""

import re
from typing import Any

from drayman.api import tasks as task_calls
from drayman.api.context import Context
from drayman.core import errors, names
from drayman.tasks_v2 import types
from drayman.wire import deliveries, json_values, protojson, tasks

PATH = re.compile(r"(projects/[^/]+/locations/[^/]+/queues/[^/]+)/tasks(?:/([^/]*))?:buffer")
"""A queue and a task's id, which may be absent or empty: gcloud sends ``/tasks/:buffer``."""
VERBS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""HEAD, whose answer has no body, and TRACE only ask (RFC 9110).

The verb counts after ``X-HTTP-Method-Override``, and changes nothing of the task: its method is the
queue's or POST.
"""
_HTTP_BODY = frozenset({"contentType", "data"})
_Task = types.Task.pb()


async def buffer_task(
    context: Context, queue: str, task_id: str, body: bytes, content_type: str
) -> Any:
    """Create the task; its message."""
    names.queue("queue", queue)
    names.check_location(queue, context.limits.locations)
    target = deliveries.url_of(await context.store.get_queue(queue))
    if not target:
        raise errors.FailedPrecondition(
            "The queue has no target of its own: BufferTask needs httpTarget.uriOverride.host."
        )
    content, kind = _opened(body, content_type)
    message = _Task(name=names.join_task(queue, task_id) if task_id else "")
    message.http_request.url = target
    message.http_request.body = content
    if kind:
        message.http_request.headers["Content-Type"] = kind
    now = context.clock.now()
    new = tasks.parse(queue, message, now, context.limits.task)
    created = await task_calls.create(context, queue, new, now)
    return tasks.encode(context.encryption.open(created, tasks.BASIC), tasks.BASIC)


def _opened(body: bytes, content_type: str) -> tuple[bytes, str]:
    """Return the content of a body and its type."""
    if content_type.partition(";")[0].strip().lower() == "application/json":
        try:
            value = protojson.decode(body)
        except errors.InvalidArgument:
            return body, content_type
        wrapped = value.get("body") if isinstance(value, dict) and len(value) == 1 else None
        if (
            isinstance(wrapped, dict)
            and isinstance(kind := wrapped.get("contentType"), str)
            and set(wrapped) <= _HTTP_BODY
        ):
            data = wrapped.get("data", "")
            if not json_values.is_base64(data):
                raise errors.invalid_field("body.data", "must be a text of base64.")
            return json_values.from_base64(data), kind
    return body, content_type

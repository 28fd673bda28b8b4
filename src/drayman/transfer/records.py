"""The records of an export, to and from JSON values.

A record has the JSON of the public API, and under ``stored`` what that does not show. An object
with the same content has the same JSON, whatever store it comes from.

    {"cmekConfig": {"name": ..., "kmsKey": ...}}
    {"queue": {...}, "policy": {...}}
    {"task": {...}, "stored": {"seq": ..., "createTime": ..., "executionCount": ..., ...}}
    {"tombstone": {"name": ..., "expireTime": ...}}
    {"deadLetter": {"task": {...}, "time": ..., "reason": ..., "answer": ...}, "stored": {...}}

A task that is encrypted stays so: ``stored.sealed`` has its request as it is stored, with the name
of its KMS key, and ``task`` has no body and no headers.
"""

import base64
import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from google.iam.v1 import policy_pb2
from google.protobuf import json_format

from drayman.core import errors, names
from drayman.core.clock import SECOND, Micros
from drayman.core.errors import ServiceError
from drayman.core.history import DeadLetter
from drayman.core.limits import QueueLimits
from drayman.core.queue import Queue, RateLimits, State, burst_of
from drayman.core.status import Code
from drayman.core.task import Attempt, Task
from drayman.encryption import envelope
from drayman.store.verbs.transfer import StoredTask, Tombstone
from drayman.wire import json_writer, protojson, queues, tasks, times

_ANY_LIMITS = QueueLimits(max_dispatches_per_second=math.inf, max_concurrent_dispatches=1 << 62)
"""A queue keeps its limits, whatever a server allows to those who create one."""
_COLUMNS = (
    "name", "view", "schedule_time", "create_time", "dispatch_count", "response_count",
    "first_attempt", "last_attempt",
)  # fmt: skip
"""The fields of a Task message that are no part of the stored request."""


class KmsKey(NamedTuple):
    """The KMS key of a location.

    Attributes:
        location: The full name of the location.
        name: The full name of the key.
    """

    location: str
    name: str


Record = KmsKey | Queue | StoredTask | Tombstone | DeadLetter


class RecordError(Exception):
    """A record cannot be parsed; the message says why."""


def queue_of(record: Record) -> str | None:
    """Return the full name of the queue that a record belongs to, None for a location's."""
    match record:
        case KmsKey():
            return None
        case Queue(name=name):
            return name
        case Tombstone(name=name) | StoredTask(task=Task(name=name)):
            return names.task(name).queue
        case DeadLetter(task=task):
            return names.task(task.name).queue


def render(record: Record) -> dict[str, Any]:
    """Return the JSON value of a record."""
    return _RENDERERS[type(record)](record)


def parse(value: Any) -> Record:
    """Return the record of a JSON value. RecordError."""
    kind = next((each for each in _PARSERS if isinstance(value, dict) and each in value), None)
    if kind is None:
        raise RecordError("it is no record of this version")
    try:
        return _PARSERS[kind](value)
    except ServiceError as error:
        raise RecordError(error.message) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"{type(error).__name__}: {error}") from None


def parse_queue(message: Any) -> Queue:
    """Return the queue of a message with all of its state. ServiceError for a wrong field."""
    queue = queues.parse(message, names.queue(message.name), _ANY_LIMITS)
    rates = queue.rate_limits
    burst = message.rate_limits.max_burst_size or burst_of(rates.max_dispatches_per_second)
    purged = message.HasField("purge_time")
    return dataclasses.replace(
        queue,
        state=State(message.state or State.RUNNING),
        rate_limits=RateLimits(
            rates.max_dispatches_per_second, burst, rates.max_concurrent_dispatches
        ),
        purge_time=times.moment(message.purge_time) if purged else None,
    )


def parse_task(message: Any) -> Task:
    """Return the task of a message, as far as a message shows it. ServiceError for its name."""
    names.task(message.name)
    _check_complete(message)
    request = tasks.Message()
    request.CopyFrom(message)
    for name in _COLUMNS:
        request.ClearField(name)
    last = message.last_attempt if message.HasField("last_attempt") else None
    return Task(
        name=message.name,
        create_time=times.moment(message.create_time),
        schedule_time=times.moment(message.schedule_time),
        request=request.SerializeToString(deterministic=True),
        dispatch_count=message.dispatch_count,
        response_count=message.response_count,
        execution_count=message.response_count,
        first_dispatch_time=_moment(message.first_attempt, "dispatch_time"),
        last_attempt=None if last is None else _parse_attempt(last),
    )


def _check_complete(message: Any) -> None:
    """Check that a task has what every stored one has; defaults are filled in at its creation."""
    if not tasks.has_payload(message):
        raise errors.invalid_field("Task.payload_type", "is not set.")
    complete = message.HasField("schedule_time") and message.HasField("create_time")
    if message.HasField("http_request"):
        complete &= message.HasField("dispatch_deadline") and bool(message.http_request.http_method)
    if not complete:
        raise errors.invalid_field(
            "Task", "must have createTime and scheduleTime, httpMethod and dispatchDeadline."
        )


def _parse_attempt(message: Any) -> Attempt:
    status = message.response_status
    return Attempt(
        schedule_time=times.moment(message.schedule_time),
        dispatch_time=times.moment(message.dispatch_time),
        response_time=_moment(message, "response_time"),
        code=Code(status.code),
        message=status.message,
    )


def _moment(message: Any, field: str) -> Micros | None:
    return times.moment(getattr(message, field)) if message.HasField(field) else None


def _render_kms_key(record: KmsKey) -> dict[str, Any]:
    return {"cmekConfig": {"name": f"{record.location}/cmekConfig", "kmsKey": record.name}}


def _parse_kms_key(value: Any) -> KmsKey:
    config = value["cmekConfig"]
    return KmsKey(names.location_of(config["name"]), names.key(config["kmsKey"]))


def _render_queue(queue: Queue) -> dict[str, Any]:
    rendered = {"queue": json_writer.render(queues.encode(queue))}
    if queue.policy:
        rendered["policy"] = json_format.MessageToDict(policy_pb2.Policy.FromString(queue.policy))
    return rendered


def _parse_queue_record(value: Any) -> Queue:
    message = queues.Message()
    protojson.parse(value["queue"], message)
    queue = parse_queue(message)
    if "policy" not in value:
        return queue
    policy = json_format.ParseDict(value["policy"], policy_pb2.Policy())
    return dataclasses.replace(queue, policy=policy.SerializeToString(deterministic=True))


def _render_task(stored: StoredTask) -> dict[str, Any]:
    task = stored.task
    extra = _extra(task)
    if stored.seq is not None:
        extra["seq"] = str(stored.seq)
    return {"task": _render_message(task), "stored": extra}


def _parse_task_record(value: Any) -> StoredTask:
    extra = value.get("stored", {})
    task = _complete(_parse_message(value["task"]), extra)
    return StoredTask(task, int(extra["seq"]) if "seq" in extra else None)


def _render_dead_letter(letter: DeadLetter) -> dict[str, Any]:
    content = {
        "task": _render_message(letter.task),
        "time": times.text(letter.time),
        "reason": letter.reason,
        "answer": letter.response_body,
    }
    return {"deadLetter": content, "stored": _extra(letter.task)}


def _parse_dead_letter(value: Any) -> DeadLetter:
    content = value["deadLetter"]
    task = _complete(_parse_message(content["task"]), value.get("stored", {}))
    return DeadLetter(0, task, _time(content["time"]), content["reason"], content["answer"])


def _render_tombstone(tombstone: Tombstone) -> dict[str, Any]:
    expire_time = times.text(tombstone.expire_time)
    return {"tombstone": {"name": tombstone.name, "expireTime": expire_time}}


def _parse_tombstone(value: Any) -> Tombstone:
    content = value["tombstone"]
    names.task(content["name"])
    return Tombstone(content["name"], _time(content["expireTime"]))


def _render_message(task: Task) -> Any:
    shown = task._replace(request=envelope.open_part(task.request))
    message = tasks.encode(shown, tasks.FULL)
    message.ClearField("view")
    return json_writer.render(message)


def _parse_message(value: Any) -> Task:
    message = tasks.Message()
    protojson.parse(value, message)
    return parse_task(message)


def _extra(task: Task) -> dict[str, Any]:
    """Return what the API does not show of a task."""
    extra: dict[str, Any] = {"createTime": times.text(task.create_time)}
    if task.execution_count:
        extra["executionCount"] = task.execution_count
    if task.previous_response is not None:
        extra["previousResponse"] = task.previous_response
    if envelope.is_sealed(task.request):
        kms_key = envelope.decode(task.request).kms_key
        request = base64.b64encode(task.request).decode()
        extra["sealed"] = {"kmsKey": kms_key, "request": request}
    return extra


def _complete(task: Task, extra: Any) -> Task:
    """Return a task with what the API does not show."""
    fields: dict[str, Any] = {"execution_count": extra.get("executionCount", 0)}
    if "createTime" in extra:
        fields["create_time"] = _time(extra["createTime"])
    if "previousResponse" in extra:
        fields["previous_response"] = int(extra["previousResponse"])
    if "sealed" in extra:
        fields["request"] = base64.b64decode(extra["sealed"]["request"], validate=True)
    return task._replace(**fields)


def _time(text: str) -> Micros:
    seconds, nanos = times.parse_rfc3339(text)
    return seconds * SECOND + nanos // times.NANOS


_RENDERERS: Mapping[type, Callable[[Any], dict[str, Any]]] = {
    KmsKey: _render_kms_key,
    Queue: _render_queue,
    StoredTask: _render_task,
    Tombstone: _render_tombstone,
    DeadLetter: _render_dead_letter,
}
_PARSERS: Mapping[str, Callable[[Any], Record]] = {
    "cmekConfig": _parse_kms_key,
    "queue": _parse_queue_record,
    "task": _parse_task_record,
    "tombstone": _parse_tombstone,
    "deadLetter": _parse_dead_letter,
}

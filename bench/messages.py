"""Requests of the Cloud Tasks API, encoded before a measurement starts."""

import base64
import datetime
import json
from collections.abc import Sequence
from typing import Any

from drayman.core.clock import DAY, SECOND, Micros, SystemClock
from drayman.tasks_v2 import rpcs, types

PARENT = "projects/bench/locations/here"
BODY = b"x" * 200
BATCH = 100
"""Tasks of one BatchCreateTasks, the most that the API allows."""
IDLE_URL = "http://127.0.0.1:9/"
"""The URL of tasks that are never sent."""

clock = SystemClock()


def queue_name(queue_id: str) -> str:
    """Return the name of a queue."""
    return f"{PARENT}/queues/{queue_id}"


def path(method: str) -> str:
    """Return the gRPC path of a method."""
    return rpcs.BY_NAME[method].full_name


def encode(method: str, **fields: Any) -> bytes:
    """Return a request from its fields."""
    request = rpcs.BY_NAME[method].request
    return request.serialize(request(**fields))


def decode(method: str, reply: bytes) -> Any:
    """Return a response."""
    response = rpcs.BY_NAME[method].response
    is_plain = hasattr(response, "FromString")
    return response.FromString(reply) if is_plain else response.deserialize(reply)


def tomorrow() -> Micros:
    """Return a due time after the end of any measurement."""
    return clock.now() + DAY


def create_task(queue: str, url: str, due: Micros | None = None) -> bytes:
    """Return a CreateTaskRequest; a task without a due time is due at once."""
    return _create(queue, url, due).SerializeToString()


def create_tasks(queue: str, tasks: Sequence[tuple[str, Micros | None]]) -> bytes:
    """Return a BatchCreateTasksRequest from the URLs and due times of its tasks."""
    requests = [_create(queue, url, due) for url, due in tasks]
    message = types.BatchCreateTasksRequest.pb()(parent=queue, requests=requests)
    return message.SerializeToString()


def create_task_json(url: str, due: Micros | None = None) -> bytes:
    """Return the body of a CreateTask call over REST."""
    request = {"url": url, "body": base64.b64encode(BODY).decode()}
    task: dict[str, Any] = {"httpRequest": request}
    if due is not None:
        moment = datetime.datetime.fromtimestamp(due / SECOND, datetime.UTC)
        task["scheduleTime"] = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps({"task": task}).encode()


def _create(queue: str, url: str, due: Micros | None) -> Any:
    message = types.CreateTaskRequest.pb()(parent=queue)
    message.task.http_request.url = url
    message.task.http_request.body = BODY
    if due is not None:
        message.task.schedule_time.FromMicroseconds(due)
    return message

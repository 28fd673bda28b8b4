"""The events that calls of the API emit, before they return."""

import queue as queues
import uuid

import pytest
from google.api_core import exceptions

from drayman.core.events import (
    CallRefused,
    QueueAction,
    QueueChanged,
    TaskRunRequested,
    TasksCreated,
    TasksDeleted,
)
from drayman.core.status import Code

_UNNAMED = {"http_request": {"url": "http://127.0.0.1:1/"}}


def named(queue, task_id):
    return {"name": f"{queue}/tasks/{task_id}", **_UNNAMED}


class Emitted:
    """The events that calls of the API have emitted since the last ``take``."""

    KINDS = (QueueChanged, TasksCreated, TasksDeleted, TaskRunRequested, CallRefused)

    def __init__(self, server):
        self._server = server
        self.take()

    def take(self):
        events = []
        while True:
            try:
                events.append(self._server.events.get_nowait())
            except queues.Empty:
                return [event for event in events if isinstance(event, self.KINDS)]


@pytest.fixture
def emitted(server, queue):  # noqa: ARG001 - the events of its creation are taken
    return Emitted(server)


QUEUE_CALLS = [
    ("create_queue", lambda name: {"parent": name.rpartition("/queues/")[0],
                                   "queue": {"name": f"{name}2"}}, QueueAction.CREATED),
    ("update_queue", lambda name: {"queue": {"name": name}}, QueueAction.UPDATED),
    ("purge_queue", lambda name: {"name": name}, QueueAction.PURGED),
    ("pause_queue", lambda name: {"name": name}, QueueAction.PAUSED),
    ("resume_queue", lambda name: {"name": name}, QueueAction.RESUMED),
    ("delete_queue", lambda name: {"name": name}, QueueAction.DELETED),
]  # fmt: skip


@pytest.mark.parametrize(("method", "request_of", "action"), QUEUE_CALLS)
def test_a_change_of_a_queue_is_an_event(
    client, server, queue, emitted, method, request_of, action
):
    name = f"{queue}2" if action is QueueAction.CREATED else queue
    getattr(client, method)(request_of(queue))
    assert emitted.take() == [QueueChanged(name, action, server.clock.now(), "127.0.0.1")]


def test_an_update_that_creates_a_queue_is_its_creation(client, server, queue, emitted):
    client.update_queue({"queue": {"name": f"{queue}2"}})
    now = server.clock.now()
    assert emitted.take() == [QueueChanged(f"{queue}2", QueueAction.CREATED, now, "127.0.0.1")]


def test_a_policy_that_is_set_is_an_event(client, server, queue, emitted):
    client.set_iam_policy({"resource": queue, "policy": {}})
    now = server.clock.now()
    assert emitted.take() == [QueueChanged(queue, QueueAction.POLICY_CHANGED, now, "127.0.0.1")]


def test_calls_that_read_emit_nothing(client, location, queue, emitted):
    client.get_queue(name=queue)
    list(client.list_queues(parent=location))
    list(client.list_tasks(parent=queue))
    assert emitted.take() == []


@pytest.mark.parametrize("task_id", ["chosen", ""])
def test_a_creation_is_an_event(client, server, queue, emitted, task_id):
    task = named(queue, task_id) if task_id else _UNNAMED
    created = client.create_task(parent=queue, task=task)
    (event,) = emitted.take()
    assert isinstance(event, TasksCreated)
    assert (event.queue, event.time) == (queue, server.clock.now())
    assert event.names == [task.get("name", "")]
    assert [result.name for result in event.results] == [created.name]


def test_a_refused_creation_is_an_event_with_its_error(client, server, queue, emitted):
    task = named(queue, "twice")
    client.create_task(parent=queue, task=task)
    emitted.take()
    with pytest.raises(exceptions.Conflict):
        client.create_task(parent=queue, task=task)
    creation, refusal = emitted.take()
    assert creation.names == [task["name"]]
    assert [result.code for result in creation.results] == [Code.ALREADY_EXISTS]
    message = "Requested entity already exists"
    now = server.clock.now()
    assert refusal == CallRefused("CreateTask", Code.ALREADY_EXISTS, message, now)


def test_a_deletion_is_an_event_and_a_refused_one_too(client, server, queue, emitted):
    name, now = f"{queue}/tasks/t", server.clock.now()
    client.create_task(parent=queue, task=named(queue, "t"))
    emitted.take()
    client.delete_task(name=name)
    assert emitted.take() == [TasksDeleted(queue, [name], [None], now)]
    with pytest.raises(exceptions.NotFound):
        client.delete_task(name=f"{queue}/tasks/none")
    deletion, refusal = emitted.take()
    assert deletion.names == [f"{queue}/tasks/none"]
    assert [error.code for error in deletion.results] == [Code.NOT_FOUND]
    assert (refusal.rpc, refusal.code) == ("DeleteTask", Code.NOT_FOUND)


def test_a_request_to_run_a_task_is_an_event(client, server, queue, emitted):
    client.create_task(parent=queue, task=named(queue, "t"))
    emitted.take()
    client.run_task(name=f"{queue}/tasks/t")
    assert emitted.take() == [TaskRunRequested(f"{queue}/tasks/t", server.clock.now())]


def test_a_batch_is_one_event_of_what_reached_the_store(client, queue, emitted):
    client.create_task(parent=queue, task=named(queue, "live"))
    emitted.take()
    tasks = [named(queue, "a"), {}, _UNNAMED, named(queue, "live")]
    creation = {"parent": queue, "requests": [{"parent": queue, "task": task} for task in tasks]}
    client.batch_create_tasks(creation)
    (event,) = emitted.take()
    assert event.names == [f"{queue}/tasks/a", "", f"{queue}/tasks/live"]
    assert [getattr(result, "code", None) for result in event.results] == [
        None, None, Code.ALREADY_EXISTS,
    ]  # fmt: skip
    names = [f"{queue}/tasks/{task_id}" for task_id in ("a", "none")]
    client.batch_delete_tasks({"parent": queue, "names": names})
    (event,) = emitted.take()
    assert event.names == names
    assert [error and error.code for error in event.results] == [None, Code.NOT_FOUND]


def test_a_repeated_batch_is_a_refused_call_alone(client, queue, emitted):
    creation = {"parent": queue, "requests": [{"parent": queue, "task": named(queue, "a")}]}
    deletion = {"parent": queue, "names": [f"{queue}/tasks/a"]}
    for call, request in (
        (client.batch_create_tasks, creation),
        (client.batch_delete_tasks, deletion),
    ):
        request["request_id"] = str(uuid.uuid4())
        call(request)
        assert len(emitted.take()) == 1
        with pytest.raises(exceptions.GoogleAPICallError):
            call(request)
        assert [type(event) for event in emitted.take()] == [CallRefused]


def test_a_buffered_task_is_an_event(server, clients, location):
    name = f"{location}/queues/buffered"
    target = {"uri_override": {"scheme": "HTTP", "host": "127.0.0.1", "port": 1}}
    clients["grpc"].create_queue(parent=location, queue={"name": name, "http_target": target})
    clients["grpc"].pause_queue(name=name)
    emitted = Emitted(server)
    path = f"/v2/{name}/tasks/mine:buffer"
    server.request("POST", path, b"")
    (event,) = emitted.take()
    assert (event.queue, event.names) == (name, [f"{name}/tasks/mine"])
    assert server.request("POST", path, b"")[0] == 409
    _, refusal = emitted.take()
    assert (refusal.rpc, refusal.code) == ("BufferTask", Code.ALREADY_EXISTS)


def test_a_replay_is_a_creation(server, location, create_dead_letters):
    name = f"{location}/queues/dead"
    create_dead_letters(server, name, "t")
    emitted = Emitted(server)
    path = f"/drayman/v1/{name}/deadLetters:replay"
    status, _ = server.request("POST", path, {"tasks": ["t", "none"]})
    assert status == 200
    (event,) = emitted.take()
    assert event.names == [f"{name}/tasks/t", f"{name}/tasks/none"]
    created, missing = event.results
    assert (created.name, missing.code) == (f"{name}/tasks/t", Code.NOT_FOUND)


def test_a_refused_call_is_an_event_named_after_the_call(client, server, location, emitted):
    name = f"{location}/queues/none"
    with pytest.raises(exceptions.NotFound) as caught:
        client.get_queue(name=name, retry=None)
    (event,) = emitted.take()
    assert (event.rpc, event.code) == ("GetQueue", Code.NOT_FOUND)
    assert event.message.startswith("Queue does not exist.")
    assert event.time == server.clock.now()
    assert caught.value.message.endswith(event.message)


REFUSED_BEFORE_THE_CALL = [
    ("/v2/{}/tasks", b"{", "CreateTask"),
    ("/v2/{}/tasks?unknown=1", b"{}", "CreateTask"),
    ("/v2/{}/tasks:buffer?unknown=1", b"", "BufferTask"),
    ("/drayman/v1/{}/deadLetters:replay", b"{", "ReplayDeadLetters"),
]


@pytest.mark.parametrize(("path", "body", "rpc"), REFUSED_BEFORE_THE_CALL)
def test_a_request_that_cannot_be_read_is_a_refused_call(
    server, location, emitted, path, body, rpc
):
    status, _ = server.request("POST", path.format(f"{location}/queues/q"), body)
    assert status == 400
    (event,) = emitted.take()
    assert (event.rpc, event.code) == (rpc, Code.INVALID_ARGUMENT)

"""Errors, word for word: those that need a store, and that every call uses the checks.

The tables of the checks themselves are in tests/wire and tests/core.
"""

import datetime

import pytest

from error_details import details_of

MISSING_QUEUE = (
    "Queue does not exist. If you just created the queue, wait at least a minute for the "
    "queue to initialize."
)
MISSING = "Requested entity was not found."
FORM = "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>"
URL = "http://example.com"
REFERENCE = "https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues"


QUEUE_SETTINGS = [
    ({"rate_limits": {"max_dispatches_per_second": 501}},
     "RateLimits.maxDispatchesPerSecond must be less than or equal to 500."),
    ({"retry_config": {"max_attempts": -2}},
     "RetryConfig.maxAttempts must be greater or equal to -1."),
    ({"http_target": {"uri_override": {"host": ""}}},
     "Error in parsing HttpTarget. Invalid Host."),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), QUEUE_SETTINGS, ids=lambda row: str(row)[:60])
def test_wrong_settings_of_a_queue_are_refused(client, location, refused, settings, message):
    queue = {"name": f"{location}/queues/q", **settings}
    refused("INVALID_ARGUMENT", message, client.create_queue, parent=location, queue=queue)
    refused("INVALID_ARGUMENT", message, client.update_queue, queue=queue)


def test_a_queue_is_created_once(client, location, refused):
    queue = {"name": f"{location}/queues/q"}
    client.create_queue(parent=location, queue=queue)
    refused(
        "ALREADY_EXISTS", "Queue already exists", client.create_queue, parent=location, queue=queue
    )


def test_calls_on_a_missing_queue_are_refused(client, location, refused):
    name = f"{location}/queues/none"
    for call in (client.get_queue, client.pause_queue, client.resume_queue, client.purge_queue):
        refused("NOT_FOUND", MISSING_QUEUE, call, name=name)
    refused("NOT_FOUND", MISSING, client.delete_queue, name=name)
    refused("NOT_FOUND", MISSING_QUEUE, client.list_tasks, parent=name)
    task = {"http_request": {"url": URL}}
    refused("NOT_FOUND", MISSING_QUEUE, client.create_task, parent=name, task=task)


def test_calls_on_a_missing_task_are_refused(client, queue, refused):
    """Recorded: common errors, by call and by what is missing."""
    for call in (client.get_task, client.delete_task, client.run_task):
        refused("NOT_FOUND", MISSING, call, name=f"{queue}/tasks/never")
    elsewhere = f"{queue}2/tasks/never"
    refused("NOT_FOUND", MISSING, client.get_task, name=elsewhere)
    refused("NOT_FOUND", MISSING, client.delete_task, name=elsewhere)
    refused("NOT_FOUND", MISSING_QUEUE, client.run_task, name=elsewhere)


TASKS = [
    ({"http_request": {"url": ""}}, "HttpRequest.url is required."),
    ({"http_request": {"url": URL}, "dispatch_deadline": datetime.timedelta(seconds=14)},
     "Task.dispatchDeadline must be between [15s, 30m]."),
    ({"app_engine_http_request": {"relative_uri": "x"}},
     "AppEngineHttpRequest.relativeUri must start with '/' and contain no spaces."),
    ({"http_request": {"url": URL, "body": b"x" * (1 << 20)}}, "Task size too large"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "message"), TASKS, ids=lambda row: str(row)[:60])
def test_a_wrong_task_is_refused(client, queue, refused, task, message):
    refused("INVALID_ARGUMENT", message, client.create_task, parent=queue, task=task)


def help_of(description, field):
    link = {"description": description, "url": f"{REFERENCE}{field}"}
    return [{"@type": "type.googleapis.com/google.rpc.Help", "links": [link]}]


BAD_QUEUE_ID = (
    'Queue ID "not_valid" can contain only letters ([A-Za-z]), numbers ([0-9]), or hyphens (-). '
    "Queue ID must be between 1 and 100 characters."
)
ON_QUEUES = [
    "get_queue", "delete_queue", "pause_queue", "resume_queue", "purge_queue", "update_queue",
    "create_task", "list_tasks", "get_task", "create_queue", "get_iam_policy",
]  # fmt: skip


@pytest.mark.parametrize("call", ON_QUEUES)
def test_an_invalid_queue_id_is_refused_with_its_definition(client, location, refused, call):
    """Recorded: common errors, queue id; before the existence of the queue."""
    name = f"{location}/queues/not_valid"
    request = {
        "update_queue": {"queue": {"name": name}},
        "create_queue": {"parent": location, "queue": {"name": name}},
        "create_task": {"parent": name, "task": {"http_request": {"url": URL}}},
        "list_tasks": {"parent": name},
        "get_task": {"name": f"{name}/tasks/t"},
        "get_iam_policy": {"resource": name},
    }.get(call, {"name": name})
    error = refused("INVALID_ARGUMENT", BAD_QUEUE_ID, getattr(client, call), request=request)
    assert details_of(error) == help_of("Definition of queue ID", "#Queue.FIELDS.name")


@pytest.mark.parametrize("call", ["create_task", "get_task", "delete_task", "run_task"])
def test_an_invalid_task_id_is_refused_with_its_definition(client, queue, refused, call):
    """Recorded: common errors, task id; before the existence of the task."""
    name = f"{queue}/tasks/not valid"
    request = {"name": name}
    if call == "create_task":
        request = {"parent": queue, "task": {"name": name, "http_request": {"url": URL}}}
    message = (
        'Task ID "not valid" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), '
        "or underscores (_). Task ID must between 1 and 500 characters."
    )
    error = refused("INVALID_ARGUMENT", message, getattr(client, call), request=request)
    assert details_of(error) == help_of("Definition of task ID", ".tasks#Task.FIELDS.name")


@pytest.mark.parametrize("queue", [None, {"name": "bad"}])
def test_a_new_queue_needs_a_full_name(client, location, refused, queue):
    """Recorded: common errors, queue name."""
    message = f'Queue name must be formatted: "{FORM}".'
    request = {"parent": location, "queue": queue}
    error = refused("INVALID_ARGUMENT", message, client.create_queue, request=request)
    assert details_of(error) == help_of("Definition of queue name", "#Queue.FIELDS.name")


def test_a_new_task_needs_a_full_name(client, queue, refused):
    """Recorded: common errors, task name."""
    message = f'Task name must be formatted: "{FORM}/tasks/<TASK_ID>".'
    request = {"parent": queue, "task": {"name": "bad", "http_request": {"url": URL}}}
    error = refused("INVALID_ARGUMENT", message, client.create_task, request=request)
    assert details_of(error) == help_of("Definition of task name", ".tasks#Task.FIELDS.name")


def test_the_project_of_a_new_queue_comes_before_its_name(clients, refused):
    """Recorded: order of checks, CreateQueue."""
    create_queue = clients["grpc"].create_queue
    queue = {"name": "bad"}
    message = "Permission denied on resource project not-a-valid-parent."
    request = {"parent": "not-a-valid-parent", "queue": queue}
    refused("PERMISSION_DENIED", message, create_queue, request=request)
    request = {"parent": "projects/p/locations/l", "queue": queue}
    refused("INVALID_ARGUMENT", None, create_queue, request=request)
    queue = {"name": "projects/p/locations/other/queues/q"}
    message = f"{queue['name']} must begin with projects/p/locations/l."
    refused("INVALID_ARGUMENT", message, create_queue, request=request | {"queue": queue})


FIELD_ERRORS = [  # texts recorded or ours
    ("update_queue", lambda queue: {"queue": {"name": queue}, "update_mask": {"paths": ["bogus"]}}),
    ("create_task", lambda queue: {"parent": queue, "task": {"http_request": {"url": "x"}}}),
    ("list_tasks", lambda queue: {"parent": queue, "page_token": "x"}),
    ("list_tasks", lambda queue: {"parent": queue, "page_size": -1}),
    ("batch_create_tasks", lambda queue: {"parent": queue}),
    ("batch_delete_tasks", lambda queue: {
        "parent": queue, "names": [f"{queue}/tasks/t"], "request_id": "a b"}),
    ("set_iam_policy", lambda queue: {"resource": queue, "policy": {"version": 2}}),
]  # fmt: skip


@pytest.mark.parametrize(("call", "content"), FIELD_ERRORS)
def test_the_error_of_a_field_has_no_details(client, queue, refused, call, content):
    """Recorded: which errors have details."""
    error = refused("INVALID_ARGUMENT", None, getattr(client, call), content(queue))
    assert details_of(error) == []


def test_an_unknown_view_is_refused(clients, queue, refused):
    request = {"name": f"{queue}/tasks/t", "response_view": 9}
    message = "response_view has the unknown value 9."
    refused("INVALID_ARGUMENT", message, clients["grpc"].get_task, request)

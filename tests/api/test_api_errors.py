"""Errors, word for word: those that need a store, and that every call uses the checks.

The tables of the checks themselves are in tests/wire and tests/core.
"""

import datetime

import pytest
from google.protobuf import json_format

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
     "HttpTarget.uriOverride.host cannot be empty."),
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


@pytest.mark.parametrize("queue_id", ["", "a_b"])
def test_a_malformed_queue_name_is_refused(client, location, refused, queue_id):
    refused(
        "INVALID_ARGUMENT",
        f'Queue name must be formatted: "{FORM}".',
        client.create_queue,
        parent=location,
        queue={"name": f"{location}/queues/{queue_id}"},
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
    for call in (client.get_task, client.delete_task, client.run_task):
        refused("NOT_FOUND", MISSING, call, name=f"{queue}/tasks/never")


TASKS = [
    ({"http_request": {"url": ""}}, "HttpRequest.url is required."),
    ({"http_request": {"url": URL}, "dispatch_deadline": datetime.timedelta(seconds=14)},
     "Task.dispatchDeadline must be between [15s, 30m]."),
    ({"app_engine_http_request": {"relative_uri": "x"}},
     "AppEngineHttpRequest.relativeUri must start with '/' and contain no spaces."),
    ({}, "Task.message_type is not set."),
    ({"http_request": {"url": URL, "body": b"x" * (1 << 20)}}, "Task size too large"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "message"), TASKS, ids=lambda row: str(row)[:60])
def test_a_wrong_task_is_refused(client, queue, refused, task, message):
    refused("INVALID_ARGUMENT", message, client.create_task, parent=queue, task=task)


@pytest.mark.parametrize("task_id", ["a.b", ""])
def test_a_malformed_task_id_is_refused(client, queue, refused, task_id):
    refused(
        "INVALID_ARGUMENT",
        f'Task ID "{task_id}" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), '
        "or underscores (_). Task ID must between 1 and 500 characters.",
        client.create_task,
        parent=queue,
        task={"name": f"{queue}/tasks/{task_id}", "http_request": {"url": URL}},
    )


def detail(error):
    """Return the first detail as JSON."""
    return as_json(error.details[0])


def as_json(detail):
    """Return a detail as JSON, which is what Google's client keeps of it over REST."""
    return detail if isinstance(detail, dict) else json_format.MessageToDict(detail)


def test_name_errors_carry_the_recorded_help(client, location, queue, refused):
    bad = {"name": f"{location}/queues/a_b"}
    error = refused("INVALID_ARGUMENT", None, client.create_queue, parent=location, queue=bad)
    assert detail(error)["links"] == [
        {"description": "Definition of queue name", "url": f"{REFERENCE}#Queue.FIELDS.name"}
    ]
    bad = {"name": f"{queue}/tasks/a b", "http_request": {"url": URL}}
    error = refused("INVALID_ARGUMENT", None, client.create_task, parent=queue, task=bad)
    assert detail(error)["links"] == [
        {"description": "Definition of task ID", "url": f"{REFERENCE}.tasks#Task.FIELDS.name"}
    ]


def test_a_wrong_field_is_named_in_the_details(client, queue, refused):
    task = {"http_request": {"url": "x"}}
    error = refused("INVALID_ARGUMENT", None, client.create_task, parent=queue, task=task)
    (violation,) = detail(error)["fieldViolations"]
    assert violation["field"] == "HttpTarget.url"


OWN = [
    ("update_mask", "update_queue", lambda queue: {
        "queue": {"name": queue}, "update_mask": {"paths": ["\U0001f600" * 3_000]}}),
    ("page_token", "list_tasks", lambda queue: {"parent": queue, "page_token": "x"}),
    ("page_size", "list_tasks", lambda queue: {"parent": queue, "page_size": -1}),
    ("requests", "batch_create_tasks", lambda queue: {"parent": queue}),
    ("names[0]", "batch_delete_tasks", lambda queue: {
        "parent": queue, "names": [f"{queue}2/tasks/t"]}),
    ("request_id", "batch_delete_tasks", lambda queue: {
        "parent": queue, "names": [f"{queue}/tasks/t"], "request_id": "a b"}),
    ("policy.version", "set_iam_policy", lambda queue: {
        "resource": queue, "policy": {"version": 2}}),
]  # fmt: skip


@pytest.mark.parametrize(("field", "call", "content"), OWN, ids=[row[0] for row in OWN])
def test_errors_with_texts_of_our_own_name_the_field(client, queue, refused, field, call, content):
    error = refused("INVALID_ARGUMENT", None, getattr(client, call), content(queue))
    (violation,) = detail(error)["fieldViolations"]
    assert violation["field"] == field
    assert error.message.endswith(violation["description"]) or field == "update_mask"


def test_a_malformed_parent_looks_like_an_unknown_project(client, refused):
    message = "Permission denied on resource project é."
    parent = "projects/é/locations/l"
    error = refused(
        "PERMISSION_DENIED", message, client.create_queue, parent=parent, queue={"name": "x"}
    )
    info = next(each for each in map(as_json, error.details) if "reason" in each)
    assert info["reason"] == "CONSUMER_INVALID"
    assert info["domain"] == "googleapis.com"
    assert info["metadata"]["consumer"] == "projects/é"


def test_an_unknown_view_is_refused(clients, queue, refused):
    request = {"name": f"{queue}/tasks/t", "response_view": 9}
    message = "response_view has the unknown value 9."
    refused("INVALID_ARGUMENT", message, clients["grpc"].get_task, request)

"""Every recorded refusal of the real service, word for word; and those whose words are ours."""

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


def spelled(field, form, name):
    return (
        "Invalid resource field value in the request. "
        f'"{field}" must be formatted "{form}", not "{name}".'
    )


QUEUE_SETTINGS = [
    ({"rate_limits": {"max_dispatches_per_second": -1}},
     "RateLimits.maxDispatchesPerSecond cannot be negative."),
    ({"rate_limits": {"max_dispatches_per_second": 501}},
     "RateLimits.maxDispatchesPerSecond must be less than or equal to 500."),
    ({"rate_limits": {"max_concurrent_dispatches": -1}},
     "RateLimits.maxConcurrentDispatches cannot be negative."),
    ({"rate_limits": {"max_concurrent_dispatches": 5001}},
     "RateLimits.maxConcurrentDispatches must be less than or equal to 5000."),
    ({"retry_config": {"max_attempts": -2}},
     "RetryConfig.maxAttempts must be greater or equal to -1."),
    ({"retry_config": {"max_doublings": -1}}, "RetryConfig.maxDoublings cannot be negative."),
    ({"retry_config": {"min_backoff": {"seconds": -1}}},
     "RetryConfig.minBackoff cannot be negative."),
    ({"retry_config": {"max_backoff": {"seconds": -1}}},
     "RetryConfig.maxBackoff cannot be negative."),
    ({"retry_config": {"max_retry_duration": {"seconds": -1}}},
     "RetryConfig.maxRetryDuration cannot be negative."),
    ({"retry_config": {"min_backoff": {"seconds": 2}, "max_backoff": {"seconds": 1}}},
     "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff."),
    ({"http_target": {"uri_override": {"host": ""}}},
     "HttpTarget.uriOverride.host cannot be empty."),
    ({"http_target": {"uri_override": {"host": "a/b"}}},
     "HttpTarget.uriOverride.host must be a host name."),
    ({"http_target": {"uri_override": {"port": -1}}},
     "HttpTarget.uriOverride.port must be a port number, or 0 for none."),
    ({"http_target": {"uri_override": {"port": 65536}}},
     "HttpTarget.uriOverride.port must be a port number, or 0 for none."),
    ({"http_target": {"uri_override": {"scheme": 9}}},
     "HttpTarget.uriOverride.scheme has the unknown value 9."),
    ({"http_target": {"uri_override": {"uri_override_enforce_mode": 9}}},
     "HttpTarget.uriOverride.uriOverrideEnforceMode has the unknown value 9."),
    ({"http_target": {"http_method": 99}}, "HttpTarget.httpMethod has the unknown value 99."),
    ({"http_target": {"header_overrides": [{"header": {"key": "", "value": "x"}}]}},
     "HttpTarget.headerOverrides has the invalid name ''."),
    ({"http_target": {"header_overrides": [{"header": {"key": "a", "value": "x\n"}}]}},
     'HttpTarget.headerOverrides["a"] contains a line break or another control character.'),
    ({"http_target": {"header_overrides": [{"header": {"key": "a", "value": "x" * 81920}}]}},
     "HttpTarget.headerOverrides must be less than 80 KB in total."),
    ({"http_target": {"oidc_token": {"service_account_email": "a@b"}}},
     "HttpTarget.oidcToken.audience is required."),
    ({"http_target": {"oidc_token": {"audience": "x"}}},
     "HttpTarget.oidcToken.serviceAccountEmail is required."),
    ({"http_target": {"oauth_token": {"service_account_email": "a@b"}}},
     "HttpTarget.oauthToken.scope is required."),
    *(
        ({"http_target": {
            kind: {"service_account_email": "a@b", other: "x"} | {field: "x" * size}}},
         f"HttpTarget.{named} must be at most {size - 1} characters long.")
        for kind, other, field, size, named in (
            ("oidc_token", "audience", "service_account_email", 321,
             "oidcToken.serviceAccountEmail"),
            ("oidc_token", "audience", "audience", 2084, "oidcToken.audience"),
            ("oauth_token", "scope", "service_account_email", 321,
             "oauthToken.serviceAccountEmail"),
            ("oauth_token", "scope", "scope", 2084, "oauthToken.scope"),
        )
    ),
    *(
        ({"http_target": {"uri_override": {"host": host}}},
         "HttpTarget.uriOverride.host must be a host name.")
        for host in ("a:80", "a b", "a\x01", "[::1", "[x]", "a\n", "a" * 2084)
    ),
    ({"http_target": {"uri_override": {"path_override": {"path": "x" * 2084}}}},
     "HttpTarget.uriOverride.pathOverride.path must be at most 2083 characters long."),
    ({"http_target": {"uri_override": {"query_override": {"query_params": "x" * 2084}}}},
     "HttpTarget.uriOverride.queryOverride.queryParams must be at most 2083 characters long."),
    *(
        ({"app_engine_routing_override": {field: wrong}},
         f"AppEngineRouting.{field} can contain only letters, numbers or hyphens, 100 at most.")
        for field in ("service", "version", "instance") for wrong in ("a.b", "é", "a" * 101)
    ),
    ({"stackdriver_logging_config": {"sampling_ratio": 1.5}},
     "StackdriverLoggingConfig.samplingRatio must be between 0.0 and 1.0."),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), QUEUE_SETTINGS, ids=lambda row: str(row)[:60])
def test_queue_settings(client, location, refused, settings, message):
    queue = {"name": f"{location}/queues/q", **settings}
    refused("INVALID_ARGUMENT", message, client.create_queue, parent=location, queue=queue)
    refused("INVALID_ARGUMENT", message, client.update_queue, queue=queue)


def test_queue_exists(client, location, refused):
    queue = {"name": f"{location}/queues/q"}
    client.create_queue(parent=location, queue=queue)
    refused(
        "ALREADY_EXISTS", "Queue already exists", client.create_queue, parent=location, queue=queue
    )


@pytest.mark.parametrize("queue_id", ["", "a_b", "a.b", "é", "x" * 101, "a/b"])
def test_queue_name_malformed(client, location, refused, queue_id):
    refused(
        "INVALID_ARGUMENT",
        f'Queue name must be formatted: "{FORM}".',
        client.create_queue,
        parent=location,
        queue={"name": f"{location}/queues/{queue_id}"},
    )


def test_queue_name_outside_parent(client, location, refused):
    name = "projects/other/locations/l/queues/q"
    refused(
        "INVALID_ARGUMENT",
        f"{name} must begin with {location}.",
        client.create_queue,
        parent=location,
        queue={"name": name},
    )


def test_queue_missing(client, location, refused):
    name = f"{location}/queues/none"
    for call in (client.get_queue, client.pause_queue, client.resume_queue, client.purge_queue):
        refused("NOT_FOUND", MISSING_QUEUE, call, name=name)
    refused("NOT_FOUND", MISSING, client.delete_queue, name=name)
    refused("NOT_FOUND", MISSING_QUEUE, client.list_tasks, parent=name)
    task = {"http_request": {"url": URL}}
    refused("NOT_FOUND", MISSING_QUEUE, client.create_task, parent=name, task=task)


def test_task_missing(client, queue, refused):
    for call in (client.get_task, client.delete_task, client.run_task):
        refused("NOT_FOUND", MISSING, call, name=f"{queue}/tasks/never")


def too_far(when):
    return (
        f"The Task.scheduleTime, {when}, is too far in the future. "
        "Schedule time must be no more than 720h in the future."
    )


HTTPS = (
    "HttpRequest.url must start with 'https://' for request with HttpRequest.authorization_header"
)
HTTP_DEADLINE = "Task.dispatchDeadline must be between [15s, 30m]."
APP_ENGINE_DEADLINE = "Task.dispatchDeadline must be between [15s, 24h15s]."


def http(**request):
    return {"http_request": {"url": URL, **request}}


def seconds(count):
    return datetime.timedelta(seconds=count)


TASKS = [
    (http(url=""), "HttpRequest.url is required."),
    (http(url="ftp://example.com"),
     "HttpTarget.url must start with 'http://' or 'https://'."),
    *(
        (http(url=url), "HttpRequest.url has no valid host and port.")
        for url in ("http://", "https:///x", "http://:80/", "http://a:99999/", "http://[::1",
                    "http://a b/", "http://a:b/", "http://a\n", "http://a\x01/", "http://a:\u0661/")
    ),
    (http(headers={"a": "\x01"}),
     'HttpRequest.headers["a"] contains a line break or another control character.'),
    (http(url="example.com"), "HttpTarget.url must start with 'http://' or 'https://'."),
    (http(url=URL + "/" + "x" * 2083), "HttpRequest.url must be at most 2083 characters long."),
    (http(url=URL + "/" + "é" * 350), "HttpRequest.url must be at most 2083 characters long."),
    (http(http_method="GET", body=b"x"),
     "HttpRequest.body is allowed only for the methods POST, PUT, PATCH, not for GET."),
    (http(headers={"a": "x" * 80 * 1024}), "HttpRequest.headers must be less than 80 KB in total."),
    (http(headers={"a b": "x"}), "HttpRequest.headers has the invalid name 'a b'."),
    (http(headers={"a": "x\ny"}),
     'HttpRequest.headers["a"] contains a line break or another control character.'),
    (http(oidc_token={"service_account_email": "a@b"}), HTTPS),
    (http(oauth_token={"service_account_email": "a@b"}), HTTPS),
    (http(url="https://example.com", oidc_token={"audience": "x"}),
     "HttpRequest.oidcToken.serviceAccountEmail is required."),
    (http() | {"dispatch_deadline": seconds(14)}, HTTP_DEADLINE),
    (http() | {"dispatch_deadline": seconds(1801)}, HTTP_DEADLINE),
    (http() | {"retry_config": {"max_attempts": -2}},
     "RetryConfig.maxAttempts must be greater or equal to -1."),
    ({"app_engine_http_request": {}, "dispatch_deadline": seconds(14)}, APP_ENGINE_DEADLINE),
    ({"app_engine_http_request": {}, "dispatch_deadline": seconds(86_416)}, APP_ENGINE_DEADLINE),
    ({"app_engine_http_request": {"app_engine_routing": {"service": "a/b"}}},
     "AppEngineRouting.service can contain only letters, numbers or hyphens, 100 at most."),
    (http(url="https://a", oidc_token={"service_account_email": "a@b", "audience": "x" * 2084}),
     "HttpRequest.oidcToken.audience must be at most 2083 characters long."),
    ({"app_engine_http_request": {"relative_uri": "x"}},
     "AppEngineHttpRequest.relativeUri must start with '/' and contain no spaces."),
    ({"app_engine_http_request": {"relative_uri": "/a b"}},
     "AppEngineHttpRequest.relativeUri must start with '/' and contain no spaces."),
    ({"app_engine_http_request": {"http_method": "PATCH", "body": b"x"}},
     "AppEngineHttpRequest.body is allowed only for the methods POST, PUT, not for PATCH."),
    ({}, "Task.message_type is not set."),
    (http() | {"schedule_time": {"seconds": 4_102_444_800}},
     too_far("2099-12-31T16:00:00-08:00")),
    (http(body=b"x" * (1 << 20)), "Task size too large"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "message"), TASKS, ids=lambda row: str(row)[:60])
def test_task(client, queue, refused, task, message):
    refused("INVALID_ARGUMENT", message, client.create_task, parent=queue, task=task)


@pytest.mark.parametrize("task_id", ["a.b", "é", "a b", "x" * 501, "", "a:b"])
def test_task_id_malformed(client, queue, refused, task_id):
    refused(
        "INVALID_ARGUMENT",
        f'Task ID "{task_id}" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), '
        "or underscores (_). Task ID must between 1 and 500 characters.",
        client.create_task,
        parent=queue,
        task={"name": f"{queue}/tasks/{task_id}", "http_request": {"url": URL}},
    )


def test_task_name_in_another_queue(client, queue, refused):
    refused(
        "INVALID_ARGUMENT",
        f"The queue name from request ('{queue}') must be the same as the queue name in the "
        f"named task ('{queue}2').",
        client.create_task,
        parent=queue,
        task={"name": f"{queue}2/tasks/t", "http_request": {"url": URL}},
    )


def detail(error):
    """Return the first detail as JSON, which is what Google's client keeps of it over REST."""
    first = error.details[0]
    return first if isinstance(first, dict) else json_format.MessageToDict(first)


def test_refusals_carry_the_recorded_help(client, location, queue, refused):
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
    ("response_view", "get_task", lambda queue: {"name": f"{queue}/tasks/t", "response_view": 9}),
    ("page_token", "list_tasks", lambda queue: {"parent": queue, "page_token": "x"}),
    ("page_size", "list_tasks", lambda queue: {"parent": queue, "page_size": -1}),
    ("requests", "batch_create_tasks", lambda queue: {"parent": queue}),
    ("names[0]", "batch_delete_tasks", lambda queue: {
        "parent": queue, "names": [f"{queue}2/tasks/t"]}),
    ("request_id", "batch_delete_tasks", lambda queue: {
        "parent": queue, "names": [f"{queue}/tasks/t"], "request_id": "a b"}),
    ("policy.version", "set_iam_policy", lambda queue: {
        "resource": queue, "policy": {"version": 2}}),
    ("RetryConfig.maxBackoff", "update_queue", lambda queue: {
        "queue": {"name": queue, "retry_config": {"max_backoff": {"seconds": -1}}}}),
    ('HttpRequest.headers["a"]', "create_task", lambda queue: {
        "parent": queue, "task": {"http_request": {"url": URL, "headers": {"a": "\n"}}}}),
    ("Task.scheduleTime", "create_task", lambda queue: {
        "parent": queue, "task": {"schedule_time": {"nanos": -1}}}),
]  # fmt: skip


@pytest.mark.parametrize(("field", "call", "content"), OWN, ids=[row[0] for row in OWN])
def test_refusals_in_words_of_our_own_name_the_field(
    client, clients, queue, refused, field, call, content
):
    if field in {"response_view", "Task.scheduleTime"}:  # REST has no words for what is none
        client = clients["grpc"]
    error = refused("INVALID_ARGUMENT", None, getattr(client, call), content(queue))
    (violation,) = detail(error)["fieldViolations"]
    assert violation["field"] == field
    assert error.message.endswith(violation["description"]) or field == "update_mask"


def test_a_parent_that_is_no_location(client, refused):
    words = "Permission denied on resource project é."
    parent = "projects/é/locations/l"
    error = refused(
        "PERMISSION_DENIED", words, client.create_queue, parent=parent, queue={"name": "x"}
    )
    assert error.reason == "CONSUMER_INVALID"
    assert error.domain == "googleapis.com"
    assert error.metadata["consumer"] == "projects/é"

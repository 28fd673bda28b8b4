"""CreateTask over both transports: the stored task and each refusal, word for word.

Source: recorded (tasks). The rules beyond these cases are tested without a server, in
``tests/wire/test_wire_tasks.py`` and ``tests/core/test_core_headers.py``.
"""

import datetime

import pytest
from google.cloud import tasks_v2
from google.protobuf import duration_pb2, timestamp_pb2

from drayman.core.clock import SECOND
from error_details import details_of

URL = "https://example.com/work"
FULL = tasks_v2.Task.View.FULL
EMAIL = "tasks@example.iam.gserviceaccount.com"
INVALID = "Request contains an invalid argument."
OAUTH_HOST = (
    "Invalid url for HttpRequest.oauth_token. The hostname in the url must end with "
    '".googleapis.com"'
)
TOO_FAR = (
    "The Task.scheduleTime, 2099-12-31T16:00:00-08:00, is too far in the future. Schedule "
    "time must be no more than 720h in the future."
)
DEADLINE = "Task.dispatchDeadline must be between [15s, 30m]."


def http(**fields):
    return {"http_request": {"url": URL} | fields}


def oidc(email, **fields):
    return http(oidc_token={"service_account_email": email} | fields)


def oauth(email, url="https://cloudtasks.googleapis.com/v2", **fields):
    return http(url=url, oauth_token={"service_account_email": email} | fields)


def seconds(count):
    return datetime.timedelta(seconds=count)


def create(client, queue, task):
    request = {"parent": queue, "task": task, "response_view": FULL}
    return client.create_task(request=request)


ERRORS = [
    (None, "Task.payload_type is not set."),
    ({}, "Task.payload_type is not set."),
    ({"dispatch_deadline": seconds(20)}, "Task.payload_type is not set."),
    (http(url=""), "HttpRequest.url is required."),
    (http(url="ftp://example.com"), "HttpTarget.url must start with 'http://' or 'https://'."),
    (http(url="example.com"), "HttpTarget.url must start with 'http://' or 'https://'."),
    *(
        (
            http(http_method=method, body=b"x"),
            "Body can only be set if the http_method is POST, PUT, or PATCH.",
        )
        for method in ("GET", "HEAD", "DELETE", "OPTIONS")
    ),
    (http() | {"dispatch_deadline": seconds(14)}, DEADLINE),
    (http() | {"dispatch_deadline": seconds(1801)}, DEADLINE),
    (http() | {"schedule_time": datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)}, TOO_FAR),
    (http(body=b"x" * (1 << 20)), "Task size too large"),
    *(
        (token(email), message)
        for token in (oidc, oauth)
        for email, message in [
            ("", "service_account_email must be set."),
            ("not-an-email", INVALID),
            ("tasks@", INVALID),
            ("@example.com", INVALID),
            ("tasks@a@example.com", INVALID),
        ]
    ),
    *(
        (oauth(EMAIL, url), OAUTH_HOST)
        for url in ("https://example.com/", "https://googleapis.com/")
    ),
    (
        http() | {"retry_config": {"max_attempts": -2}},
        "RetryConfig.maxAttempts must be greater or equal to -1.",
    ),
]


@pytest.mark.parametrize(("task", "message"), ERRORS, ids=lambda row: str(row)[:60])
def test_a_task_that_breaks_a_rule_is_refused_without_details(
    client, queue, refused, task, message
):
    request = {"parent": queue} | ({} if task is None else {"task": task})
    error = refused("INVALID_ARGUMENT", message, client.create_task, request)
    assert details_of(error) == []


def test_a_name_in_another_queue_is_refused(client, queue, refused):
    message = (
        f"The queue name from request ('{queue}') must be the same as the queue name in the named "
        f"task ('{queue}2')."
    )
    task = http() | {"name": f"{queue}2/tasks/t"}
    error = refused("INVALID_ARGUMENT", message, client.create_task, parent=queue, task=task)
    assert details_of(error) == []


@pytest.mark.parametrize(
    ("schedule_time", "nanos"),
    [(None, None), (0, 0), (-3600, 0), (-62_135_596_800, 0), (1_000, 999_999_999)],
    ids=["absent", "1970", "1969", "year 1", "with nanoseconds"],
)
def test_an_absent_or_past_schedule_time_is_now(client, queue, server, schedule_time, nanos):
    task = http()
    if schedule_time is not None:
        task["schedule_time"] = timestamp_pb2.Timestamp(seconds=schedule_time, nanos=nanos)
    created = create(client, queue, task)
    assert created.schedule_time.timestamp() == server.clock.now() / SECOND


def test_a_schedule_time_before_the_first_year_is_now_over_grpc(clients, location, server):
    client, queue = clients["grpc"], f"{location}/queues/q"
    client.create_queue(parent=location, queue={"name": queue})
    client.pause_queue(name=queue)
    before_year_1 = timestamp_pb2.Timestamp(seconds=-62_135_596_801)
    created = create(client, queue, http() | {"schedule_time": before_year_1})
    assert created.schedule_time.timestamp() == server.clock.now() / SECOND


def test_times_are_stored_in_microseconds_and_a_deadline_in_milliseconds(client, queue, server):
    due = timestamp_pb2.Timestamp(seconds=server.clock.now() // SECOND + 60, nanos=123_456_789)
    deadline = duration_pb2.Duration(seconds=20, nanos=123_456_789)
    task = http() | {"schedule_time": due, "dispatch_deadline": deadline}
    created = create(client, queue, task)
    assert created.schedule_time.nanosecond == 123_456_000
    assert created.dispatch_deadline == datetime.timedelta(seconds=20, milliseconds=123)
    assert created.create_time.timestamp() == server.clock.now() // SECOND


SENT = {
    "X-Kept": "v", "Host": "v", "CONNECTION": "v", "x-appengine-custom": "v", "X-Google": "v",
    "user-agent": "v", "X-Goog-Custom": "v", "X/Slash": "v", "a b": "v", "é": "v",
    "X-Breaks": "a\r\nb", "X-Nul": "a\0b", "X-Control": "\x01", "X-Umlaut": "ü", "X-Empty": "",
    "X-Blank": " ", "X-Long": "v" * 8183, "Authorization": "Basic x", "X-CloudTasks-TaskName": "v",
}  # fmt: skip
STORED = {
    "X-Kept": "v", "X-Goog-Custom": "v", "X/Slash": "v", "X-Breaks": "a__b", "X-Nul": "a",
    "X-Blank": " ", "Authorization": "Basic x", "X-CloudTasks-TaskName": "v",
    "User-Agent": "Google-Cloud-Tasks",
}  # fmt: skip


def test_headers_are_stored_sanitized(client, queue):
    created = create(client, queue, http(headers=SENT))
    assert dict(created.http_request.headers) == STORED
    assert dict(client.get_task(name=created.name).http_request.headers) == STORED


def test_tokens_are_completed(client, queue):
    url = f"{URL}?a=b"
    created = create(client, queue, http(url=url, oidc_token={"service_account_email": EMAIL}))
    assert created.http_request.oidc_token.audience == url
    created = create(client, queue, oauth(EMAIL))
    assert created.http_request.oauth_token.scope == (
        "https://www.googleapis.com/auth/cloud-platform"
    )
    created = create(client, queue, oidc(EMAIL, audience="audience"))
    assert created.http_request.oidc_token.audience == "audience"
    created = create(client, queue, oauth(EMAIL, scope="scope"))
    assert created.http_request.oauth_token.scope == "scope"


def test_a_partial_retry_config_is_filled_in(client, queue):
    assert "retry_config" not in create(client, queue, http())
    created = create(client, queue, http() | {"retry_config": {"max_attempts": 3}})
    assert created.retry_config == tasks_v2.RetryConfig(
        max_attempts=3,
        min_backoff=datetime.timedelta(milliseconds=100),
        max_backoff=datetime.timedelta(hours=1),
        max_doublings=16,
    )
    assert "max_retry_duration" not in created.retry_config
    assert client.get_task(name=created.name).retry_config == created.retry_config


def test_a_task_is_answered_over_rest_as_recorded(server, clients, location):
    queue = f"{location}/queues/q"
    clients["rest"].create_queue(parent=location, queue={"name": queue})
    clients["rest"].pause_queue(name=queue)
    task = {"httpRequest": {"url": URL, "body": "aGk="}, "dispatchDeadline": "20.123456789s"}
    content = {"task": task | {"retryConfig": {"maxAttempts": 3}}, "responseView": "FULL"}
    status, answer = server.request("POST", f"/v2/{queue}/tasks", content)
    assert status == 200
    assert answer.pop("name").startswith(f"{queue}/tasks/")
    assert answer.pop("scheduleTime")
    assert answer.pop("createTime")
    assert answer == {
        "httpRequest": {
            "url": URL,
            "httpMethod": "POST",
            "headers": {"User-Agent": "Google-Cloud-Tasks"},
            "body": "aGk=",
        },
        "dispatchDeadline": "20.123s",
        "view": "FULL",
        "retryConfig": {
            "maxAttempts": 3,
            "minBackoff": "0.100s",
            "maxBackoff": "3600s",
            "maxDoublings": 16,
        },
    }


def test_a_refusal_over_rest_has_no_details_key(server, clients, location):
    queue = f"{location}/queues/q"
    clients["rest"].create_queue(parent=location, queue={"name": queue})
    answer = server.request("POST", f"/v2/{queue}/tasks", {"task": {}})
    message = "Task.payload_type is not set."
    assert answer == (
        400,
        {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}},
    )

"""Tasks: what CreateTask makes of a message, every refusal word for word, and what is shown.

Sources: recorded errors and answers, API text; reference 2.3, 4.1.
"""

import dataclasses
import datetime

import pytest
from hypothesis import given

from drayman.core import limits, names
from drayman.core.clock import DAY, HOUR, MINUTE, SECOND
from drayman.core.errors import InvalidArgument
from drayman.core.limits import TaskLimits
from drayman.core.task import Task
from drayman.tasks_v2 import types
from drayman.wire import tasks
from message_strategies import messages

QUEUE = "projects/p/locations/l/queues/q"
URL = "http://example.com"
NOW = 1_700_000_000 * SECOND
LIMITS = TaskLimits()
HORIZON = 30 * DAY


def parse(content, allowed=LIMITS):
    return tasks.parse(QUEUE, tasks.Message(**content), NOW, allowed)


def stored(content, view=tasks.FULL):
    """Return the message of a task after it was created."""
    new = parse(content)
    task = Task(names.join_task(QUEUE, new.id or "1"), NOW, new.schedule_time, new.request)
    return tasks.encode(task, view)


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
def test_a_task_that_breaks_a_rule_is_refused(refused, task, message):
    refused(message, parse, task)


@pytest.mark.parametrize("task_id", ["a.b", "é", "a b", "x" * 501, "", "a:b"])
def test_a_malformed_task_id_is_refused(refused, task_id):
    refused(
        f'Task ID "{task_id}" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), '
        "or underscores (_). Task ID must between 1 and 500 characters.",
        parse,
        http() | {"name": f"{QUEUE}/tasks/{task_id}"},
    )


def test_a_task_name_in_another_queue_is_refused(refused):
    refused(
        f"The queue name from request ('{QUEUE}') must be the same as the queue name in the "
        f"named task ('{QUEUE}2').",
        parse,
        http() | {"name": f"{QUEUE}2/tasks/t"},
    )


@pytest.mark.parametrize(
    ("field", "task"),
    [
        ("HttpTarget.url", http(url="x")),
        ('HttpRequest.headers["a"]', http(headers={"a": "\n"})),
        ("Task.scheduleTime", {"schedule_time": {"nanos": -1}}),
        ("Task.scheduleTime", http() | {"schedule_time": {"seconds": -62_135_596_801}}),
        ("Task.dispatchDeadline", http() | {"dispatch_deadline": {"seconds": 1, "nanos": -1}}),
        ("RetryConfig.maxBackoff", http() | {"retry_config": {"max_backoff": {"seconds": -1}}}),
    ],
)
def test_an_error_with_a_text_of_our_own_names_the_field_and_has_no_details(refused, field, task):
    error = refused(None, parse, task)
    assert error.message.startswith(f"{field} ")
    assert not error.details


@pytest.mark.parametrize(
    ("first", "task"),
    [
        ("Task ID", {"name": f"{QUEUE}/tasks/a b", "schedule_time": {"nanos": -1}}),
        ("Task.scheduleTime", {"schedule_time": {"nanos": -1}}),
        ("HttpRequest.oidcToken.serviceAccountEmail", http(url="", oidc_token={"audience": "x"})),
        ("HttpRequest.url", http(url="", http_method=99)),
        ("HttpRequest.url", http(http_method=99, oidc_token={"service_account_email": "a"})),
        ("HttpRequest.httpMethod", http(http_method=99, headers={"": ""})),
        ("HttpRequest.body", http(http_method="GET", body=b"x", headers={"": ""})),
        ("HttpRequest.headers",
         http(url="https://a", headers={"": ""},
              oidc_token={"service_account_email": "a" * 321})),
        ("HttpRequest.oidcToken",
         http(url="https://a", oidc_token={"service_account_email": "a" * 321})
         | {"dispatch_deadline": seconds(1)}),
        ("AppEngineHttpRequest.relativeUri",
         {"app_engine_http_request": {"relative_uri": "x", "http_method": 99}}),
        ("AppEngineHttpRequest.headers",
         {"app_engine_http_request": {
             "headers": {"": ""}, "app_engine_routing": {"service": "."}}}),
        ("AppEngineRouting.service",
         {"app_engine_http_request": {"app_engine_routing": {"service": ".", "version": "."}},
          "dispatch_deadline": seconds(1)}),
        ("Task.dispatchDeadline",
         http() | {"dispatch_deadline": seconds(1), "retry_config": {"max_attempts": -2}}),
        ("RetryConfig.maxAttempts",
         http(body=b"x" * (1 << 20)) | {
             "retry_config": {"max_attempts": -2, "min_backoff": {"seconds": -1}}}),
        ("RetryConfig.minBackoff",
         http() | {"retry_config": {"min_backoff": {"seconds": -1}, "max_doublings": -1}}),
        ("RetryConfig.maxDoublings",
         http() | {"retry_config": {"max_doublings": -1, "max_retry_duration": {"seconds": -1}}}),
        ("RetryConfig.max_retry_duration",
         http() | {"retry_config": {
             "max_retry_duration": {"seconds": -1}, "max_backoff": {"seconds": -1}}}),
    ],
)  # fmt: skip
def test_of_several_broken_rules_the_first_in_the_order_of_checks_is_named(refused, first, task):
    assert refused(None, parse, task).message.startswith(first)


def test_a_parse_leaves_the_message_as_it_is():
    message = tasks.Message(**http(), retry_config={"max_attempts": 3})
    before = message.SerializeToString()
    tasks.parse(QUEUE, message, NOW, LIMITS)
    assert message.SerializeToString() == before


def test_an_http_task_is_stored_with_its_defaults():
    task = stored(http(headers={"x-Own": "1", "user-agent": "mine"}, body=b"b"))
    request = task.http_request
    assert request.http_method == types.HttpMethod.POST
    assert dict(request.headers) == {"x-Own": "1", "User-Agent": "Google-Cloud-Tasks"}
    assert (request.url, request.body) == (URL, b"b")
    assert task.dispatch_deadline.ToTimedelta() == datetime.timedelta(minutes=10)
    assert not task.HasField("first_attempt")


def test_an_app_engine_task_is_stored_with_its_defaults():
    task = stored({"app_engine_http_request": {"body": b"four"}})
    request = task.app_engine_http_request
    assert request.http_method == types.HttpMethod.POST
    assert request.relative_uri == "/"
    assert dict(request.headers) == {
        "User-Agent": "AppEngine-Google; (+http://code.google.com/appengine)",
        "Content-Type": "application/octet-stream",
        "Content-Length": "4",
    }
    assert request.app_engine_routing.host == "p.l.r.appspot.com"
    assert not task.HasField("dispatch_deadline")


def test_a_content_type_of_the_callers_own_stays():
    request = {"body": b"{}", "headers": {"content-type": "application/json"}}
    headers = stored({"app_engine_http_request": request}).app_engine_http_request.headers
    assert headers["content-type"] == "application/json"
    assert "Content-Type" not in headers


@pytest.mark.parametrize("kind", ["http_request", "app_engine_http_request"])
def test_basic_views_withhold_the_body_alone(kind):
    request = {"body": b"secret", "headers": {"a": "b"}}
    if kind == "http_request":
        request["url"] = URL
    for view in (0, tasks.BASIC):
        task = stored({kind: request}, view)
        assert task.view == tasks.BASIC
        assert getattr(task, kind).body == b""
        assert getattr(task, kind).headers["a"] == "b"
    full = stored({kind: request}, tasks.FULL)
    assert full.view == tasks.FULL
    assert getattr(full, kind).body == b"secret"


def test_a_view_without_a_name_is_refused(refused):
    request = types.GetTaskRequest.pb()(response_view=9)
    refused("response_view has the unknown value 9.", tasks.view, request)


def test_output_only_fields_are_ignored():
    content = http() | {
        "create_time": {"seconds": 5},
        "dispatch_count": 4,
        "response_count": 3,
        "first_attempt": {"dispatch_time": {"seconds": 5}},
        "last_attempt": {"dispatch_time": {"seconds": 5}},
        "view": tasks.FULL,
    }
    assert parse(content) == parse(http())


@pytest.mark.parametrize(
    "absent_or_past", [None, NOW, NOW - 1, 0, -HOUR], ids=["absent", "now", "past", "1970", "1969"]
)
def test_a_task_without_a_time_or_with_a_past_one_is_due_now(absent_or_past):
    assert parse(http() | scheduled(absent_or_past)).schedule_time == NOW


@pytest.mark.parametrize("ahead", [1, HOUR, HOUR + 7, HORIZON])
def test_a_task_may_be_scheduled_up_to_the_horizon(ahead):
    assert parse(http() | scheduled(NOW + ahead)).schedule_time == NOW + ahead


@pytest.mark.parametrize("ahead", [HORIZON + 1, 2 * HORIZON])
def test_a_task_beyond_the_horizon_is_refused(refused, ahead):
    error = refused(None, parse, http() | scheduled(NOW + ahead))
    assert "too far in the future" in error.message


def scheduled(moment):
    if moment is None:
        return {}
    seconds, micros = divmod(moment, SECOND)
    return {"schedule_time": {"seconds": seconds, "nanos": micros * 1000}}


@pytest.mark.parametrize("absent", [{}, {"dispatch_deadline": {}}])
def test_an_absent_deadline_is_the_default(absent):
    deadline = stored(http() | absent).dispatch_deadline
    assert deadline.ToMicroseconds() == 10 * MINUTE == limits.HTTP_DEADLINE_DEFAULT
    assert not stored({"app_engine_http_request": {}} | absent).HasField("dispatch_deadline")


@pytest.mark.parametrize(
    ("request_of", "deadline"),
    [
        (http(), 15 * SECOND),
        (http(), 30 * MINUTE),
        ({"app_engine_http_request": {}}, HOUR),
        ({"app_engine_http_request": {}}, 24 * HOUR + 15 * SECOND),
    ],
)
def test_a_deadline_within_its_range_is_kept(request_of, deadline):
    task = stored(request_of | {"dispatch_deadline": span(deadline)})
    assert task.dispatch_deadline.ToMicroseconds() == deadline


def span(micros):
    return datetime.timedelta(microseconds=micros)


def test_a_deadline_is_cut_to_milliseconds():
    task = stored(http() | {"dispatch_deadline": span(20 * SECOND + 1_999)})
    assert task.dispatch_deadline.ToMicroseconds() == 20 * SECOND + 1_000


@pytest.mark.parametrize(
    ("request_of", "deadline", "message"),
    [
        (http(), 15 * SECOND - 1, HTTP_DEADLINE),
        (http(), 30 * MINUTE + 1, HTTP_DEADLINE),
        (http(), -1, HTTP_DEADLINE),
        ({"app_engine_http_request": {}}, 24 * HOUR + 15 * SECOND + 1, APP_ENGINE_DEADLINE),
    ],
)
def test_a_deadline_out_of_its_range_is_refused(refused, request_of, deadline, message):
    refused(message, parse, request_of | {"dispatch_deadline": span(deadline)})


@pytest.mark.parametrize("url", ["http://example.com/%zz", "HTTP://[::1]:80", "http://a:/b"])
def test_what_the_real_service_accepts_is_accepted(url):
    assert stored(http(url=url)).http_request.url == url


def test_a_server_of_ones_own_may_send_tokens_unencrypted():
    allowed = dataclasses.replace(LIMITS, allow_http_tokens=True)
    parse(http(oidc_token={"service_account_email": "a@b"}), allowed)


def test_a_task_of_the_largest_size_fits_and_a_few_bytes_more_do_not(refused):
    def sized(size):
        return http(body=b"x" * size) | {"name": f"{QUEUE}/tasks/t{size}"}

    small = stored(sized(900_000))
    small.ClearField("view")  # which is not stored
    most = LIMITS.task_size - (small.ByteSize() - 900_000)
    parse(sized(most - 20))
    refused("Task size too large", parse, sized(most + 8))


@given(messages(tasks.Message.DESCRIPTOR))
def test_any_message_is_a_task_or_an_invalid_argument(content):
    try:
        message = tasks.Message(**content)
    except ValueError:  # a text that is no text
        return
    try:
        new = tasks.parse(QUEUE, message, NOW, LIMITS)
    except InvalidArgument:
        return
    assert tasks.encode(Task(f"{QUEUE}/tasks/1", NOW, new.schedule_time, new.request), tasks.FULL)

"""Tasks: what CreateTask makes of a message, every refusal word for word, and what is shown.

Sources: recorded (the stored task, errors of CreateTask, size, headers, tokens and retry_config of
a task); API text.
"""

import dataclasses
import datetime

import pytest
from hypothesis import given

from drayman.core import limits, names
from drayman.core.clock import DAY, HOUR, MINUTE, SECOND
from drayman.core.errors import InvalidArgument
from drayman.core.limits import TaskLimits
from drayman.core.task import Attempt, Task
from drayman.tasks_v2 import types
from drayman.wire import tasks
from message_strategies import messages

QUEUE = "projects/p/locations/l/queues/q"
URL = "http://example.com"
NOW = 1_700_000_000 * SECOND
LIMITS = TaskLimits()
HTTP_TOKENS = dataclasses.replace(LIMITS, allow_http_tokens=True)
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
OAUTH = (
    "Invalid url for HttpRequest.oauth_token. The hostname in the url must end with "
    '".googleapis.com"'
)
HTTP_BODY = "Body can only be set if the http_method is POST, PUT, or PATCH."
APP_ENGINE_BODY = "Body can only be set if the http_method is POST or PUT."
HTTP_DEADLINE = "Task.dispatchDeadline must be between [15s, 30m]."
APP_ENGINE_DEADLINE = "Task.dispatchDeadline must be between [15s, 24h15s]."


def http(**request):
    return {"http_request": {"url": URL, **request}}


def seconds(count):
    return datetime.timedelta(seconds=count)


LARGE = {f"a{index}": "x" * 8000 for index in range(11)}
TASKS = [
    (http(url=""), "HttpRequest.url is required."),
    (http(url="ftp://example.com"),
     "HttpTarget.url must start with 'http://' or 'https://'."),
    *(
        (http(url=url), "HttpRequest.url has no valid host and port.")
        for url in ("http://", "https:///x", "http://:80/", "http://a:99999/", "http://[::1",
                    "http://a b/", "http://a:b/", "http://a\n", "http://a\x01/", "http://a:\u0661/")
    ),
    (http(url="example.com"), "HttpTarget.url must start with 'http://' or 'https://'."),
    (http(url=URL + "/" + "x" * 2083), "HttpRequest.url must be at most 2083 characters long."),
    (http(url=URL + "/" + "é" * 350), "HttpRequest.url must be at most 2083 characters long."),
    *(
        (http(http_method=method, body=b"x"), HTTP_BODY)
        for method in ("GET", "HEAD", "DELETE", "OPTIONS")
    ),
    (http(headers=LARGE), "HttpRequest.headers must be less than 80 KB in total."),
    (http(oidc_token={"service_account_email": "a@b"}), HTTPS),
    (http(oauth_token={"service_account_email": "a@b"}), HTTPS),
    *(
        (http(url="https://a.googleapis.com", **{token: {"service_account_email": email}}), text)
        for token in ("oidc_token", "oauth_token")
        for email, text in [
            ("", "service_account_email must be set."),
            *(
                (each, "Request contains an invalid argument.")
                for each in ("not-an-email", "tasks@", "@example.com", "tasks@a@example.com", "@")
            ),
        ]
    ),
    *(
        (http(url=url, oauth_token={"service_account_email": "a@b"}), OAUTH)
        for url in ("https://example.com", "https://googleapis.com", "https://agoogleapis.com",
                    "https://a.googleapis.com.example.com/", "https://example.com/.googleapis.com",
                    "https://example.com?.googleapis.com", "https://a.googleapis.com@example.com",
                    "https://a.googleapis.com./")
    ),
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
    *(
        ({"app_engine_http_request": {"http_method": method, "body": b"x"}}, APP_ENGINE_BODY)
        for method in ("GET", "HEAD", "DELETE", "OPTIONS", "PATCH")
    ),
    ({}, "Task.payload_type is not set."),
    (http() | {"schedule_time": {"seconds": 4_102_444_800}},
     too_far("2099-12-31T16:00:00-08:00")),
    (http() | {"schedule_time": {"seconds": 253_402_300_800}},
     too_far("253402300800 s after 1970")),
    (http(body=b"x" * (1 << 20)), "Task size too large"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "message"), TASKS, ids=lambda row: str(row)[:60])
def test_a_task_that_breaks_a_rule_is_refused_without_details(refused, task, message):
    assert refused(message, parse, task).details == ()


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
    ("first", "task"),
    [
        ("Task ID", {"name": f"{QUEUE}/tasks/a b", "schedule_time": {"seconds": 1 << 40}}),
        ("The Task.scheduleTime", {"schedule_time": {"seconds": 1 << 40}}),
        ("service_account_email", http(url="", oidc_token={"audience": "x"})),
        ("HttpRequest.url", http(url="", http_method=99)),
        ("HttpRequest.url", http(http_method=99, oidc_token={"service_account_email": "a@b"})),
        (HTTPS, http(oauth_token={"service_account_email": "a@b"})),
        (OAUTH, http(url="https://a", http_method=99,
                     oauth_token={"service_account_email": "a@b"})),
        ("HttpRequest.httpMethod", http(http_method=99, headers=LARGE)),
        (HTTP_BODY, http(http_method="GET", body=b"x", headers=LARGE)),
        ("HttpRequest.headers",
         http(url="https://a", headers=LARGE,
              oidc_token={"service_account_email": "a@" + "b" * 319})),
        ("HttpRequest.oidcToken",
         http(url="https://a", oidc_token={"service_account_email": "a@" + "b" * 319})
         | {"dispatch_deadline": seconds(1)}),
        ("AppEngineHttpRequest.relativeUri",
         {"app_engine_http_request": {"relative_uri": "x", "http_method": 99}}),
        (APP_ENGINE_BODY,
         {"app_engine_http_request": {
             "http_method": "GET", "body": b"x", "app_engine_routing": {"service": "."}}}),
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
    "absent_or_past",
    [None, NOW, NOW - 1, NOW - HOUR, 0, -HOUR, -62_135_596_800 * SECOND, -62_135_596_801 * SECOND],
    ids=["absent", "now", "past", "an hour ago", "1970", "1969", "year 1", "before year 1"],
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


@pytest.mark.parametrize("token", ["oidc_token", "oauth_token"])
def test_a_server_of_ones_own_may_send_tokens_unencrypted_to_any_host(token):
    parse(http(**{token: {"service_account_email": "a@b"}}), HTTP_TOKENS)


def test_an_oauth_token_by_https_is_for_google_on_a_server_of_ones_own_too(refused):
    token = {"service_account_email": "a@b"}
    refused(OAUTH, parse, http(url="https://example.com", oauth_token=token), HTTP_TOKENS)


@pytest.mark.parametrize(
    "host", ["a.googleapis.com", "A.B.GoogleAPIs.com:443", "u@a.googleapis.com"]
)
def test_an_oauth_token_is_for_hosts_under_googleapis_com(host):
    url = f"https://{host}/x"
    request = stored(http(url=url, oauth_token={"service_account_email": "a@b"})).http_request
    assert request.oauth_token.scope == "https://www.googleapis.com/auth/cloud-platform"


@pytest.mark.parametrize(
    ("url", "audience"),
    [
        ("https://a.example/b?c=d", "https://a.example/b?c=d"),
        ("https://a.example/é ü", "https://a.example/é ü"),
        ("https://user:secret@a.example/b", "https://a.example/b"),
        ("https://a.example/b?c#fragment", "https://a.example/b?c"),
    ],
)
def test_the_audience_of_an_id_token_is_the_url_unless_one_is_set(url, audience):
    token = {"service_account_email": "a@b"}
    assert stored(http(url=url, oidc_token=token)).http_request.oidc_token.audience == audience


def test_an_audience_and_a_scope_are_stored_as_they_are():
    email, url = "a@b", "https://a.googleapis.com"
    oidc = {"service_account_email": email, "audience": "audience"}
    assert stored(http(url=url, oidc_token=oidc)).http_request.oidc_token.audience == "audience"
    oauth = {"service_account_email": email, "scope": "scope"}
    assert stored(http(url=url, oauth_token=oauth)).http_request.oauth_token.scope == "scope"


def test_an_authorization_header_is_stored_beside_a_token():
    token = {"service_account_email": "a@b"}
    request = http(url="https://a", oidc_token=token, headers={"authorization": "Basic x"})
    assert stored(request).http_request.headers["authorization"] == "Basic x"


SENT = {"x-Own": "a\r\nb", "Via": "x", "host": "x", "X/Slash": "x\0y", "X-Empty": "", "a b": "x"}
"""Headers of which two are stored, with other values; ``core.headers`` has the rules."""


@pytest.mark.parametrize(
    ("kind", "request_of"),
    [("http_request", http()), ("app_engine_http_request", {"app_engine_http_request": {}})],
)
def test_headers_that_cannot_be_stored_vanish(kind, request_of):
    task = stored({kind: {**request_of[kind], "headers": SENT}})
    headers = dict(getattr(task, kind).headers)
    assert headers.pop("User-Agent")
    assert headers == {"x-Own": "a__b", "X/Slash": "x"}


COMPLETE = {
    "max_attempts": 3,
    "max_retry_duration": {"seconds": 60},
    "min_backoff": {"nanos": 250_000_000},
    "max_backoff": {"seconds": 7},
    "max_doublings": 2,
}
NANOSECONDS = {
    "min_backoff": {"seconds": 1, "nanos": 234_567_891},
    "max_backoff": {"seconds": 1, "nanos": 234_567_892},
}
DEFAULTS = {
    "max_attempts": 100,
    "min_backoff": {"nanos": 100_000_000},
    "max_backoff": {"seconds": 3600},
    "max_doublings": 16,
}


@pytest.mark.parametrize(
    ("config", "filled"),
    [
        ({}, DEFAULTS),
        ({"max_attempts": 3}, DEFAULTS | {"max_attempts": 3}),
        ({"max_attempts": -1}, DEFAULTS | {"max_attempts": -1}),
        (
            {"max_retry_duration": {}, "min_backoff": {}, "max_backoff": {"nanos": 0}},
            DEFAULTS,
        ),
        (COMPLETE, COMPLETE),
        (COMPLETE | NANOSECONDS, COMPLETE | NANOSECONDS),
    ],
    ids=["empty", "in part", "unlimited", "zero", "complete", "nanoseconds"],
)
def test_the_retry_config_of_a_task_is_filled_in(config, filled):
    expected = types.RetryConfig.pb()(**filled)
    assert stored(http() | {"retry_config": config}).retry_config == expected
    assert not stored(http()).HasField("retry_config")


@pytest.mark.parametrize(
    ("name", "schedule_time"),
    [("t", {"seconds": NOW // SECOND + 60, "nanos": 123_456_000}), ("", None)],
)
@pytest.mark.parametrize("kind", ["http_request", "app_engine_http_request"])
def test_a_task_is_as_large_as_it_is_answered_and_one_byte_more_is_refused(
    refused, kind, name, schedule_time
):
    def sized(body_size):
        request = {"headers": {"X-Header": "v" * 1000}, "body": b"x" * body_size}
        request |= {"url": URL} if kind == "http_request" else {}
        return {kind: request, "schedule_time": schedule_time} | (
            {"name": f"{QUEUE}/tasks/{name}"} if name else {}
        )

    new = parse(sized(1_000_000))
    name_stored = names.join_task(QUEUE, new.id or "1" * 19)
    task = tasks.encode(Task(name_stored, NOW, new.schedule_time, new.request), tasks.FULL)
    task.ClearField("view")  # which is not stored
    most = 1_000_000 + LIMITS.task_size - task.ByteSize()
    parse(sized(most))
    refused("Task size too large", parse, sized(most + 1))


def test_the_largest_body_is_as_recorded(refused):
    """Body and name are 1,047,453 bytes together, with a name two bytes longer than counted."""
    queue = "projects/p/locations/l/queues/q"
    content = {
        "name": f"{queue}/tasks/task",
        "http_request": {"url": "https://example.com/work", "headers": {"X-Header": "v" * 1000}},
        "schedule_time": {"seconds": NOW // SECOND + 60, "nanos": 123_456_000},
    }
    most = 1_047_453 - len(content["name"]) + 2
    content["http_request"]["body"] = b"x" * most
    parse(content)
    content["http_request"]["body"] = b"x" * (most + 1)
    refused("Task size too large", parse, content)


def granted(count):
    attempt = Attempt(schedule_time=NOW + 5, dispatch_time=NOW + 7)
    new = parse(http())
    task = Task(
        f"{QUEUE}/tasks/1", NOW, NOW + 5, new.request, dispatch_count=count,
        first_dispatch_time=NOW, last_attempt=attempt,
    )  # fmt: skip
    return tasks.encode_granted(task, 0)


def test_a_granted_attempt_is_counted_and_has_a_schedule_time_alone():
    task = granted(1)
    assert (task.dispatch_count, task.response_count, task.view) == (1, 0, tasks.BASIC)
    assert not task.HasField("first_attempt")
    assert [field.name for field, _ in task.last_attempt.ListFields()] == ["schedule_time"]
    assert task.last_attempt.schedule_time == task.schedule_time


def test_a_granted_attempt_of_a_task_with_earlier_ones_leaves_the_first():
    assert granted(2).first_attempt.HasField("dispatch_time")


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

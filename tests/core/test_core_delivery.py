"""What a target is told, in the recorded sequences of the real service (reference 3.1 to 3.5)."""

import pytest

from drayman.core import delivery
from drayman.core.back_pressure import Signal
from drayman.core.clock import SECOND
from drayman.core.delivery import Failure, Kind, NoResponse, Response, Target
from drayman.core.status import Code
from drayman.core.task import Task

DUE = 1_700_000_000 * SECOND
QUEUE = "projects/p/locations/l/queues/mail"
TASK = Task(
    name=f"{QUEUE}/tasks/welcome-1",
    create_time=DUE,
    schedule_time=DUE,
    request=b"",
    dispatch_count=1,
    first_dispatch_time=DUE,
)
HTTP = Target(Kind.HTTP, "POST", "https://example.com/x?y=1", {}, b"body", 600 * SECOND)
APP_ENGINE = Target(
    Kind.APP_ENGINE, "POST", "/work?a=b", {}, b"", 600 * SECOND, bases=("default", "")
)
TIMEOUT = NoResponse(Failure.DEADLINE, "no answer within 15 s")
REFUSED = NoResponse(Failure.CONNECTION, "connection refused")


def attempts(target, results):
    """Yield the headers of the attempts of a task that meets these results, without prefix."""
    task = TASK
    for result in [*results, Response(200)]:
        headers = delivery.headers(target, task)
        yield {name.split("-Task")[-1]: value for name, value in headers.items() if "-Task" in name}
        outcome = delivery.outcome(target.kind, result)
        task = task._replace(
            dispatch_count=task.dispatch_count + 1,
            response_count=task.response_count + outcome.responded,
            execution_count=task.execution_count + outcome.executed,
            previous_response=outcome.previous_response,
        )


def rows(target, results):
    columns = ("RetryCount", "ExecutionCount", "PreviousResponse", "RetryReason")
    return [tuple(map(headers.get, columns)) for headers in attempts(target, results)]


ANSWERS = list(map(Response, (503, 404, 429, 500, 302)))


def test_requests_to_http_targets_count_executions_without_server_errors():
    assert rows(HTTP, ANSWERS) == [
        ("0", "0", None, None),
        ("1", "0", "503", ""),
        ("2", "1", "404", ""),
        ("3", "2", "429", ""),
        ("4", "2", "500", ""),
        ("5", "3", "302", ""),
    ]


def test_requests_to_app_engine_targets_count_all_responses():
    assert rows(APP_ENGINE, ANSWERS) == [
        ("0", "0", None, None),
        ("1", "1", "503", "App Error"),
        ("2", "2", "404", "App Error"),
        ("3", "3", "429", "App Error"),
        ("4", "4", "500", "App Error"),
        ("5", "5", "302", "App Error"),
    ]


@pytest.mark.parametrize(
    ("target", "silence", "second"),
    [
        (HTTP, TIMEOUT, ("1", "0", "504", "")),
        (HTTP, REFUSED, ("1", "0", "0", "")),
        (APP_ENGINE, TIMEOUT, ("1", "0", "0", "Instance Unavailable")),
        (APP_ENGINE, REFUSED, ("1", "0", "0", "Instance Unavailable")),
    ],
)
def test_after_an_attempt_without_a_response_headers_say_so(target, silence, second):
    assert rows(target, [silence])[1] == second


def test_an_http_request_has_the_task_and_headers_that_describe_it():
    assert delivery.request(HTTP, TASK, {}) == delivery.Request(
        "POST",
        "https://example.com/x?y=1",
        {
            "User-Agent": "Google-Cloud-Tasks",
            "X-CloudTasks-QueueName": "mail",
            "X-CloudTasks-TaskName": "welcome-1",
            "X-CloudTasks-TaskRetryCount": "0",
            "X-CloudTasks-TaskExecutionCount": "0",
            "X-CloudTasks-TaskETA": "1700000000",
        },
        b"body",
    )


def test_an_app_engine_request_has_the_headers_of_app_engine():
    request = delivery.request(APP_ENGINE, TASK, {"": "http://127.0.0.1:8080"})
    assert isinstance(request, delivery.Request)
    assert set(request.headers) == {
        "User-Agent",
        *(f"X-AppEngine-{name}" for name in ("QueueName", "TaskName", "TaskRetryCount",
                                             "TaskExecutionCount", "TaskETA")),
    }  # fmt: skip
    assert request.headers["User-Agent"] == delivery.user_agent(Kind.APP_ENGINE)
    assert delivery.user_agent(Kind.APP_ENGINE) == (
        "AppEngine-Google; (+http://code.google.com/appengine)"
    )


@pytest.mark.parametrize(
    ("micros", "shown"), [(120_000, ".12"), (123_456, ".123456"), (5, ".000005"),
                          (999_999, ".999999"), (500_000, ".5"), (0, "")]
)  # fmt: skip
def test_the_eta_is_the_schedule_time_without_trailing_zeros(micros, shown):
    """Recorded: headers that a handler gets. A whole second without a point is inferred."""
    task = TASK._replace(schedule_time=DUE + micros)
    eta = delivery.headers(HTTP, task)["X-CloudTasks-TaskETA"]
    assert eta == f"1700000000{shown}"
    assert float(eta) == pytest.approx((DUE + micros) / SECOND)


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "User-Agent", "Connection", "Transfer-Encoding", "Keep-Alive",
     "Proxy-Authorization", "Proxy-Connection", "TE", "Upgrade", "Via", "Accept-Encoding",
     "X-Forwarded-For", "From", "Expect", "X-Google", "X-Google-Anything", "x-appengine-queuename",
     "X-CLOUDTASKS-TaskRetryCount", "X_CloudTasks_TaskName", "X-CloudTasks_TaskName",
     "x.cloudtasks.taskname", "X_AppEngine_QueueName", "Content_Length", "X/Slash", "a b", "ü", ""],
)  # fmt: skip
@pytest.mark.parametrize("target", [HTTP, APP_ENGINE], ids=lambda target: target.kind.name)
def test_reserved_headers_of_a_task_are_ignored(target, name):
    """Recorded: headers of the request; other spellings, and what HTTP cannot carry, are ours."""
    forged = target._replace(headers={name: "forged"})
    assert delivery.headers(forged, TASK) == delivery.headers(target, TASK)


def test_all_other_headers_are_sent_unchanged():
    own = {"content-TYPE": "text/plain", "Authorization": "Bearer x", "X-Goog-Thing": "1",
           "Trailer": "x", "X-Forwarded-Proto": "http", "X_Own": "1"}  # fmt: skip
    sent = delivery.headers(HTTP._replace(headers=own), TASK)
    assert own.items() <= sent.items()
    assert len(sent) == len(delivery.headers(HTTP, TASK)) + len(own)


@pytest.mark.parametrize(
    ("service", "known", "url"),
    [
        ("", {"": "http://main:1"}, "http://main:1/work?a=b"),
        ("", {"": "http://main:1/"}, "http://main:1/work?a=b"),
        ("worker", {"": "http://main:1", "worker": "http://w:2"}, "http://w:2/work?a=b"),
        ("other", {"": "http://main:1", "worker": "http://w:2"}, "http://main:1/work?a=b"),
        ("worker", {"worker": "http://w:2/base/"}, "http://w:2/base/work?a=b"),
    ],
)
def test_an_app_engine_task_goes_to_the_base_url_of_its_service(service, known, url):
    request = delivery.request(APP_ENGINE._replace(bases=(service or "default", "")), TASK, known)
    assert isinstance(request, delivery.Request)
    assert request.url == url


@pytest.mark.parametrize(
    ("service", "shown"), [("", '"default"'), ("worker", '"worker"')]
)  # fmt: skip
def test_an_app_engine_task_without_a_base_url_is_a_failed_attempt(service, shown):
    target = APP_ENGINE._replace(bases=(service or "default", ""))
    result = delivery.request(target, TASK, {"elsewhere": "http://e:1"})
    assert isinstance(result, NoResponse)
    assert result.failure is Failure.PRECONDITION
    assert shown in result.reason
    assert "--app-engine-target" in result.reason
    outcome = delivery.outcome(target.kind, result)
    assert outcome.code is Code.FAILED_PRECONDITION
    assert outcome.signal is Signal.NONE  # no fault of the target


@pytest.mark.parametrize(
    ("url", "allowed", "sent"),
    [
        ("https://worker.example/", False, True),
        ("HTTPS://worker.example/", False, True),
        ("http://worker.example/", False, False),
        ("http://worker.example/", True, True),
    ],
)
def test_a_token_is_sent_only_to_https_whether_of_task_or_queue(url, allowed, sent):
    target = HTTP._replace(url=url, token=delivery.OidcToken("a@b.example", ""))
    result = delivery.request(target, TASK, {}, http_tokens=allowed)
    assert isinstance(result, delivery.Request) is sent
    if not sent:
        assert result.failure is Failure.PRECONDITION
        assert "--allow-http-tokens" in result.reason


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_success(status):
    assert delivery.outcome(Kind.HTTP, Response(status)).success


@pytest.mark.parametrize("status", [100, 199, 300, 302, 400, 404, 429, 500, 503])
def test_any_other_status_is_a_failure(status):
    assert not delivery.outcome(Kind.HTTP, Response(status)).success


@pytest.mark.parametrize(
    ("result", "message", "responded"),
    [
        (Response(200), "OK(0): HTTP status code 200", True),
        (Response(301), "UNKNOWN(2): HTTP status code 301", True),
        (Response(404), "NOT_FOUND(5): HTTP status code 404", True),
        (Response(499), "CANCELLED(1): HTTP status code 499", True),
        (Response(500), "INTERNAL(13): HTTP status code 500", False),
        (Response(503), "UNAVAILABLE(14): HTTP status code 503", False),
        (Response(507), "INTERNAL(13): HTTP status code 507", False),
        (TIMEOUT, "DEADLINE_EXCEEDED(4): HTTP status code 504", False),
        (REFUSED, "UNKNOWN(2): HTTP status code 0", False),
        (NoResponse(Failure.REQUEST, "a body"), "UNKNOWN(2): HTTP status code 0", False),
    ],
)
@pytest.mark.parametrize("kind", Kind)
def test_an_outcome_has_the_recorded_status_of_the_last_attempt(kind, result, message, responded):
    """Recorded: response status of the last attempt."""
    outcome = delivery.outcome(kind, result)
    assert outcome.message == message
    assert message.startswith(f"{outcome.code.name}({outcome.code.value}): ")
    assert outcome.responded is responded
    answered = isinstance(result, Response)
    assert outcome.executed is (answered if kind is Kind.APP_ENGINE else responded)


@pytest.mark.parametrize(
    ("failure", "message", "signal"),
    [
        (Failure.DEADLINE, "DEADLINE_EXCEEDED(4): HTTP status code 504", Signal.ERROR),
        (Failure.CONNECTION, "UNKNOWN(2): HTTP status code 0", Signal.ERROR),
        (Failure.REQUEST, "UNKNOWN(2): HTTP status code 0", Signal.NONE),
        (Failure.FORBIDDEN, "PERMISSION_DENIED(7): the server does not send to this target",
         Signal.NONE),
        (Failure.PRECONDITION, "FAILED_PRECONDITION(9): {why}", Signal.NONE),
        (Failure.INTERNAL, "INTERNAL(13): {why}", Signal.NONE),
        (Failure.RESOURCES, "UNAVAILABLE(14): {why}", Signal.NONE),
    ],
)  # fmt: skip
def test_only_failures_of_the_target_slow_its_queue_down(failure, message, signal):
    outcome = delivery.outcome(Kind.HTTP, NoResponse(failure, "{why}"))
    assert (outcome.message, outcome.signal) == (message, signal)
    assert not outcome.success
    assert (outcome.responded, outcome.executed) == (False, False)


def test_what_the_message_leaves_out_is_in_the_description():
    outcome = delivery.outcome(Kind.HTTP, REFUSED)
    assert outcome.description == "UNKNOWN(2): HTTP status code 0 (connection refused)"
    outcome = delivery.outcome(Kind.HTTP, NoResponse(Failure.INTERNAL, "why"))
    assert outcome.description == outcome.message == "INTERNAL(13): why"
    assert delivery.outcome(Kind.HTTP, Response(404)).description.endswith("code 404")


@pytest.mark.parametrize(
    ("url", "sent", "authorization"),
    [
        ("http://u:p@h.example/x", "http://h.example/x", "Basic dTpw"),
        ("http://u@h.example:8080", "http://h.example:8080", "Basic dTo="),
        ("http://a%40b:c%3Ad@h.example", "http://h.example", "Basic YUBiOmM6ZA=="),
        ("http://h.example/u:p@x?a@b", "http://h.example/u:p@x?a@b", None),
        ("http://u:p@q@h.example/x", "http://h.example/x", "Basic dTpwQHE="),
        ("http://u:p@b\u00fccher.example:81/x", "http://xn--bcher-kva.example:81/x", "Basic dTpw"),
        ("http://\u00fc:\u00e9@h.example/", "http://h.example/", "Basic w7w6w6k="),
        ("http://%C3%BC:%E9@h.example/", "http://h.example/", "Basic w7w66Q=="),
        ("http://\u00fc@[::1]:9/", "http://[::1]:9/", "Basic w7w6"),
    ],
)
def test_credentials_in_a_url_become_an_authorization_header(url, sent, authorization):
    request = delivery.request(HTTP._replace(url=url, headers={}), TASK, {})
    assert request.url == sent
    assert request.headers.get("Authorization") == authorization


def test_a_header_or_a_token_replaces_credentials_in_a_url():
    target = HTTP._replace(url="https://u:p@h.example/", headers={"authorization": "A"})
    request = delivery.request(target, TASK, {})
    assert (request.url, request.headers["authorization"]) == ("https://h.example/", "A")
    assert "Authorization" not in request.headers
    with_token = target._replace(headers={}, token=delivery.OidcToken("a@b.example"))
    assert "Authorization" not in delivery.request(with_token, TASK, {}).headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_a_body_that_the_method_of_the_queue_does_not_allow_is_a_failed_attempt(method):
    """Recorded: a queue's http_target at dispatch, for GET; the others are inferred."""
    result = delivery.request(HTTP._replace(method=method), TASK, {})
    assert isinstance(result, NoResponse)
    assert delivery.outcome(Kind.HTTP, result).message == "UNKNOWN(2): HTTP status code 0"
    assert method in result.reason
    assert delivery.request(HTTP._replace(method=method, body=b""), TASK, {}).body == b""


def test_a_fragment_is_not_sent():
    assert delivery.encode_url("https://h.example/a?b=1#c#d") == "https://h.example/a?b=1"


@pytest.mark.parametrize(
    ("url", "shown", "masked"),
    [
        ("http://h.test/a?b=1", "http://h.test/a?b=1", "http://h.test/a?***"),
        ("http://h.test/a?b=1&c\n?d#e", "http://h.test/a?b=1&c\n?d#e", "http://h.test/a?***"),
        ("http://u:p@h.test?b=1", "http://h.test?b=1", "http://h.test?***"),
        ("http://h.test/a", "http://h.test/a", "http://h.test/a"),
        ("/work?b=1", "/work?b=1", "/work?***"),
    ],
)
def test_an_address_for_logs_has_no_credentials_and_on_request_no_query(url, shown, masked):
    assert delivery.address("PUT", url) == f"PUT {shown}"
    assert delivery.address("PUT", url, mask_query=True) == f"PUT {masked}"

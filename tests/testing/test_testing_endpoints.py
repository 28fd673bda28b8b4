"""Over HTTP, tests in any language move the clock, reset the server and see deliveries."""

import json
import re
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from moments import START, URL

from drayman import check, tasks
from drayman.core.clock import SECOND
from drayman.settings import SettingsError, read
from drayman.testing import Server, endpoints
from drayman.testing.delivery_log import DeliveryLog
from drayman.testing.values import Delivery

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
QUEUE = "projects/test/locations/local/queues/mail"


@pytest.fixture(scope="module")
def kit():
    """Give a server that has the endpoints, and a client."""
    with Server(manual_clock=True, queue=[QUEUE], timeout=5.0) as server:
        yield server, server.client()


def send(address, method, path, content=None):
    """Send a request; return the status and the JSON value of the response."""
    body = None if content is None else json.dumps(content).encode()
    url = f"http://{address}/drayman/v1/testing{path}"
    try:
        request = urllib.request.Request(url, body, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error"]


@pytest.fixture
def call(kit):
    """Give a function that makes a call; the server is empty, and it is 2026."""
    server, _ = kit

    def call(path, content=None, method="POST"):
        status, value = send(server.address, method, path, content)
        assert status == 200, value
        return value

    assert call(":reset", {"startTime": "2026-01-01T00:00:00Z"})["held"]
    return call


@pytest.fixture
def refused(kit, call):  # noqa: ARG001 - resets
    """Give a function that makes a call that fails; it returns status, code and message."""
    server, _ = kit

    def refused(path, content=None, method="POST"):
        status, error = send(server.address, method, path, content)
        return status, error["status"], error["message"]

    return refused


@pytest.fixture
def enqueue(kit, call):  # noqa: ARG001 - resets
    _, client = kit

    def enqueue(url=URL, **fields):
        return client.create_task(parent=QUEUE, task=tasks.http_task(url, **fields)).name

    return enqueue


@pytest.mark.parametrize("each", endpoints.CALLS, ids=lambda each: each.name)
def test_every_call_and_field_is_documented(each):
    row = re.search(rf"^\| `{each.method} {re.escape(each.path)}` \|.*", PAGE, re.MULTILINE)
    assert row
    assert all(f"`{field}`" in row[0] for field in each.fields)


def test_time_stands_until_a_call_moves_it(call):
    clock = call("/clock", method="GET")
    assert clock == {"time": "2026-01-01T00:00:00Z", "held": True}
    assert call("/clock:advance", {"by": "29d"})["time"] == "2026-01-30T00:00:00Z"
    moved = call("/clock:advance", {"to": "2026-03-01T00:00:00.5Z"})
    assert moved == {"time": "2026-03-01T00:00:00.500Z", "attempts": 0}


def test_attempts_are_made_when_they_are_due(call, enqueue):
    call("/responses", {"url": URL, "responses": [503]})
    enqueue(at=START + 60 * SECOND * START.resolution, body=b"hello")
    assert call("/clock:advance", {"by": "59s"})["attempts"] == 0
    assert call("/clock:runNext") == {"time": "2026-01-01T00:01:00Z", "attempts": 1}
    assert call("/clock:runAll") == {"time": "2026-01-01T00:01:00.100Z", "attempts": 1}
    assert call("/clock:runNext")["attempts"] == 0
    first, second = call("/deliveries", method="GET")["deliveries"]
    assert (first["status"], first["retryCount"], first["time"]) == (503, 0, "2026-01-01T00:01:00Z")
    assert (second["status"], second["retryCount"]) == (200, 1)
    assert second["body"] == "aGVsbG8="
    assert second["headers"]["X-CloudTasks-TaskRetryCount"] == "1"
    assert (second["url"], second["httpMethod"], second["queue"]) == (URL, "POST", "mail")


def test_deliveries_can_be_those_of_one_queue(call, enqueue):
    enqueue()
    call("/clock:runAll")
    assert len(call(f"/deliveries?queue={QUEUE}", method="GET")["deliveries"]) == 1
    assert call("/deliveries?queue=other", method="GET") == {"deliveries": [], "dropped": 0}


@pytest.mark.parametrize(
    ("response", "status", "error"),
    [
        ("TIMEOUT", None, "no response within the deadline"),
        ("CONNECTION_ERROR", None, "connection refused"),
        (429, 429, None),
        ({"status": 503, "headers": {"Retry-After": "90"}, "body": "aGVsbG8="}, 503, None),
    ],
)
def test_targets_respond_as_they_are_told(call, enqueue, response, status, error):
    call("/responses", {"url": "https://app.example/*", "response": response})
    enqueue()
    call("/clock:runNext")
    (delivery,) = call("/deliveries", method="GET")["deliveries"]
    assert (delivery.get("status"), delivery.get("error")) == (status, error)


def test_tasks_are_delivered_at_once_until_they_are_held(call, enqueue):
    assert call("/clock:deliverAtOnce")["held"] is False
    enqueue()
    call(":waitIdle")
    call(":waitIdle", {"queue": QUEUE, "timeout": "5s"})
    assert len(call("/deliveries", method="GET")["deliveries"]) == 1
    assert call("/clock:hold")["held"] is True
    enqueue()
    call(":waitIdle", {"queue": QUEUE})
    assert len(call("/deliveries", method="GET")["deliveries"]) == 1
    call("/clock:runAll")
    call(":waitEmpty")


def test_a_reset_leaves_what_the_server_has_at_its_start(call, kit, enqueue):
    server, client = kit
    server.queue("other")
    enqueue()
    call("/responses", {"url": "*", "response": 500})
    call("/clock:runNext")
    call(":reset")
    location = QUEUE.partition("/queues/")[0]
    assert [queue.name for queue in client.list_queues(parent=location)] == [QUEUE]
    assert call("/deliveries", method="GET") == {"deliveries": [], "dropped": 0}
    assert not call("/clock", method="GET")["time"].startswith("2026-01-01T00:00:00")
    enqueue()
    assert call("/clock:runAll")["attempts"] == 1


def test_a_reset_ends_a_move_that_waits_for_a_target(kit, call, enqueue, refused):
    server, _ = kit
    entered, left, refusals = threading.Event(), threading.Event(), []

    def hang(_delivery):
        entered.set()
        left.wait()

    server.respond("*", hang)
    enqueue()
    enqueue()
    mover = threading.Thread(target=lambda: refusals.append(refused("/clock:runAll")))
    mover.start()
    entered.wait()
    busy = "The clock is being moved already; a handler of a delivery cannot move it."
    assert refused("/clock:runNext") == (400, "FAILED_PRECONDITION", busy)
    moved = call(":reset", {"startTime": "2026-01-01T00:00:00Z"})
    mover.join()
    left.set()
    ended = "A reset has ended the move of the clock."
    assert refusals == [(400, "FAILED_PRECONDITION", ended)]
    assert moved["time"] == "2026-01-01T00:00:00Z"
    assert call("/deliveries", method="GET")["deliveries"] == []
    assert call("/clock:runAll")["attempts"] == 0


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        (
            "/clock:advance",
            {"to": "2025-12-31T23:59:59Z"},
            "time only moves forward; a reset with a start time begins again",
        ),
        (
            "/clock:advance",
            {"to": "9000-01-01T00:00:00Z"},
            "the clock moves within the years 1970 and 8999 only",
        ),
        (":reset", {"startTime": "1969-12-31T23:59:59Z"}, "the clock moves within the years 1970"),
    ],
)
def test_the_clock_has_bounds(refused, path, content, message):
    status, code, actual = refused(path, content)
    assert (status, code) == (400, "FAILED_PRECONDITION")
    assert actual.startswith(message)


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("/clock:advance", {}, 'The body must have one of "by", a duration, and "to", a time.'),
        (
            "/clock:advance",
            {"by": "1s", "to": "2027-01-01T00:00:00Z"},
            'The body must have one of "by", a duration, and "to", a time.',
        ),
        (
            "/clock:advance",
            {"by": 5},
            "by must be a duration such as 500ms, 30s, 5m, 24h or 3d.",
        ),
        ("/clock:advance", {"to": "soon"}, "to must be a time such as 2030-01-01T00:00:00Z."),
        ("/clock:runAll", {"limit": True}, "limit must be a whole number from 1."),
        (
            "/clock:runNext",
            {"limit": 1},
            "RunNextAttempt takes a JSON object with the fields: none.",
        ),
        ("/clock:advance", [], "AdvanceClock takes a JSON object with the fields: by, to, limit."),
        (
            "/responses",
            {"url": "*"},
            'The body must have a "url" and one of "response" and "responses".',
        ),
        (
            "/responses",
            {"url": "*", "response": 99},
            'response must be a status from 200 to 599, "TIMEOUT", "CONNECTION_ERROR" or {"status"',
        ),
        ("/responses", {"url": "*", "responses": []}, "responses must be a list of responses."),
        ("/responses", {"url": "", "response": 200}, "url must be a text."),
        (":waitIdle", {"queue": "mail"}, "queue must be a full name, "),
    ],
)
def test_a_wrong_field_is_refused(refused, path, content, message):
    status, code, actual = refused(path, content)
    assert (status, code) == (400, "INVALID_ARGUMENT")
    assert actual.startswith(message)


def test_a_move_has_a_bound(refused, call, enqueue):
    call("/responses", {"url": "*", "response": 500})
    enqueue()
    status, code, message = refused("/clock:runAll", {"limit": 3})
    assert (status, code) == (400, "FAILED_PRECONDITION")
    assert message.startswith("more than 3 attempts: ")


@pytest.mark.parametrize("path", [":waitIdle", ":waitEmpty"])
def test_waiting_for_a_queue_that_does_not_exist_is_an_error(refused, path):
    status, code, _ = refused(path, {"queue": f"{QUEUE}-none"})
    assert (status, code) == (404, "NOT_FOUND")


def test_waits_have_a_time_limit(kit, call, refused, enqueue):
    server, _ = kit
    entered, left = threading.Event(), threading.Event()

    def block(_delivery):
        entered.set()
        left.wait()

    server.respond("*", block)
    call("/clock:deliverAtOnce")
    enqueue()
    entered.wait()
    late = (504, "DEADLINE_EXCEEDED", f"{QUEUE} is not idle after 0.01 s.")
    assert refused(":waitIdle", {"queue": QUEUE, "timeout": "10ms"}) == late
    late = (504, "DEADLINE_EXCEEDED", "Some queue is not idle after 0.01 s.")
    assert refused(":waitIdle", {"timeout": "10ms"}) == late
    late = (504, "DEADLINE_EXCEEDED", f"{QUEUE} is not empty after 0.01 s.")
    assert refused(":waitEmpty", {"timeout": "10ms"}) == late
    left.set()
    call(":waitIdle")
    call(":waitEmpty")


def test_other_queues_are_not_waited_for(kit, call, enqueue):
    server, client = kit
    left = threading.Event()
    server.respond("https://slow.example", lambda _: left.wait() and 200)
    slow = server.queue("slow")
    call("/clock:deliverAtOnce")
    client.create_task(parent=slow, task=tasks.http_task("https://slow.example"))
    enqueue()
    call(":waitIdle", {"queue": QUEUE})
    assert "status" in call("/deliveries?queue=mail", method="GET")["deliveries"][0]
    left.set()
    call(":waitIdle", {"queue": slow})


def test_the_endpoints_are_not_found_without_their_option(cloud_tasks):
    for path in ("/clock", ":reset", ""):
        status, error = send(cloud_tasks.address, "GET", path)
        assert status == 404
        assert error["message"] == (
            f"No test endpoint has the method GET and the path /drayman/v1/testing{path}. "
            "There are some with --test-endpoints, and more with --manual-clock."
        )


def delivery(body):
    return Delivery(
        task="1", queue="mail", url=URL, method="POST", headers={}, body=body,
        time=START, retry_count=0,
    )  # fmt: skip


def test_the_oldest_deliveries_are_dropped_beyond_the_bounds():
    log = DeliveryLog(count=3, size=10_000)
    for number in range(5):
        log.append(delivery(b"%d" % number))
    assert ([each.body for each in log], log.dropped) == ([b"2", b"3", b"4"], 2)
    log.append(delivery(b"x" * 20_000))
    assert (len(log), log.dropped) == (1, 5)
    log.clear()
    assert (len(log), log.dropped) == (0, 0)


NO_AUTH = (
    "anyone who calls the test endpoints may delete everything; leave --auth at none, or the "
    "option out"
)
NO_TABLES = (
    "--manual-clock: sqlite:tasks.db would keep times of a clock that is not the system's; add "
    "--store memory"
)
NO_EXPOSURE = "--auth none: every caller that reaches --host 0.0.0.0 could do everything; "


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"manual_clock": "true", "store": "sqlite:tasks.db"}, NO_TABLES),
        ({"manual_clock": "true", "auth": "keys"}, f"--manual-clock: {NO_AUTH}"),
        ({"test_endpoints": "true", "auth": "oidc"}, f"--test-endpoints: {NO_AUTH}"),
        ({"test_endpoints": "true", "host": "0.0.0.0"}, NO_EXPOSURE),
    ],
)
def test_a_server_for_tests_is_nothing_else(settings, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=re.escape(message)):
        Server(**settings)
    (problem,) = check.problems(read({"store": "memory", "port": "0"} | settings, {}))
    assert problem.startswith(message)
    assert not (tmp_path / "tasks.db").exists()

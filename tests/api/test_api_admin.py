"""Attempts and dead letters over HTTP."""

import json
import urllib.error
import urllib.request

import pytest

from drayman.api import admin_messages
from drayman.core.clock import HOUR, MINUTE, SECOND, ManualClock
from drayman.core.limits import TaskLimits
from drayman.core.queue import Queue, RetryConfig, State, creation, replacement
from drayman.store.contract import QueueStats
from drayman.tasks_v2 import types
from drayman.wire import tasks
from live import LiveServer

QUEUE = "projects/p/locations/l/queues/{}"


@pytest.fixture(scope="module")
def server():
    live = LiveServer(ManualClock())
    yield live
    live.stop()


def call(server, path, verb="GET", body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}/drayman/v1/{path}", data, method=verb)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error"]["message"]


@pytest.fixture
def queue(server, request):
    """A queue with three dead letters."""
    name = QUEUE.format(request.node.name.replace("_", "-")[:90].strip("-"))
    store, now = server.server.store, server.clock.now()
    created = Queue(name, retry_config=RetryConfig(max_attempts=1))
    server.run(store.update_queue(name, creation(created), now))
    for task_id in "abc":
        message = types.Task.pb()(
            name=f"{name}/tasks/{task_id}",
            http_request={"url": f"http://127.0.0.1:1/{task_id}", "body": b"x"},
        )
        new = tasks.parse(name, message, now, TaskLimits())
        server.run(store.create_tasks(name, [new], now))
    while len(server.run(store.list_dead_letters(name, 0, 10))) < 3:
        server.events.get(timeout=10)
    return name


def ids(found):
    return [each["task"]["name"][-1] for each in found["deadLetters"]]


def test_dead_letters_are_listed_read_and_deleted(server, queue):
    status, found = call(server, f"{queue}/deadLetters")
    assert status == 200
    assert sorted(ids(found)) == ["a", "b", "c"]
    assert "body" not in found["deadLetters"][0]["task"]["httpRequest"]
    status, letter = call(server, f"{queue}/deadLetters/a")
    assert letter["reason"] == "all 1 attempts failed"
    assert letter["task"]["httpRequest"]["body"] == "eA=="
    assert letter["task"]["lastAttempt"]["responseStatus"]["code"] == 2
    assert call(server, f"{queue}/deadLetters/a", "DELETE") == (200, {})
    assert call(server, f"{queue}/deadLetters/a")[0] == 404
    assert call(server, f"{queue}/deadLetters/a", "DELETE")[0] == 404


def test_lists_have_pages(server, queue):
    _, first = call(server, f"{queue}/deadLetters?pageSize=2")
    _, rest = call(server, f"{queue}/deadLetters?pageToken={first['nextPageToken']}")
    assert sorted(ids(first) + ids(rest)) == ["a", "b", "c"]
    _, first = call(server, f"{queue}/attempts?pageSize=2")
    _, rest = call(server, f"{queue}/attempts?pageToken={first['nextPageToken']}")
    assert len(first["attempts"] + rest["attempts"]) == 3
    assert first["attempts"][0]["outcome"] == "failed"
    assert "no connection" in first["attempts"][0]["status"]["message"]
    _, of_one = call(server, f"{queue}/attempts?task=b")
    assert [each["target"] for each in of_one["attempts"]] == ["POST http://127.0.0.1:1/b"]


def test_dead_letters_are_replayed_by_name_code_or_all_together(server, queue):
    store = server.server.store
    server.run(store.update_queue(queue, replacement(state=State.PAUSED), server.clock.now()))
    status, done = call(server, f"{queue}/deadLetters:replay", "POST", {"tasks": ["a", "z"]})
    assert (status, done["count"]) == (200, 1)
    assert done["failed"]["z"]["code"] == "NOT_FOUND"
    for code, count in (("NOT_FOUND", 0), ("UNKNOWN", 2)):
        _, done = call(server, f"{queue}/deadLetters:replay", "POST", {"code": code})
        assert done["count"] == count
    page = server.run(store.list_tasks(queue, 0, 10, 1 << 20))
    assert len(page.tasks) == 3


def test_dead_letters_are_deleted_all_together(server, queue):
    status, done = call(server, f"{queue}/deadLetters:delete", "POST", {"all": True})
    assert (status, done) == (200, {"count": 3, "failed": {}, "more": False})


def test_an_id_counts_once_and_named_ones_leave_nothing_more(server, queue, monkeypatch):
    monkeypatch.setattr(admin_messages, "PAGE", 3)
    _, done = call(server, f"{queue}/deadLetters:delete", "POST", {"tasks": ["a", "a", "b"]})
    assert done == {"count": 2, "failed": {}, "more": False}


def test_a_filter_goes_on_behind_what_it_could_not_do(server, queue, monkeypatch):
    monkeypatch.setattr(admin_messages, "PAGE", 2)
    server.run(server.server.store.delete_queue(queue, server.clock.now()))
    body, tried = {"all": True}, []
    for more in (True, False):
        status, done = call(server, f"{queue}/deadLetters:replay", "POST", body)
        assert (status, done["count"], done["more"]) == (200, 0, more)
        tried += done["failed"]
        body = {"all": True, "pageToken": done.get("nextPageToken")}
    assert sorted(tried) == ["a", "b", "c"]
    assert (
        len(call(server, f"{queue}/deadLetters")[1]["deadLetters"]) == 2
    )  # a page, still readable


def test_a_page_that_holds_all_is_the_last(server, queue):
    for what in ("deadLetters", "attempts"):
        assert "nextPageToken" not in call(server, f"{queue}/{what}?pageSize=3")[1]


def test_stats(server, queue):
    status, stats = call(server, f"{queue}/stats")
    assert (status, stats["inFlight"]) == (200, 0)
    assert 0 < stats["effectiveExecutionRate"] <= 500
    assert stats["deadLetters"] == 3
    assert stats["recentAnswers"].keys() == {"all", "errors", "pushbacks"}
    assert "nextScheduleTime" not in stats


def test_stats_say_what_holds_a_queue_back_and_what_waits():
    now = 1_700_000_000 * SECOND
    stats = QueueStats(2, 250.0, 5.0, 2.0, 1.0, now + MINUTE, now + HOUR, 1)
    assert admin_messages.render_stats(stats, now) == {
        "inFlight": 2,
        "effectiveExecutionRate": 250.0,
        "recentAnswers": {"all": 5.0, "errors": 2.0, "pushbacks": 1.0},
        "deadLetters": 1,
        "recoversFrom": "2023-11-14T22:14:20Z",
        "nextScheduleTime": "2023-11-14T23:13:20Z",
    }


@pytest.mark.parametrize(
    ("path", "verb", "body", "status"),
    [
        ("nonsense", "GET", None, 404),
        ("projects/p/locations/l/queues/none/stats", "GET", None, 404),
        ("projects/p/locations/l/queues/q/deadLetters?code=BANANA", "GET", None, 400),
        ("projects/p/locations/l/queues/q/deadLetters?pageSize=x", "GET", None, 400),
        ("projects/p/locations/l/queues/q/deadLetters?pageToken=x", "GET", None, 400),
        ("projects/p/locations/l/queues/q/deadLetters:replay", "POST", {}, 400),
        ("projects/p/locations/l/queues/q/deadLetters:replay", "POST", {"all": False}, 400),
        ("projects/p/locations/l/queues/q/deadLetters:replay", "POST", {"tasks": ["a b"]}, 400),
        ("projects/p/locations/l/queues/q/deadLetters", "POST", {}, 404),
        ("projects/p/locations/l/queues/none/deadLetters", "GET", None, 404),
        ("projects/p/locations/l/queues/none/deadLetters?code=ABORTED", "GET", None, 404),
        ("projects/p/locations/l/queues/none/attempts", "GET", None, 404),
        ("projects/p/locations/l/queues/none/deadLetters:replay", "POST", {"all": True}, 404),
        (
            "projects/p/locations/l/queues/q/deadLetters:delete",
            "POST",
            {"all": True, "pageToken": "x"},
            400,
        ),
    ],
)
def test_what_cannot_be_is_refused_in_words(server, path, verb, body, status):
    code, message = call(server, path, verb, body)
    assert code == status
    assert isinstance(message, str)

"""Attempts and dead letters over HTTP."""

import pytest
import requests

from drayman import tasks
from drayman.api import admin_messages
from drayman.core.clock import HOUR, MINUTE, SECOND
from drayman.store.contract import QueueStats
from drayman.testing import CONNECTION_ERROR


@pytest.fixture
def call(cloud_tasks):
    """Make a call; return the status and the JSON value of the response."""

    def call(path, method="GET", content=None):
        url = f"http://{cloud_tasks.address}/drayman/v1/{path}"
        response = requests.request(method, url, json=content, timeout=30)
        return response.status_code, response.json()

    return call


@pytest.fixture
def queue(cloud_tasks):
    """A queue with three dead letters."""
    name, client = cloud_tasks.queue("q", max_attempts=1), cloud_tasks.client()
    cloud_tasks.respond("*", CONNECTION_ERROR)
    for task_id in "abc":
        task = tasks.http_task(f"https://a.example/{task_id}", body=b"x")
        task.name = f"{name}/tasks/{task_id}"
        client.create_task(parent=name, task=task)
    cloud_tasks.run_all()
    return name


def ids(page):
    return [letter["task"]["name"][-1] for letter in page["deadLetters"]]


def test_dead_letters_are_listed_read_and_deleted(call, queue):
    status, page = call(f"{queue}/deadLetters")
    assert status == 200
    assert sorted(ids(page)) == ["a", "b", "c"]
    assert "body" not in page["deadLetters"][0]["task"]["httpRequest"]
    status, letter = call(f"{queue}/deadLetters/a")
    assert letter["reason"] == "all 1 attempts failed"
    assert letter["task"]["httpRequest"]["body"] == "eA=="
    assert letter["task"]["lastAttempt"]["responseStatus"]["code"] == 2
    assert call(f"{queue}/deadLetters/a", "DELETE") == (200, {})
    assert call(f"{queue}/deadLetters/a")[0] == 404
    assert call(f"{queue}/deadLetters/a", "DELETE")[0] == 404


def test_lists_have_pages(call, queue):
    _, first = call(f"{queue}/deadLetters?pageSize=2")
    _, rest = call(f"{queue}/deadLetters?pageToken={first['nextPageToken']}")
    assert sorted(ids(first) + ids(rest)) == ["a", "b", "c"]
    _, first = call(f"{queue}/attempts?pageSize=2")
    _, rest = call(f"{queue}/attempts?pageToken={first['nextPageToken']}")
    assert len(first["attempts"] + rest["attempts"]) == 3
    assert first["attempts"][0]["outcome"] == "failed"
    assert first["attempts"][0]["status"]["message"] == "UNKNOWN(2): HTTP status code 0"
    assert "connection refused" in first["attempts"][0]["error"]
    _, filtered = call(f"{queue}/attempts?task=b")
    assert [attempt["target"] for attempt in filtered["attempts"]] == ["POST https://a.example/b"]


def test_dead_letters_are_replayed_by_name_code_or_all_together(call, queue, cloud_tasks):
    status, result = call(f"{queue}/deadLetters:replay", "POST", {"tasks": ["a", "z"]})
    assert (status, result["count"]) == (200, 1)
    assert result["failed"]["z"]["code"] == "NOT_FOUND"
    for code, count in (("NOT_FOUND", 0), ("UNKNOWN", 2)):
        _, result = call(f"{queue}/deadLetters:replay", "POST", {"code": code})
        assert result["count"] == count
    cloud_tasks.assert_enqueued(count=3)


def test_dead_letters_are_deleted_all_together(call, queue):
    status, result = call(f"{queue}/deadLetters:delete", "POST", {"all": True})
    assert (status, result) == (200, {"count": 3, "failed": {}, "more": False})


def test_an_id_counts_once_and_ids_have_no_next_page(call, queue, monkeypatch):
    monkeypatch.setattr(admin_messages, "PAGE", 3)
    _, result = call(f"{queue}/deadLetters:delete", "POST", {"tasks": ["a", "a", "b"]})
    assert result == {"count": 2, "failed": {}, "more": False}


def test_the_next_page_of_a_filter_starts_after_the_failed_ones(
    call, queue, cloud_tasks, monkeypatch
):
    monkeypatch.setattr(admin_messages, "PAGE", 2)
    cloud_tasks.client().delete_queue(name=queue)
    body, tried = {"all": True}, []
    for more in (True, False):
        status, result = call(f"{queue}/deadLetters:replay", "POST", body)
        assert (status, result["count"], result["more"]) == (200, 0, more)
        tried += result["failed"]
        body = {"all": True, "pageToken": result.get("nextPageToken")}
    assert sorted(tried) == ["a", "b", "c"]
    _, page = call(f"{queue}/deadLetters")
    assert len(page["deadLetters"]) == 2


def test_a_page_that_holds_all_is_the_last(call, queue):
    for collection in ("deadLetters", "attempts"):
        assert "nextPageToken" not in call(f"{queue}/{collection}?pageSize=3")[1]


def test_the_statistics_of_a_queue(call, queue):
    status, stats = call(f"{queue}/stats")
    assert (status, stats["inFlight"]) == (200, 0)
    assert 0 < stats["effectiveExecutionRate"] <= 500
    assert stats["deadLetters"] == 3
    assert stats["recentAnswers"].keys() == {"all", "errors", "pushbacks"}
    assert "nextScheduleTime" not in stats


def test_statistics_have_the_times_of_recovery_and_of_the_next_task():
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
    ("path", "method", "content", "status"),
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
def test_invalid_requests_are_refused_with_a_message(call, path, method, content, status):
    code, response = call(path, method, content)
    assert code == status
    assert isinstance(response["error"]["message"], str)

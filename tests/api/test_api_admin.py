"""Attempts and dead letters over HTTP."""

import dataclasses

import pytest

from drayman.api import admin_messages
from drayman.core.clock import HOUR, MINUTE, SECOND, ManualClock
from drayman.core.events import AttemptEnded, DeadLetterAction, DeadLettersChanged
from drayman.core.queue import Queue, RateLimits, State, creation, replacement
from drayman.core.rates import Rates
from drayman.store.contract import MAX_DEAD_LETTERS_COUNTED, MAX_DUE_COUNTED, QueueStats
from live import LiveServer

QUEUE = "projects/p/locations/l/queues/{}"


@pytest.fixture(scope="module")
def server():
    live = LiveServer(ManualClock())
    yield live
    live.stop()


def call(server, path, method="GET", content=None):
    return server.request(method, f"/drayman/v1/{path}", content)


@pytest.fixture
def queue(server, request, create_dead_letters):
    """A queue with three dead letters."""
    name = QUEUE.format(request.node.name.replace("_", "-")[:90].strip("-"))
    create_dead_letters(server, name, "abc")
    return name


def ids(page):
    return [letter["task"]["name"][-1] for letter in page["deadLetters"]]


def test_dead_letters_are_listed_read_and_deleted(server, queue):
    status, page = call(server, f"{queue}/deadLetters")
    assert status == 200
    assert sorted(ids(page)) == ["a", "b", "c"]
    assert "body" not in page["deadLetters"][0]["task"]["httpRequest"]
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
    assert first["attempts"][0]["status"]["message"] == "UNKNOWN(2): HTTP status code 0"
    assert "no connection" in first["attempts"][0]["error"]
    _, filtered = call(server, f"{queue}/attempts?task=b")
    assert [attempt["target"] for attempt in filtered["attempts"]] == ["POST http://127.0.0.1:1/b"]


def test_dead_letters_are_replayed_by_name_code_or_all_together(server, queue):
    store = server.store
    server.run(store.update_queue(queue, replacement(state=State.PAUSED), server.clock.now()))
    status, result = call(server, f"{queue}/deadLetters:replay", "POST", {"tasks": ["a", "z"]})
    assert (status, result["count"]) == (200, 1)
    assert result["failed"]["z"]["code"] == "NOT_FOUND"
    for code, count in (("NOT_FOUND", 0), ("UNKNOWN", 2)):
        _, result = call(server, f"{queue}/deadLetters:replay", "POST", {"code": code})
        assert result["count"] == count
    page = server.run(store.list_tasks(queue, 0, 10, 1 << 20))
    assert len(page.tasks) == 3


def test_dead_letters_are_deleted_all_together(server, queue):
    status, result = call(server, f"{queue}/deadLetters:delete", "POST", {"all": True})
    assert (status, result) == (200, {"count": 3, "failed": {}, "more": False})


def test_changes_of_dead_letters_are_events(server, queue):
    paused = replacement(state=State.PAUSED)
    server.run(server.store.update_queue(queue, paused, server.clock.now()))
    calls = [
        ("deadLetters/a", "DELETE", None, DeadLetterAction.DELETED),
        ("deadLetters:replay", "POST", {"tasks": ["b", "z"]}, DeadLetterAction.REPLAYED),
        ("deadLetters:delete", "POST", {"all": True}, DeadLetterAction.DELETED),
    ]
    for path, method, content, action in calls:
        call(server, f"{queue}/{path}", method, content)
        while (event := server.next_event(DeadLettersChanged)).queue != queue:
            pass
        now = server.clock.now()
        assert event == DeadLettersChanged(queue, action, 1, now, "127.0.0.1")


def test_an_id_counts_once_and_ids_have_no_next_page(server, queue, monkeypatch):
    monkeypatch.setattr(admin_messages, "PAGE", 3)
    _, result = call(server, f"{queue}/deadLetters:delete", "POST", {"tasks": ["a", "a", "b"]})
    assert result == {"count": 2, "failed": {}, "more": False}


def test_the_next_page_of_a_filter_starts_after_the_failed_ones(server, queue, monkeypatch):
    monkeypatch.setattr(admin_messages, "PAGE", 2)
    server.run(server.store.delete_queue(queue, server.clock.now()))
    body, tried = {"all": True}, []
    for more in (True, False):
        status, result = call(server, f"{queue}/deadLetters:replay", "POST", body)
        assert (status, result["count"], result["more"]) == (200, 0, more)
        tried += result["failed"]
        body = {"all": True, "pageToken": result.get("nextPageToken")}
    assert sorted(tried) == ["a", "b", "c"]
    _, page = call(server, f"{queue}/deadLetters")
    assert len(page["deadLetters"]) == 2


def test_a_page_that_holds_all_is_the_last(server, queue):
    for collection in ("deadLetters", "attempts"):
        assert "nextPageToken" not in call(server, f"{queue}/{collection}?pageSize=3")[1]


def test_the_statistics_of_a_queue(server, queue):
    status, stats = call(server, f"{queue}/stats")
    assert (status, stats["name"], stats["inFlight"]) == (200, queue, 0)
    assert 0 < stats["effectiveExecutionRate"] <= 500
    assert stats["deadLetters"] == 3
    assert stats["recentAnswers"].keys() == {"all", "errors", "pushbacks"}
    assert stats["rates"].keys() == {"1m", "15m"}
    assert "nextScheduleTime" not in stats


def test_the_rates_of_a_queue_are_those_of_its_calls_and_attempts(server):
    name = QUEUE.format("rates")
    server.run(server.store.update_queue(name, creation(Queue(name)), server.clock.now()))
    task = {"task": {"httpRequest": {"url": "http://127.0.0.1:1/"}}}
    assert server.request("POST", f"/v2/{name}/tasks", task)[0] == 200
    server.next_event(AttemptEnded)
    rates = call(server, f"{name}/stats")[1]["rates"]
    assert rates["1m"] == {"created": 1 / 60, "completed": 0, "failed": 0, "retried": 1 / 60}
    assert rates["15m"]["created"] == 1 / 900


def test_statistics_of_all_queues_are_listed_page_by_page(server):
    names = [QUEUE.replace("/p/", "/stats/").format(id_) for id_ in ("a", "b", "c")]
    for name in names:
        server.run(server.store.update_queue(name, creation(Queue(name)), server.clock.now()))
    path = "queues?parent=projects/stats&pageSize=2"
    status, first = call(server, path)
    _, rest = call(server, f"{path}&pageToken={first['nextPageToken']}")
    assert status == 200
    assert [each["name"] for each in first["queues"] + rest["queues"]] == names
    assert "nextPageToken" not in rest
    assert first["queues"][0] == call(server, f"{names[0]}/stats")[1]


def test_statistics_without_a_parent_are_those_of_every_project(server):
    for project in ("one", "two"):
        name = QUEUE.replace("/p/", f"/{project}/").format("q")
        server.run(server.store.update_queue(name, creation(Queue(name)), server.clock.now()))
    _, page = call(server, "queues")
    assert {"one", "two"} <= {each["name"].split("/")[1] for each in page["queues"]}
    _, page = call(server, "queues?parent=projects/one/locations/l")
    assert [each["name"] for each in page["queues"]] == ["projects/one/locations/l/queues/q"]


NOW = 1_700_000_000 * SECOND
STATS = QueueStats(
    Queue("q", rate_limits=RateLimits(500.0, 10, 20)),
    tasks=7, due=3, in_flight=2, effective_rate=250.0, recent_responses=5.0, recent_errors=2.0,
    recent_pushbacks=1.0, recovery_time=NOW + MINUTE, next_schedule_time=NOW + HOUR,
    dead_letters=1,
)  # fmt: skip


def render(**changes):
    rates = {"1m": Rates(1.0, 2.0, 3.0, 4.0)}
    return admin_messages.render_stats(dataclasses.replace(STATS, **changes), rates, NOW)


def test_statistics_have_the_times_of_recovery_and_of_the_next_task():
    assert render() == {
        "name": "q",
        "state": "RUNNING",
        "tasks": 7,
        "due": 3,
        "dueAtLeast": False,
        "inFlight": 2,
        "deadLetters": 1,
        "deadLettersAtLeast": False,
        "rates": {"1m": {"created": 1.0, "completed": 2.0, "failed": 3.0, "retried": 4.0}},
        "maxDispatchesPerSecond": 500.0,
        "maxConcurrentDispatches": 20,
        "effectiveExecutionRate": 250.0,
        "rateLimitedBy": "BACK_PRESSURE",
        "recentAnswers": {"all": 5.0, "errors": 2.0, "pushbacks": 1.0},
        "recoversFrom": "2023-11-14T22:14:20Z",
        "nextScheduleTime": "2023-11-14T23:13:20Z",
    }


def test_statistics_have_the_age_of_the_oldest_due_task():
    assert render(next_schedule_time=NOW - 5 * SECOND // 2)["oldestDueSeconds"] == 2.5


def test_counts_that_reach_their_bound_are_marked():
    rendered = render(due=MAX_DUE_COUNTED, dead_letters=MAX_DEAD_LETTERS_COUNTED)
    assert rendered["dueAtLeast"]
    assert rendered["deadLettersAtLeast"]


@pytest.mark.parametrize("state", [State.PAUSED, State.DISABLED])
def test_the_rate_of_a_queue_that_does_not_run_is_limited_by_its_state(state):
    assert (
        render(queue=dataclasses.replace(STATS.queue, state=state))["rateLimitedBy"] == state.name
    )


def test_the_rate_without_back_pressure_is_limited_by_the_queue():
    assert render(effective_rate=500.0)["rateLimitedBy"] == "QUEUE"


@pytest.mark.parametrize(
    ("path", "method", "content", "status"),
    [
        ("nonsense", "GET", None, 404),
        ("queues?parent=nonsense", "GET", None, 400),
        ("queues?pageToken=x", "GET", None, 400),
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
def test_invalid_requests_are_refused_with_a_message(server, path, method, content, status):
    code, response = call(server, path, method, content)
    assert code == status
    assert isinstance(response["error"]["message"], str)

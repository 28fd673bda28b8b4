"""An assertion that fails shows what there was, and what was not as expected."""

import datetime

import pytest
from moments import START, URL

HOUR = datetime.timedelta(hours=1)


def failure(check, **criteria):
    """Return the lines of the message with which an assertion fails."""
    with pytest.raises(AssertionError) as error:
        check(**criteria)
    return str(error.value).splitlines()


def test_tasks_that_match_are_returned(still, enqueue):
    enqueue(json={"to": "ada"}, headers={"X-A": "b"})
    enqueue("https://app.example/other")
    (task,) = still.assert_enqueued(
        queue="mail", url="*/mail", method="post", json={"to": "ada"},
        body='{"to":"ada"}', headers={"x-a": "b"}, at=START, count=1,
    )  # fmt: skip
    assert task.json == {"to": "ada"}
    assert len(still.assert_enqueued()) == 2
    assert still.assert_enqueued(url="https://nowhere.example", count=0) == []
    assert still.assert_enqueued(queue=task.queue, url=URL) == [task]


@pytest.mark.parametrize(
    ("criteria", "line"),
    [
        ({"queue": "news"}, "queue is 'projects/test/locations/local/queues/mail', not 'news'"),
        ({"url": "https://b.example"}, f"url is {URL!r}, not 'https://b.example'"),
        ({"method": "PUT"}, "method is 'POST', not 'PUT'"),
        ({"json": {"to": "bob"}}, "json is {'to': 'ada'}, not {'to': 'bob'}"),
        ({"json": None}, "json is {'to': 'ada'}, not None"),
        ({"body": "x"}, "body is b'{\"to\":\"ada\"}', not 'x'"),
        ({"headers": {"X-A": "c"}}, "header X-A is None, not 'c'"),
        ({"at": START + HOUR}, "at is 2026-01-01 00:00:00Z, not 2026-01-01 01:00:00Z"),
        ({"at": HOUR}, "at is 2026-01-01 00:00:00Z, not 2026-01-01 01:00:00Z"),
    ],
)
def test_a_failure_names_each_difference(still, enqueue, criteria, line):
    enqueue(json={"to": "ada"})
    first, task, *differences = failure(still.assert_enqueued, **criteria)
    assert first.startswith("no pending task matches: ")
    assert task == f"  POST {URL} in queue mail, due 2026-01-01 00:00:00Z: {{'to': 'ada'}}"
    assert differences == [f"    {line}"]


def test_a_failure_shows_the_criteria(still):
    assert failure(still.assert_enqueued, queue="mail", json=None, at=START) == [
        "no pending task matches: queue='mail', at=2026-01-01 00:00:00Z, json=None",
        "There is no pending task at all.",
    ]


def test_a_failure_shows_how_many_match(still, enqueue):
    enqueue(body=b"x"), enqueue(body=b"x"), enqueue("https://b.example", body=b"x")
    lines = failure(still.assert_enqueued, url=URL, count=3)
    assert lines[0] == f"2 pending tasks match, not 3: url='{URL}'"
    assert lines[-1] == f"    url is 'https://b.example', not '{URL}'"


def test_a_failure_shows_a_limited_number_of_messages(still, enqueue):
    for _ in range(25):
        enqueue()
    lines = failure(still.assert_enqueued, count=1)
    assert lines[0] == "25 pending tasks match, not 1: any"
    assert lines[-1] == "  … and 5 more"


def test_a_list_of_pending_tasks_is_limited(still, enqueue):
    for _ in range(25):
        enqueue()
    first, *shown, last = failure(still.assert_empty)
    assert (first, len(shown), last) == ("25 pending tasks, not none", 20, "  … and 5 more")


def test_a_failure_shows_the_beginning_of_a_long_value(still, enqueue):
    enqueue(json="a" * 50_000)
    first, task, difference = failure(still.assert_enqueued, json="b" * 50_000, body=None)
    for line in (first, task, difference):
        assert "… (50,002 characters)" in line
        assert len(line) < 3_000
    *_, difference = failure(still.assert_enqueued, body=b"c" * 50_000)
    assert difference.startswith("    body is b'\"aaaa")
    assert len(difference) < 3_000


def test_a_failure_shows_the_beginning_of_a_long_error(still, enqueue):
    still.respond("*", [lambda _: {}["d" * 50_000]])
    enqueue()
    still.run_next()
    assert len(failure(still.assert_delivered, status=200)[1]) < 3_000


def test_json_is_compared_as_json(still, enqueue):
    enqueue(json={"list": [1, 2], "flag": True})
    still.assert_enqueued(json={"flag": True, "list": (1, 2)})
    assert failure(still.assert_enqueued, json={"flag": 1, "list": [1, 2]})


def test_a_body_that_is_no_json_is_not_equal_to_any(still, enqueue):
    enqueue(body=b"\xff")
    *_, line = failure(still.assert_enqueued, json=None)
    assert line == "    json is no JSON, not None"


def test_a_value_may_compare_itself(still, enqueue):
    enqueue(json={"id": 7})

    class AnyNumber:
        def __eq__(self, other):
            return isinstance(other, int)

        __hash__ = None

    still.assert_enqueued(json={"id": AnyNumber()})


def test_deliveries_have_a_status_too(still, enqueue):
    still.respond("*", [503, 200])
    enqueue(json=1)
    still.run_all()
    still.assert_delivered(url=URL, status=503, count=1)
    still.assert_delivered(queue="mail", json=1, at=START, count=2)
    assert failure(still.assert_delivered, status=404) == [
        "no delivery matches: status=404",
        f"  POST {URL} in queue mail, status 503 2026-01-01 00:00:00Z: 1",
        "    status is 503, not 404",
        f"  POST {URL} in queue mail, status 200 2026-01-01 00:00:00Z: 1",
        "    status is 200, not 404",
    ]


def test_a_failure_shows_what_a_handler_raised(still, enqueue):
    still.respond("*", [lambda _: {}["missing"]])
    enqueue(json=1)
    still.run_next()
    assert "failed (KeyError('missing'))" in failure(still.assert_delivered, status=200)[1]
    assert failure(still.assert_delivered, count=2)[0] == "1 delivery matches, not 2: any"


def test_empty_means_that_no_task_is_pending(still, enqueue):
    still.assert_empty()
    enqueue(json=1)
    still.assert_empty(still.queue("other"))
    still.assert_empty("other")
    assert failure(still.assert_empty, queue="mail") == [
        "1 pending task, not none",
        f"  POST {URL} in queue mail, due 2026-01-01 00:00:00Z: 1",
    ]


def test_a_queue_that_does_not_exist_is_not_empty(still, enqueue):
    with pytest.raises(LookupError, match="there is no queue 'mial'; the server has: none at all"):
        still.assert_empty("mial")
    queue = enqueue().partition("/tasks/")[0]
    with pytest.raises(LookupError, match=f"there is no queue 'mial'; the server has: {queue}"):
        still.assert_empty("mial")


def test_a_full_name_is_of_one_queue(still, enqueue):
    queue = enqueue().partition("/tasks/")[0]
    other = queue.replace("projects/test", "projects/other")
    still.assert_enqueued(queue=queue, count=1)
    still.assert_empty(still.queue(other))
    still.assert_enqueued(queue=other, count=0)


def test_a_failure_tells_tasks_that_wait_from_those_that_were_delivered(still, enqueue):
    enqueue()
    assert failure(still.assert_delivered)[1] == (
        "There is no delivery at all; 1 task waiting for run_all() or advance()."
    )
    still.run_all()
    assert failure(still.assert_enqueued)[1] == (
        "There is no pending task at all; 1 request went to targets."
    )

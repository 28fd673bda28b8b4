"""ListQueues by filter."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core import errors
from drayman.wire import filters

QUEUES = {
    "plain": {},
    "slow": {"rate_limits": {"max_dispatches_per_second": 0.5}},
    "patient": {
        "retry_config": {"max_attempts": -1, "max_backoff": datetime.timedelta(seconds=90)}
    },
    "sender": {
        "http_target": {
            "uri_override": {"host": "Example.com"},
            "header_overrides": [
                {"header": {"key": "A", "value": "1"}},
                {"header": {"key": "B", "value": 'q"x'}},
            ],
        }
    },
}
CASES = [
    ("", "patient plain sender slow"),
    ("  ", "patient plain sender slow"),
    ("state: PAUSED", "slow"),
    ("state=paused", "slow"),
    ("state != PAUSED", "patient plain sender"),
    ("NOT state:PAUSED", "patient plain sender"),
    ("-state:PAUSED", "patient plain sender"),
    ("rateLimits.maxDispatchesPerSecond < 1", "slow"),
    ("rate_limits.max_dispatches_per_second>=500", "patient plain sender"),
    ("retryConfig.maxAttempts = -1", "patient"),
    ("retryConfig.maxAttempts > -1", "plain sender slow"),
    ("retryConfig.maxBackoff <= 90s", "patient"),
    ('retryConfig.maxBackoff = "3600s"', "plain sender slow"),
    ("purgeTime:*", "plain"),
    ('purgeTime > "2020-01-01T00:00:00Z"', "plain"),
    ("purgeTime < 2020-01-01", ""),
    ("name:SEND", "sender"),
    ('name = "nothing"', ""),
    ("httpTarget:*", "sender"),
    ("NOT httpTarget:*", "patient plain slow"),
    ("httpTarget.uriOverride.host = example.com", "sender"),
    ("httpTarget.uriOverride.host != example.com", "patient plain slow"),
    ("httpTarget.headerOverrides.header.key = B", "sender"),
    (r'httpTarget.headerOverrides.header.value : "q\"x"', "sender"),
    ("state:PAUSED OR name:plain", "plain slow"),
    ("state:RUNNING AND name:plain", "plain"),
    ("state:RUNNING name:plain", "plain"),
    ("name:plain OR name:slow AND state:PAUSED", "slow"),  # OR binds closer
    ("name:plain OR (name:slow AND state:PAUSED)", "plain slow"),
    ("NOT (name:plain OR name:slow)", "patient sender"),
    ("((name:plain))", "plain"),
]  # fmt: skip


@pytest.fixture(scope="module")
def filled(clients):
    client, location = clients["grpc"], "projects/filters/locations/l"
    for queue_id, settings in QUEUES.items():
        name = f"{location}/queues/{queue_id}"
        client.create_queue(parent=location, queue={"name": name, **settings})
    client.pause_queue(name=f"{location}/queues/slow")
    client.purge_queue(name=f"{location}/queues/plain")
    return location


def ids(listing):
    return " ".join(queue.name.rpartition("/")[2] for queue in listing)


@pytest.mark.parametrize(("text", "found"), CASES)
def test_a_filter_finds(client, filled, text, found):
    assert ids(client.list_queues(request={"parent": filled, "filter": text})) == found


def test_pages_of_a_filter_are_full_and_bound_to_it(client, filled, refused):
    request = {"parent": filled, "filter": "state:RUNNING", "page_size": 2}
    pages = client.list_queues(request=request).pages
    first = next(pages)
    assert ids(first.queues) == "patient plain"
    assert ids(next(pages).queues) == "sender"
    other = request | {"filter": "state:PAUSED", "page_token": first.next_page_token}
    refused("INVALID_ARGUMENT", None, client.list_queues, request=other)


WRONG = [
    ("state", "one of = != < <= > >= : was expected, at position 6 (the end)"),
    ("state =", "a value was expected, at position 8 (the end)"),
    ("= 5", "the name of a field was expected, at position 1 (= 5)"),
    ("stat: PAUSED", 'a queue has no field "stat", at position 1 (stat: PAUSED)'),
    ("state.x: PAUSED", 'a queue has no field "state.x"'),
    ("state: SLEEPING", '"state" can be one of STATE_UNSPECIFIED, RUNNING, PAUSED, DISABLED'),
    ("state > PAUSED", '"state" can be compared with = != : alone'),
    ("httpTarget = 5", '"httpTarget" can only be compared as httpTarget:*'),
    ("retryConfig.maxAttempts = many", '"maxAttempts" is a number'),
    ("purgeTime < soon", '"purgeTime" is a moment'),
    ("retryConfig.minBackoff < soon", '"minBackoff" is a duration'),
    ("(state:PAUSED", '")" was expected'),
    ("state:PAUSED)", "AND, OR or the end was expected"),
    ("state:PAUSED OR", "the name of a field was expected"),
    ("AND state:PAUSED", "the name of a field was expected"),
    ('name = "x', "this cannot be read"),
    ("(" * 100, "this is nested too deeply"),
]


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_a_filter_that_is_wrong_says_where(client, filled, text, reason, refused):
    error = refused(
        "INVALID_ARGUMENT", None, client.list_queues, request={"parent": filled, "filter": text}
    )
    assert f"Invalid filter: {reason}" in str(error)


PIECES = st.sampled_from(
    ["state", "name", "purgeTime", "retryConfig.maxAttempts", "httpTarget", ".", ":", "=", "!=",
     "<", ">=", "*", "PAUSED", "5", "5s", "nan", '"', "\\", "(", ")", "NOT", "AND", "OR", "-", " ",
     "\n", "é", "\0"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=30))
def test_any_text_is_a_filter_or_an_invalid_argument(text):
    try:
        predicate = filters.of_queues(text)
    except errors.InvalidArgument:
        return
    assert predicate({"state": "PAUSED", "name": "n"}) in {True, False}


def test_a_filter_is_no_longer_than_everybody_can_wait_for(client, location, refused):
    text = " OR ".join(["name:x"] * 1_000)
    reason = "Invalid filter: it has more than 2000 characters."
    refused("INVALID_ARGUMENT", reason, client.list_queues, {"parent": location, "filter": text})

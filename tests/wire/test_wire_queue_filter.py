"""The filter of ListQueues: what it selects, and what is wrong with one that is malformed."""

import dataclasses
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core import errors
from drayman.core.clock import SECOND
from drayman.core.limits import QueueLimits
from drayman.core.queue import State
from drayman.wire import queue_filter, queues

LOCATION = "projects/filters/locations/l"
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
    ("purgeTime < 2020-01-01", "patient sender slow"),  # unset compares as the epoch
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
    ("httpTarget.uriOverride.port < 1", "patient plain sender slow"),
    ("httpTarget.uriOverride.scheme = scheme_unspecified", "patient plain sender slow"),
    ('httpTarget.uriOverride.host = ""', "patient plain slow"),
    ("httpTarget.headerOverrides.header.key < Z", "sender"),  # repeated: nothing to compare
    ("RateLimits.MAXDISPATCHESPERSECOND < 1", "slow"),
]  # fmt: skip


def parse(queue_id, settings):
    return queues.parse(queues.Message(**settings), f"{LOCATION}/queues/{queue_id}", QueueLimits())


@pytest.fixture(scope="module")
def filled():
    """Queues by their ids: "slow" is paused, "plain" was purged."""
    by_id = {queue_id: parse(queue_id, settings) for queue_id, settings in QUEUES.items()}
    by_id["slow"] = dataclasses.replace(by_id["slow"], state=State.PAUSED)
    by_id["plain"] = dataclasses.replace(by_id["plain"], purge_time=1_700_000_000 * SECOND)
    return by_id


@pytest.mark.parametrize(("text", "selected"), CASES)
def test_a_filter_selects(filled, text, selected):
    predicate = queue_filter.parse(text)
    ids = [each for each, queue in sorted(filled.items()) if queue_filter.matches(predicate, queue)]
    assert " ".join(ids) == selected


FIELD_ERRORS = [  # recorded: filters, errors
    ("bogus_field: x", "Field not found: 'bogus_field'."),
    ("max_dispatches_per_second < 100", "Field not found: 'max_dispatches_per_second'."),
    ("state.x: PAUSED", "Field not found: 'state.x'."),
    ("retry_config.Bogus = 1", "Field not found: 'retry_config.Bogus'."),
    ("state: BOGUS", "The value 'bogus' is of incorrect type."),
    ("state: 2", "The value '2' is of incorrect type."),
    ("state > BOGUS", "The value 'bogus' is of incorrect type."),
    ("state = *", "The value '*' is of incorrect type."),
    ('state: "*"', "The value '*' is of incorrect type."),
    ("retry_config.max_backoff = 3600", "The value '3600' is of incorrect type."),
    ("retry_config.max_backoff = 1m", "The value '1m' is of incorrect type."),
    ("retry_config.max_backoff = s", "The value 's' is of incorrect type."),
    ("rate_limits.max_dispatches_per_second = fast", "The value 'fast' is of incorrect type."),
    ("rate_limits.max_dispatches_per_second = 1_0", "The value '1_0' is of incorrect type."),
    ("rate_limits.max_dispatches_per_second = NaN", "The value 'nan' is of incorrect type."),
    ("purge_time < Soon", "The value 'soon' is of incorrect type."),
    ("rate_limits: 10",
     ("Cannot match a nested type 'rate_limits'. A member field of scalar or enum type must be "
     "provided.")),
    ("http_target.uri_override = *",
     ("Cannot match a nested type 'http_target.uri_override'. A member field of scalar or enum "
     "type must be provided.")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), FIELD_ERRORS)
def test_a_wrong_field_or_value_is_named(refused, text, message):
    assert not refused(message, queue_filter.parse, text).details


WRONG = [
    ("state", "one of = != < <= > >= : was expected, at position 6 (the end)"),
    ("state =", "a value was expected, at position 8 (the end)"),
    ("= 5", "the name of a field was expected, at position 1 (= 5)"),
    ("(state:PAUSED", '")" was expected'),
    ("state:PAUSED)", "AND, OR or the end was expected"),
    ("state:PAUSED OR", "the name of a field was expected"),
    ("AND state:PAUSED", "the name of a field was expected"),
    ('name = "x', "this cannot be read"),
    ("(" * 100, "this is nested too deeply"),
]


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_a_malformed_filter_names_the_reason_and_the_position(refused, text, reason):
    error = refused(None, queue_filter.parse, text)
    assert error.message.startswith(f"Invalid filter: {reason}")


PIECES = st.sampled_from(
    ["state", "name", "purgeTime", "retryConfig.maxAttempts", "httpTarget", ".", ":", "=", "!=",
     "<", ">=", "*", "PAUSED", "5", "5s", "nan", '"', "\\", "(", ")", "NOT", "AND", "OR", "-", " ",
     "\n", "é", "\0"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=30))
def test_any_text_is_a_filter_or_an_invalid_argument(text):
    try:
        predicate = queue_filter.parse(text)
    except errors.InvalidArgument:
        return
    assert predicate({"state": "PAUSED", "name": "n"}) in {True, False}


def test_a_filter_is_bounded_in_length(refused):
    text = " OR ".join(["name:x"] * 1_000)
    reason = "Invalid filter: it has more than 2000 characters."
    refused(reason, queue_filter.parse, text)


def test_the_position_in_a_filter_counts_characters_from_one(refused):
    reason = "Invalid filter: a value was expected, at position 8 (the end)."
    refused(reason, queue_filter.parse, "state =")

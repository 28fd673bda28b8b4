"""ListQueues by filter, as the real service answers it; tests/wire has more filters."""

import datetime

import pytest

from error_details import details_of

IDS = ["patient", "plain", "sender", "slow"]


@pytest.fixture
def filled(client, location):
    for queue_id in IDS:
        client.create_queue(parent=location, queue={"name": f"{location}/queues/{queue_id}"})
    client.pause_queue(name=f"{location}/queues/slow")
    return location


def ids(listing):
    return [queue.name.rpartition("/")[2] for queue in listing]


@pytest.mark.parametrize(
    ("text", "selected"),
    [("", IDS), ("state: PAUSED", ["slow"]), ("name:SEND OR name:patient", ["patient", "sender"])],
)
def test_a_listing_has_the_queues_that_its_filter_selects(client, filled, text, selected):
    assert ids(client.list_queues(request={"parent": filled, "filter": text})) == selected


def test_pages_of_a_filter_are_full_and_bound_to_it(client, filled, refused):
    request = {"parent": filled, "filter": "state:RUNNING", "page_size": 2}
    pages = client.list_queues(request=request).pages
    first = next(pages)
    assert ids(first.queues) == ["patient", "plain"]
    assert ids(next(pages).queues) == ["sender"]
    assert ids(next(pages).queues) == []
    other = request | {"filter": "state:PAUSED", "page_token": first.next_page_token}
    refused("INVALID_ARGUMENT", None, client.list_queues, request=other)


def test_a_malformed_filter_is_refused_with_the_position(client, location, refused):
    request = {"parent": location, "filter": "state"}
    reason = "one of = != < <= > >= : was expected, at position 6 (the end)"
    message = f"Invalid filter: {reason}."
    refused("INVALID_ARGUMENT", message, client.list_queues, request=request)


STATES = [  # recorded: filters, states
    ("state: PAUSED", "paused"),
    ("state:PAUSED", "paused"),
    ("state = PAUSED", "paused"),
    ('state: "PAUSED"', "paused"),
    ("(state: PAUSED)", "paused"),
    ("state: paused", "paused"),
    ("State: Paused", "paused"),
    ("state != PAUSED", "running"),
    ("NOT state: PAUSED", "running"),
    ("-state: PAUSED", "running"),
    ("state: DISABLED", ""),
    ("state: PAUSED OR state: RUNNING", "paused running"),
    ("state: PAUSED AND state: RUNNING", ""),
    ("state: PAUSED state: RUNNING", ""),
    ("state: PAUSED OR (state: RUNNING AND NOT state: RUNNING)", "paused"),
    ("state > RUNNING", "paused"),
    ("state <= running", "running"),  # not recorded, by the same rule
    ("state >= STATE_UNSPECIFIED", "paused running"),
]
FIELDS = [  # recorded: filters, fields; "set" has settings, "purged" the defaults
    ("name: field-filter-purged", "purged"),
    ("name: PURGED", "purged"),
    ("name: *", "purged set"),
    ("rate_limits: *", "purged set"),
    ("http_target: *", ""),
    ("rate_limits.max_dispatches_per_second = 500", "purged"),
    ("rate_limits.max_dispatches_per_second < 100", "set"),
    ("rate_limits.max_dispatches_per_second : 10", "set"),
    ("rateLimits.maxDispatchesPerSecond <= 10", "set"),
    ("rate_limits.max_concurrent_dispatches >= 1000", "purged"),
    ("rate_limits.max_burst_size != 100", "set"),
    ("retry_config.max_attempts = 5", "set"),
    ("retry_config.min_backoff = 1s", "set"),
    ("retry_config.min_backoff > 0.5s", "set"),
    ("retry_config.min_backoff : 0.1s", "purged"),
    ("retry_config.max_retry_duration: *", "set"),
    ("retry_config.max_retry_duration < 1s", "purged"),
    ("purge_time: *", "purged"),
    ('purge_time > "2020-01-01T00:00:00Z"', "purged"),
    ('purge_time < "2020-01-01T00:00:00Z"', "set"),
    ("retry_config.max_retry_duration != 60s", "purged"),  # not recorded, by the same rule
    ("http_target.uri_override.port = 0", "purged set"),
]
ERRORS = [  # recorded: filters, errors
    ("bogus_field: x", "Field not found: 'bogus_field'."),
    ("max_dispatches_per_second < 100", "Field not found: 'max_dispatches_per_second'."),
    ("state: BOGUS", "The value 'bogus' is of incorrect type."),
    ("state: 2", "The value '2' is of incorrect type."),
    ("retry_config.max_backoff = 3600", "The value '3600' is of incorrect type."),
    ("rate_limits.max_dispatches_per_second = fast", "The value 'fast' is of incorrect type."),
    ("rate_limits: 10",
     ("Cannot match a nested type 'rate_limits'. A member field of scalar or enum type must be "
     "provided.")),
]  # fmt: skip


@pytest.fixture(scope="module")
def recorded(clients):
    """A location with a queue in each state, and one with queues that differ in their fields."""
    client = clients["grpc"]
    states, fields = "projects/filter-states/locations/l", "projects/filter-fields/locations/l"
    for queue_id in ("paused", "running"):
        client.create_queue(parent=states, queue={"name": f"{states}/queues/{queue_id}"})
    client.pause_queue(name=f"{states}/queues/paused")
    settings = {
        "rate_limits": {"max_dispatches_per_second": 10, "max_concurrent_dispatches": 5},
        "retry_config": {
            "max_attempts": 5,
            "min_backoff": datetime.timedelta(seconds=1),
            "max_retry_duration": datetime.timedelta(seconds=60),
        },
    }
    queue = {"name": f"{fields}/queues/field-filter-set", **settings}
    client.create_queue(parent=fields, queue=queue)
    purged = f"{fields}/queues/field-filter-purged"
    client.create_queue(parent=fields, queue={"name": purged})
    client.purge_queue(name=purged)
    return {"states": states, "fields": fields}


@pytest.mark.parametrize(
    ("location", "text", "selected"),
    [("states", *row) for row in STATES] + [("fields", *row) for row in FIELDS],
)
def test_a_filter_selects_the_recorded_queues(client, recorded, location, text, selected):
    listing = client.list_queues(request={"parent": recorded[location], "filter": text})
    assert " ".join(each.rpartition("-")[2] for each in ids(listing)) == selected


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_a_wrong_filter_is_refused_in_the_recorded_words(client, location, refused, text, message):
    request = {"parent": location, "filter": text}
    error = refused("INVALID_ARGUMENT", message, client.list_queues, request=request)
    assert details_of(error) == []

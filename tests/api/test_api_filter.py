"""ListQueues by filter: that the call uses it. What a filter selects: tests/wire."""

import pytest

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
    other = request | {"filter": "state:PAUSED", "page_token": first.next_page_token}
    refused("INVALID_ARGUMENT", None, client.list_queues, request=other)


def test_a_malformed_filter_is_refused_with_the_position(client, location, refused):
    request = {"parent": location, "filter": "state"}
    reason = "one of = != < <= > >= : was expected, at position 6 (the end)"
    message = f"Invalid filter: {reason}."
    refused("INVALID_ARGUMENT", message, client.list_queues, request=request)

"""The calls of queues, through Google's own client."""

import datetime

from google.cloud import tasks_v2
from google.protobuf import field_mask_pb2

from drayman.core.clock import DAY, SECOND

MISSING = (
    "Queue does not exist. If you just created the queue, wait at least a minute for the "
    "queue to initialize."
)
State = tasks_v2.Queue.State


def mask(*paths):
    return field_mask_pb2.FieldMask(paths=paths)


def create(client, location, queue_id="q", **settings):
    name = f"{location}/queues/{queue_id}"
    return client.create_queue(parent=location, queue={"name": name, **settings})


def update(client, queue, *paths):
    return client.update_queue(queue=queue, update_mask=mask(*paths) if paths else None)


def test_a_new_queue_shows_googles_defaults(client, location):
    queue = create(client, location)
    assert queue == client.get_queue(name=queue.name)
    assert queue.state is State.RUNNING
    assert queue.rate_limits == tasks_v2.RateLimits(
        max_dispatches_per_second=500, max_burst_size=100, max_concurrent_dispatches=1000
    )
    assert queue.retry_config == tasks_v2.RetryConfig(
        max_attempts=100,
        min_backoff=datetime.timedelta(milliseconds=100),
        max_backoff=datetime.timedelta(hours=1),
        max_doublings=16,
    )
    for absent in ("purge_time", "app_engine_routing_override", "stackdriver_logging_config"):
        assert absent not in queue


def test_queues_are_listed_by_name_a_page_at_a_time(client, location):
    ids = ["b", "a", "B", "a-1", "c"]
    for queue_id in ids:
        create(client, location, queue_id)
    pager = client.list_queues(request={"parent": location, "page_size": 2})
    pages = [[queue.name for queue in page.queues] for page in pager.pages]
    assert [len(page) for page in pages] == [2, 2, 1, 0]  # each page with queues has a token
    assert [name for page in pages for name in page] == [
        f"{location}/queues/{queue_id}" for queue_id in sorted(ids)
    ]


def test_a_listing_is_stable_while_queues_come_and_go(client, location):
    for queue_id in "bdfh":
        create(client, location, queue_id)
    pages = client.list_queues(request={"parent": location, "page_size": 2}).pages
    first = next(iter(pages))
    create(client, location, "a")
    create(client, location, "e")
    client.delete_queue(name=f"{location}/queues/d")
    rest = client.list_queues(
        request={"parent": location, "page_size": 9, "page_token": first.next_page_token}
    )
    assert [queue.name[-1] for queue in rest] == ["e", "f", "h"]


def test_page_tokens_are_bound_to_their_list_and_expire(client, location, server, refused):
    for queue_id in "abc":
        create(client, location, queue_id)
    page = next(client.list_queues(request={"parent": location, "page_size": 1}).pages)
    token = page.next_page_token
    foreign = "Invalid page_token"

    def listing(**request):
        return client.list_queues(request={"parent": location, **request})

    refused("INVALID_ARGUMENT", foreign, listing, page_token="x")
    refused("INVALID_ARGUMENT", foreign, listing, page_token=token, parent=f"{location}2")
    assert len(list(listing(page_token=token))) == 2
    server.advance(2 * 3600 * SECOND + SECOND)
    refused("INVALID_ARGUMENT", "Invalid page_token: it has expired.", listing, page_token=token)


def test_a_negative_page_size_is_refused(client, location, refused):
    request = {"parent": location, "page_size": -1}
    message = "ListQueuesRequest.pageSize cannot be negative."
    refused("INVALID_ARGUMENT", message, client.list_queues, request)


def test_pause_and_resume_change_the_state(client, location):
    name = create(client, location).name
    assert client.pause_queue(name=name).state is State.PAUSED
    assert client.pause_queue(name=name).state is State.PAUSED
    assert client.get_queue(name=name).state is State.PAUSED
    assert client.resume_queue(name=name).state is State.RUNNING


def test_purge_removes_the_tasks_and_records_the_time(client, queue, server, refused):
    task = {"http_request": {"url": "http://example.com"}}
    gone = client.create_task(parent=queue, task=task)
    server.advance(SECOND)
    purged = client.purge_queue(name=queue)
    assert purged.purge_time.timestamp() == server.clock.now() / SECOND
    assert purged.state is State.PAUSED
    assert list(client.list_tasks(parent=queue)) == []
    refused("NOT_FOUND", None, client.get_task, name=gone.name)
    server.advance(SECOND)
    late = client.create_task(parent=queue, task=task)
    assert [task.name for task in client.list_tasks(parent=queue)] == [late.name]


def test_a_deleted_queue_is_gone_and_its_name_taken_for_three_days(
    client, location, server, refused
):
    name = create(client, location).name
    client.delete_queue(name=name)
    for call in (client.get_queue, client.pause_queue, client.resume_queue, client.purge_queue):
        refused("NOT_FOUND", MISSING, call, name=name)
    refused("NOT_FOUND", "Requested entity was not found.", client.delete_queue, name=name)
    existed = "The queue cannot be created because a queue with this name existed too recently."
    refused("FAILED_PRECONDITION", existed, create, client, location)
    refused("FAILED_PRECONDITION", existed, update, client, {"name": name})
    server.advance(3 * DAY)
    assert create(client, location).name == name


def test_an_update_that_creates_a_queue_applies_its_mask(client, location, refused):
    queue = {
        "name": f"{location}/queues/absent",
        "rate_limits": {"max_dispatches_per_second": 7},
        "retry_config": {"max_attempts": 4},
    }
    request = {"queue": queue, "update_mask": {"paths": ["rate_limits"]}}
    created = client.update_queue(request=request)
    assert created.rate_limits.max_dispatches_per_second == 7
    assert created.retry_config.max_attempts == 100
    request["update_mask"] = {"paths": ["bogus.path"]}
    request["queue"] = {"name": f"{location}/queues/other"}
    refused("INVALID_ARGUMENT", None, client.update_queue, request=request)


def test_update_creates_an_absent_queue(client, location):
    name = f"{location}/queues/new"
    queue = update(client, {"name": name, "rate_limits": {"max_dispatches_per_second": 7}})
    assert queue == client.get_queue(name=name)
    assert queue.rate_limits.max_dispatches_per_second == 7
    assert queue.retry_config.max_attempts == 100


def test_update_with_a_mask_changes_what_it_names(client, location):
    queue = create(client, location, retry_config={"max_attempts": 9, "max_doublings": 4})
    content = {"name": queue.name, "retry_config": {"max_attempts": 3, "max_doublings": 1}}
    changed = update(client, content, "retry_config.max_attempts")
    assert (changed.retry_config.max_attempts, changed.retry_config.max_doublings) == (3, 4)
    assert client.get_queue(name=queue.name) == changed


def test_the_error_of_an_unknown_path_names_it(client, location, refused):
    name = create(client, location).name
    message = "Invalid mask: retry_config.nothing"
    refused("INVALID_ARGUMENT", message, update, client, {"name": name}, "retry_config.nothing")


def test_an_update_that_is_refused_changes_nothing(client, location, refused):
    queue = create(client, location)
    bad = {"name": queue.name, "retry_config": {"max_attempts": -2}}
    refused("INVALID_ARGUMENT", None, update, client, bad)
    assert client.get_queue(name=queue.name) == queue


TARGET = {
    "uri_override": {
        "scheme": tasks_v2.UriOverride.Scheme.HTTP,
        "host": "example.com",
        "port": 0,
        "path_override": {"path": "/x"},
        "query_override": {"query_params": ""},
        "uri_override_enforce_mode": (tasks_v2.UriOverride.UriOverrideEnforceMode.IF_NOT_EXISTS),
    },
    "http_method": tasks_v2.HttpMethod.PUT,
    "header_overrides": [{"header": {"key": "A", "value": "1"}}],
    "oidc_token": {"service_account_email": "a@b", "audience": "x"},
}


def test_an_http_target_is_stored(client, location):
    queue = create(client, location, http_target=TARGET)
    assert queue == client.get_queue(name=queue.name)
    assert queue.http_target == tasks_v2.HttpTarget(TARGET)
    assert "port" in queue.http_target.uri_override


def test_an_empty_target_under_its_mask_clears_it(client, location):
    name = create(client, location, http_target=TARGET).name
    cleared = update(client, {"name": name}, "http_target")
    assert "http_target" not in cleared
    assert "http_target" not in client.get_queue(name=name)

"""A queue's routing holds for every dispatch, also of tasks queued before (reference 2.9)."""

import dataclasses

import jwt
import pytest

from drayman.core.clock import SECOND
from drayman.core.status import Code
from drayman.tasks_v2 import types

Queue = types.Queue.pb()


def settings(**fields):
    return Queue(**fields).SerializeToString()


async def change(world, queue, **fields):
    def to(existing):
        return dataclasses.replace(existing, settings=settings(**fields))

    await world.store.update_queue(queue, to, world.now)


async def test_a_queue_redirects_tasks_that_were_queued_before(world):
    queue = await world.queue()
    await world.task(queue, url="https://old.example/a?b=c", headers={"X-A": "1"}, body=b"x")
    await change(
        world, queue,
        http_target={
            "uri_override": {
                "scheme": "HTTP", "host": "new.example", "port": 81,
                "path_override": {"path": "/p"}, "query_override": {"query_params": ""},
            },
            "http_method": "PUT",
            "header_overrides": [{"header": {"key": "x-a", "value": "2"}}],
        },
    )  # fmt: skip
    await world.run()
    (request,) = world.requests
    assert (request.method, request.url, request.body) == ("PUT", "http://new.example:81/p", b"x")
    assert request.headers["x-a"] == "2"
    assert "X-A" not in request.headers


async def test_retries_use_the_target_that_the_queue_has_by_then(world):
    queue = await world.queue(min_backoff=SECOND)
    name = await world.task(queue, url="https://old.example/a")
    world.targets.will(500)
    await world.run()
    await change(world, queue, http_target={"uri_override": {"host": "new.example"}})
    await world.when_due(name)
    assert [r.url for r in world.requests] == ["https://old.example/a", "https://new.example/a"]


RECORDED = {
    "uri_override": {
        "scheme": "HTTPS", "host": "queue.example", "port": 8443,
        "path_override": {"path": "/queue"}, "query_override": {"query_params": "q=1"},
    },
    "http_method": "PUT",
    "header_overrides": [
        {"header": {"key": "X-Custom", "value": "queue"}},
        {"header": {"key": "X-Other", "value": "other"}},
    ],
    "oidc_token": {"service_account_email": "queue@example.com", "audience": "of-queue"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "own"),
    [
        ({"headers": {"X-Custom": "task", "Content-Type": "text/plain"}, "body": b"x"},
         {"Content-Type": "text/plain"}),
        ({}, {}),
    ],
)  # fmt: skip
async def test_a_queue_overrides_all_parts_of_a_request(world, fields, own):
    """Recorded: a queue's http_target at dispatch."""
    queue = await world.queue(settings=settings(http_target=RECORDED))
    await world.task(queue, url="https://example.com/work?b=2", **fields)
    await world.run()
    (request,) = world.requests
    assert (request.method, request.url) == ("PUT", "https://queue.example:8443/queue?q=1")
    assert request.body == fields.get("body", b"")
    headers = {
        name: value for name, value in request.headers.items()
        if not name.startswith(("X-CloudTasks-", "User-Agent"))
    }  # fmt: skip
    token = headers.pop("Authorization").removeprefix("Bearer ")
    assert jwt.decode(token, options={"verify_signature": False})["email"] == "queue@example.com"
    assert headers == {"X-Custom": "queue", "X-Other": "other"} | own


async def test_a_task_with_a_body_waits_while_its_queue_sets_get(world):
    """Recorded: a queue's http_target at dispatch."""
    queue = await world.queue(settings=settings(http_target={"http_method": "GET"}))
    name = await world.task(queue, body=b"x")
    bare = await world.task(queue, headers={"Content-Type": "text/plain"})
    await world.run()
    assert await world.gone(bare)
    (request,) = world.requests
    assert (request.method, request.headers["Content-Type"]) == ("GET", "text/plain")
    task = await world.get(name)
    assert task.last_attempt.message == "UNKNOWN(2): HTTP status code 0"
    assert (task.dispatch_count, task.response_count) == (1, 0)
    await change(world, queue)
    await world.when_due(name)
    assert await world.gone(name)


async def test_if_not_exists_overrides_no_complete_url(world):
    """Recorded: a queue's http_target at dispatch."""
    queue = await world.queue(
        settings=settings(
            http_target={
                "uri_override": {
                    "host": "new.example", "port": 81,
                    "uri_override_enforce_mode": "IF_NOT_EXISTS",
                }
            }
        )
    )  # fmt: skip
    await world.task(queue, url="https://old.example/a")
    await world.run()
    assert world.requests[0].url == "https://old.example/a"


async def test_reserved_headers_of_a_queue_are_ignored(world):
    override = {"header": {"key": "X-CloudTasks-QueueName", "value": "forged"}}
    queue = await world.queue(settings=settings(http_target={"header_overrides": [override]}))
    await world.task(queue)
    await world.run()
    assert world.requests[0].headers["X-CloudTasks-QueueName"] == "q"


async def test_an_http_target_does_not_apply_to_app_engine_tasks(world):
    world.start(app_engine={"": "http://app.example"})
    queue = await world.queue(
        settings=settings(http_target={"uri_override": {"host": "new.example"}})
    )
    await world.task(queue, app_engine=True, url="/x")
    await world.run()
    assert world.requests[0].url == "http://app.example/x"


async def test_a_queue_routes_app_engine_tasks(world):
    world.start(
        app_engine={
            "": "http://default.example", "worker": "http://worker.example",
            "v2.worker": "http://v2.example",
        }
    )  # fmt: skip
    queue = await world.queue()
    routing = {"service": "other", "version": "v1"}
    await world.task(queue, app_engine=True, url="/1", app_engine_routing=routing)
    await world.run()
    await change(world, queue, app_engine_routing_override={"service": "worker"})
    await world.task(queue, app_engine=True, url="/2", app_engine_routing=routing)
    await world.run()
    await change(world, queue, app_engine_routing_override={"service": "worker", "version": "v2"})
    await world.task(queue, app_engine=True, url="/3", app_engine_routing=routing)
    await world.run()
    await change(world, queue, app_engine_routing_override={"service": "worker"})
    routing = {"service": "worker", "version": "v2"}  # all of it gives way
    await world.task(queue, app_engine=True, url="/4", app_engine_routing=routing)
    await world.run()
    assert [request.url for request in world.requests] == [
        "http://default.example/1", "http://worker.example/2", "http://v2.example/3",
        "http://worker.example/4",
    ]  # fmt: skip


async def test_a_queue_cannot_send_a_token_to_an_http_url(world):
    queue = await world.queue(max_attempts=-1)
    name = await world.task(
        queue, url="https://worker.example/", oidc_token={"service_account_email": "a@b.example"}
    )
    await change(world, queue, http_target={"uri_override": {"scheme": "HTTP"}})
    await world.run()
    assert world.requests == []
    assert (await world.get(name)).last_attempt.code is Code.FAILED_PRECONDITION

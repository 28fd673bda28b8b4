"""The same for tests in an event loop, with clients for asyncio."""

import datetime

from moments import START, URL

from drayman import tasks
from drayman.testing import Server


async def test_a_test_awaits_deliveries(async_cloud_tasks):
    server = async_cloud_tasks
    server.reset(START)
    queue = server.queue("mail")
    async with tasks.CloudTasksAsyncClient() as client:
        await client.create_task(parent=queue, task=tasks.http_task(URL, json=[1]))
        await client.create_task(
            parent=queue, task=tasks.http_task(URL, at=START + datetime.timedelta(days=3))
        )
        server.assert_enqueued(count=2)
        assert await server.run_next()
        server.assert_delivered(json=[1])
        assert await server.advance(days=1) == 0
        assert await server.advance_to(START + datetime.timedelta(days=4)) == 1
        server.respond(URL, [503])
        await client.create_task(parent=queue, task=tasks.http_task(URL))
        assert await server.run_all() == 2
        server.assert_empty()


async def test_googles_client_for_asyncio_works_as_it_is(async_cloud_tasks, google_async_client):
    queue = async_cloud_tasks.queue("mail")
    await google_async_client.create_task(parent=queue, task={"http_request": {"url": URL}})
    assert await async_cloud_tasks.run_all() == 1
    async_cloud_tasks.assert_delivered(url=URL)


async def test_a_server_is_an_async_context_manager():
    async with Server() as server:
        queue = server.queue("mail")
        async with server.async_client() as client:
            await client.create_task(parent=queue, task=tasks.http_task(URL))
        server.deliver_at_once()
        await server.wait_until_idle()
        server.assert_delivered(count=1)


async def test_functions_and_coroutines_are_handlers_too(async_cloud_tasks):
    async def coroutine(_delivery):
        return 500

    async_cloud_tasks.respond("*", [coroutine, lambda _: 503])
    queue = async_cloud_tasks.queue("mail")
    async with async_cloud_tasks.async_client() as client:
        await client.create_task(parent=queue, task=tasks.http_task(URL))
        await async_cloud_tasks.run_all()
    assert [delivery.status for delivery in async_cloud_tasks.deliveries] == [500, 503, 200]

"""The asyncio client sends, returns and raises the same as Google's."""

import grpc
import pytest
from google.api_core import exceptions
from recorders import Failure
from samples import (
    LOCATION,
    QUEUE,
    REQUESTS,
    TASK,
    assert_same_error,
    each_error_code,
    each_flattened_rpc,
    each_rpc,
    flattened,
)

from drayman import tasks
from drayman.tasks_v2.services.cloud_tasks import transports


@each_rpc
async def test_a_request_is_sent_as_googles_client_sends_it(
    rpc, async_client, google_async_client, recorder
):
    await getattr(google_async_client, rpc.method)(REQUESTS[rpc.method])
    googles = recorder.take_comparable()
    await getattr(async_client, rpc.method)(REQUESTS[rpc.method])
    assert recorder.take_comparable() == googles


@each_flattened_rpc
async def test_arguments_are_sent_as_googles_client_sends_them(
    rpc, async_client, google_async_client, recorder
):
    await getattr(google_async_client, rpc.method)(**flattened(rpc))
    googles = recorder.take_comparable()
    await getattr(async_client, rpc.method)(**flattened(rpc))
    assert recorder.take_comparable() == googles


@each_error_code
async def test_every_error_is_the_exception_of_googles_client(
    code, async_client, google_async_client, recorder
):
    raised = []
    for either in (google_async_client, async_client):
        recorder.responses.append(Failure(code, "no way"))
        with pytest.raises(exceptions.GoogleAPICallError) as caught:
            await either.create_task(parent=QUEUE, task={"name": TASK})
        raised.append(caught.value)
    assert_same_error(*raised)


@each_rpc
async def test_only_idempotent_calls_are_retried(rpc, async_client, recorder):
    recorder.responses.append(Failure(grpc.StatusCode.UNAVAILABLE, "later"))
    try:
        await getattr(async_client, rpc.method)(REQUESTS[rpc.method])
    except exceptions.ServiceUnavailable:
        assert not rpc.retried
    assert len(recorder.take()) == (2 if rpc.retried else 1)


async def test_a_pager_fetches_each_page_when_it_is_reached(async_client, recorder):
    page = tasks.ListTasksResponse
    recorder.responses.extend(
        page.serialize(page(tasks=[{"name": name}], next_page_token=token))
        for name, token in (("a", "second"), ("b", ""))
    )
    pager = await async_client.list_tasks(parent=QUEUE)
    assert pager.next_page_token == "second"
    assert len(recorder.calls) == 1
    assert [task.name async for task in pager] == ["a", "b"]
    recorder.responses.append(page.serialize(page(tasks=[{"name": "c"}])))
    pages = [page async for page in (await async_client.list_tasks(parent=QUEUE)).pages]
    assert [task.name for page in pages for task in page.tasks] == ["c"]


async def test_a_transport_uses_the_channel_it_is_given(recorder):
    channel = grpc.aio.insecure_channel(recorder.address)
    transport = transports.CloudTasksGrpcAsyncIOTransport(channel=channel)
    async with tasks.CloudTasksAsyncClient(transport=transport) as client:
        assert [queue async for queue in await client.list_queues(parent=LOCATION)] == []
        assert client.transport.grpc_channel is channel
    assert len(recorder.take()) == 1


async def test_a_blocking_transport_is_refused():
    with pytest.raises(ValueError, match="takes the transport grpc_asyncio, not rest"):
        tasks.CloudTasksAsyncClient(transport="rest")

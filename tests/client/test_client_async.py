"""The asyncio client sends what Google's sends, and gives or raises what Google's does."""

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import tasks_v2 as google_tasks
from recording import Failure
from samples import LOCATION, QUEUE, REQUESTS, TASK

from drayman import tasks
from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import transports

ALL = (*rpcs.RPCS, *rpcs.MIXINS)
each_rpc = pytest.mark.parametrize("rpc", ALL, ids=lambda rpc: rpc.name)


@pytest.fixture
async def google_client(recorder):
    transport = google_tasks.services.cloud_tasks.transports.CloudTasksGrpcAsyncIOTransport(
        channel=grpc.aio.insecure_channel(recorder.address)
    )
    async with google_tasks.CloudTasksAsyncClient(transport=transport) as client:
        yield client


@pytest.fixture
async def client(recorder, monkeypatch):
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", recorder.address)
    async with tasks.CloudTasksAsyncClient() as client:
        yield client


def sent(recorder):
    (one,) = recorder.take()
    assert one.metadata.pop("x-goog-api-client").startswith("gl-python/")
    one.metadata.pop("user-agent")
    return one.method, one.metadata, one.body, one.timeout and round(one.timeout)


@each_rpc
async def test_a_call_goes_over_the_wire_as_googles(rpc, client, google_client, recorder):
    await getattr(google_client, rpc.method)(REQUESTS[rpc.method])
    googles = sent(recorder)
    await getattr(client, rpc.method)(REQUESTS[rpc.method])
    assert sent(recorder) == googles


@pytest.mark.parametrize("rpc", rpcs.RPCS, ids=lambda rpc: rpc.name)
async def test_arguments_go_over_the_wire_as_googles(rpc, client, google_client, recorder):
    fields = {name: REQUESTS[rpc.method].get(name) for name in rpc.flattened}
    await getattr(google_client, rpc.method)(**fields)
    googles = sent(recorder)
    await getattr(client, rpc.method)(**fields)
    assert sent(recorder) == googles


@pytest.mark.parametrize(
    "code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
)
async def test_every_failure_is_googles_exception(code, client, google_client, recorder):
    raised = []
    for one in (google_client, client):
        recorder.answers.append(Failure(code, "no way"))
        with pytest.raises(exceptions.GoogleAPICallError) as caught:
            await one.create_task(parent=QUEUE, task={"name": TASK})
        raised.append((type(caught.value), str(caught.value), caught.value.grpc_status_code))
    assert raised[0] == raised[1]


@each_rpc
async def test_only_harmless_calls_are_repeated(rpc, client, recorder):
    recorder.answers.append(Failure(grpc.StatusCode.UNAVAILABLE, "later"))
    try:
        await getattr(client, rpc.method)(REQUESTS[rpc.method])
    except exceptions.ServiceUnavailable:
        assert not rpc.retried
    assert len(recorder.take()) == (2 if rpc.retried else 1)


async def test_a_list_fetches_its_pages_as_they_are_needed(client, recorder):
    page = tasks.ListTasksResponse
    recorder.answers.extend(
        page.serialize(page(tasks=[{"name": name}], next_page_token=token))
        for name, token in (("a", "second"), ("b", ""))
    )
    pager = await client.list_tasks(parent=QUEUE)
    assert pager.next_page_token == "second"
    assert len(recorder.received) == 1
    assert [task.name async for task in pager] == ["a", "b"]
    recorder.answers.append(page.serialize(page(tasks=[{"name": "c"}])))
    pages = [page async for page in (await client.list_tasks(parent=QUEUE)).pages]
    assert [task.name for page in pages for task in page.tasks] == ["c"]


async def test_a_transport_is_made_from_a_channel(recorder):
    channel = grpc.aio.insecure_channel(recorder.address)
    transport = transports.CloudTasksGrpcAsyncIOTransport(channel=channel)
    async with tasks.CloudTasksAsyncClient(transport=transport) as client:
        assert [queue async for queue in await client.list_queues(parent=LOCATION)] == []
        assert client.transport.grpc_channel is channel
    assert len(recorder.take()) == 1


async def test_a_transport_that_blocks_is_refused():
    with pytest.raises(ValueError, match="takes the transport grpc_asyncio, not rest"):
        tasks.CloudTasksAsyncClient(transport="rest")

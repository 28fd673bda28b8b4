"""Our client against a real server, over each of its transports."""

import inspect
import uuid

import pytest
from google.api_core import exceptions

import processes
from drayman import tasks

LOCATION = "projects/p/locations/l"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with processes.serve(tmp_path_factory.mktemp("server"), store="memory") as served:
        yield served


class AnyClient:
    """A client for threads or asyncio whose calls are awaited; lists are complete."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        async def call(*arguments, **options):
            result = getattr(self._client, name)(*arguments, **options)
            if inspect.isawaitable(result):
                result = await result
            if hasattr(result, "__aiter__"):
                return [item async for item in result]
            return list(result) if hasattr(result, "pages") else result

        return call


@pytest.fixture(params=["grpc", "grpc_asyncio", "rest"])
async def client(request, served, monkeypatch):
    """A client whose server has one queue, paused."""
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", served.grpc_address)
    if request.param == "grpc_asyncio":
        async with tasks.CloudTasksAsyncClient() as one:
            yield await with_queue(AnyClient(one))
    else:
        with tasks.CloudTasksClient(transport=request.param) as one:
            yield await with_queue(AnyClient(one))


queues = iter(range(1000))


async def with_queue(client):
    client.queue = f"{LOCATION}/queues/q{next(queues)}"
    await client.create_queue(parent=LOCATION, queue={"name": client.queue})
    await client.pause_queue(name=client.queue)
    return client


async def test_a_queue_is_created_updated_and_deleted(client):
    queue = await client.get_queue(name=client.queue)
    assert queue.state == tasks.Queue.State.PAUSED
    changed = await client.update_queue(
        queue={"name": client.queue, "rate_limits": {"max_dispatches_per_second": 3.5}},
        update_mask={"paths": ["rate_limits.max_dispatches_per_second"]},
    )
    assert changed.rate_limits.max_dispatches_per_second == 3.5
    assert client.queue in [one.name for one in await client.list_queues(parent=LOCATION)]
    assert (await client.resume_queue(name=client.queue)).state == tasks.Queue.State.RUNNING
    assert await client.delete_queue(name=client.queue) is None
    with pytest.raises(exceptions.NotFound):
        await client.get_queue(name=client.queue)


async def test_a_task_is_created_once_read_and_deleted(client):
    task = tasks.http_task("http://localhost:1/x", body="héllo", name=f"{client.queue}/tasks/t")
    created = await client.create_task(parent=client.queue, task=task)
    assert created.name == task.name
    assert created.view == tasks.Task.View.BASIC
    full = await client.get_task(name=task.name, response_view="FULL")
    assert full.http_request.body == "héllo".encode()
    with pytest.raises(exceptions.AlreadyExists):
        await client.create_task(parent=client.queue, task=task)
    assert await client.delete_task(name=task.name) is None
    with pytest.raises(exceptions.NotFound):
        await client.get_task(name=task.name)


async def test_an_error_is_the_exception_of_its_status(client):
    with pytest.raises(exceptions.InvalidArgument):
        await client.create_task(parent=client.queue, task={"http_request": {"url": "nonsense"}})
    with pytest.raises(exceptions.NotFound):
        await client.get_queue(name=f"{LOCATION}/queues/missing")


async def test_many_tasks_are_created_and_listed_page_by_page(client):
    requested = [tasks.http_task("http://localhost:1/x", json=n) for n in range(250)]
    requested[7] = tasks.http_task("nonsense")
    results = await client.create_tasks(client.queue, requested)
    assert [index for index, one in enumerate(results) if one.error] == [7]
    assert isinstance(results[7].error, exceptions.InvalidArgument)
    listed = await client.list_tasks({"parent": client.queue, "page_size": 100})
    assert {one.name for one in listed} == {one.task.name for one in results if one.task}
    await client.purge_queue(name=client.queue)
    assert await client.list_tasks(parent=client.queue) == []


async def test_a_batch_sent_twice_creates_its_tasks_once(client):
    request_id = str(uuid.uuid4())
    batch = {
        "parent": client.queue,
        "request_id": request_id,
        "requests": [
            {"parent": client.queue, "task": tasks.http_task("http://localhost:1/x")}
            for _ in range(3)
        ],
    }
    result = (await client.batch_create_tasks(batch)).result()
    created = await result if inspect.isawaitable(result) else result
    with pytest.raises(exceptions.GoogleAPICallError, match="Duplicate operation id"):
        await client.batch_create_tasks(batch)
    listed = await client.list_tasks(parent=client.queue)
    assert sorted(task.name for task in created.tasks) == sorted(task.name for task in listed)
    operation = await client.get_operation({"name": f"{LOCATION}/operations/{request_id}"})
    stored = tasks.BatchCreateTasksResponse.deserialize(operation.response.value)
    assert [task.name for task in stored.tasks] == [task.name for task in created.tasks]


async def test_each_of_many_tasks_has_its_own_error_whatever_refuses_it(client):
    new = [
        tasks.http_task("http://localhost:1/x", name=f"{client.queue}/tasks/{name}" if name else "")
        for name in ("own", "", "own", "not valid")
    ]
    results = await client.create_tasks(client.queue, [*new, tasks.http_task("nonsense")])
    assert [type(one.error) for one in results] == [
        type(None), type(None), exceptions.AlreadyExists, *[exceptions.InvalidArgument] * 2,
    ]  # fmt: skip
    results = await client.create_tasks(client.queue, [tasks.http_task("nonsense")] * 2)
    assert [type(one.error) for one in results] == [exceptions.InvalidArgument] * 2

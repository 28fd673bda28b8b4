"""The types that a type checker infers for the client. test_client_typing.py runs mypy on it."""

import datetime
from typing import assert_type

from google.api_core import gapic_v1, retry
from google.protobuf import timestamp_pb2

from drayman import tasks, tasks_v2
from drayman.tasks_v2.services.cloud_tasks import pagers, transports


def sync(client: tasks.CloudTasksClient) -> None:
    path = client.queue_path("p", "l", "q")
    task = tasks.Task(
        http_request=tasks.HttpRequest(
            url="https://example.com", http_method=tasks.HttpMethod.POST, body=b"x"
        )
    )
    created = client.create_task(parent=path, task=task)
    assert_type(created, tasks.Task)
    assert_type(
        client.create_task({"parent": path, "task": {"http_request": {"url": "u"}}}, timeout=3),
        tasks.Task,
    )
    assert_type(client.delete_task(name="x", retry=retry.Retry(), metadata=[("a", "b")]), None)
    assert_type(client.list_tasks(parent=path), pagers.ListTasksPager)
    for listed in client.list_tasks(parent=path):
        assert_type(listed, tasks.Task)
    for page in client.list_queues(parent=path).pages:
        assert_type(page, tasks.ListQueuesResponse)
    results = client.create_tasks(
        path, (tasks.http_task("u", json={"a": 1}, delay=3) for _ in range(3)), progress=print
    )
    assert_type(results[0].result(), tasks.Task)
    with tasks.CloudTasksClient(transport="rest", client_options={"api_endpoint": "x"}) as c:
        assert_type(c, tasks.CloudTasksClient)
        assert_type(c.parse_queue_path("x"), dict[str, str])
    transports.CloudTasksGrpcTransport(host="x")
    assert_type(tasks_v2.CloudTasksClient.from_service_account_file("x"), tasks.CloudTasksClient)


async def asynchronous(client: tasks.CloudTasksAsyncClient) -> None:
    assert_type(await client.get_queue(name="x"), tasks.Queue)
    async for listed in await client.list_tasks(parent="x"):
        assert_type(listed, tasks.Task)
    async for page in (await client.list_tasks(parent="x")).pages:
        assert_type(page, tasks.ListTasksResponse)
    operation = await client.batch_create_tasks(parent="x", requests=[])
    await operation.result()
    async for creation in client.iter_create_tasks("q", []):
        assert_type(creation.task, tasks.Task | None)
    await client.get_queue(name="x", retry=retry.AsyncRetry(), timeout=None)
    await client.get_queue(name="x", retry=retry.Retry())  # type: ignore[arg-type]


def rejected(client: tasks.CloudTasksClient) -> None:
    tasks.Tassk  # type: ignore[attr-defined]  # noqa: B018
    tasks_v2.Tassk  # type: ignore[attr-defined]  # noqa: B018
    transports.CloudTasksUnknownTransport  # type: ignore[attr-defined]  # noqa: B018
    client.transport.creat_task  # type: ignore[attr-defined]  # noqa: B018
    client.get_queue(name="x", retry=3)  # type: ignore[arg-type]
    client.get_queue(name="x", timeout="soon")  # type: ignore[arg-type]
    client.get_queue(name="x", retry=gapic_v1.method.DEFAULT, timeout=gapic_v1.method.DEFAULT)


def misspelled() -> None:
    tasks.Task(nam="x")  # type: ignore[call-arg]
    tasks.Task().nam  # type: ignore[attr-defined]  # noqa: B018
    tasks.Task(schedule_time="soon")  # type: ignore[arg-type]
    tasks.HttpRequest(url="u", http_methd="POST")  # type: ignore[call-arg]
    tasks.HttpMethod.POKE  # type: ignore[attr-defined]  # noqa: B018
    tasks.CreateTaskRequest(parent="q", taks={})  # type: ignore[call-arg]


def messages() -> None:
    header = {"header": {"key": "a", "value": "b"}}
    tasks.Queue({"name": "q"}, retry_config={"max_attempts": 3})
    queue = tasks.Queue(
        http_target=tasks.HttpTarget(http_method="put", header_overrides=[header]),
        retry_config=tasks.RetryConfig(min_backoff=datetime.timedelta(seconds=1)),
    )
    assert_type(queue.state, tasks.Queue.State)
    assert_type(queue.retry_config.min_backoff, datetime.timedelta)
    task = tasks.Task(
        http_request={"url": "u", "headers": {"a": "b"}},
        schedule_time=timestamp_pb2.Timestamp(seconds=1),
        dispatch_deadline={"seconds": 20},
        view=tasks.Task.View.FULL,
    )
    assert_type(task.http_request, tasks.HttpRequest)
    assert_type(tasks.Task.from_json(tasks.Task.to_json(task)), tasks.Task)
    assert_type("schedule_time" in task, bool)
    tasks.BatchCreateTasksRequest(parent="q", requests=[{"parent": "q"}], request_id=None)


def values(client: tasks.CloudTasksClient) -> None:
    task = tasks_v2.http_task("u")
    task.schedule_time = timestamp_pb2.Timestamp(seconds=1)
    task.schedule_time = datetime.datetime.now(datetime.UTC)  # noqa: TID251
    assert_type(task.schedule_time, datetime.datetime)
    task.schedule_time = 3  # type: ignore[assignment]
    creation: tasks.Creation = client.create_tasks("q", [task])[0]
    assert_type(creation, tasks_v2.Creation)

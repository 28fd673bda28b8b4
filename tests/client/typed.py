"""What a type checker is to make of the client; test_client_typing.py asks mypy."""

from typing import assert_type

from google.api_core import retry

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
    for one in client.list_tasks(parent=path):
        assert_type(one, tasks.Task)
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
    async for one in await client.list_tasks(parent="x"):
        assert_type(one, tasks.Task)
    async for page in (await client.list_tasks(parent="x")).pages:
        assert_type(page, tasks.ListTasksResponse)
    operation = await client.batch_create_tasks(parent="x", requests=[])
    await operation.result()
    async for creation in client.iter_create_tasks("q", []):
        assert_type(creation.task, tasks.Task | None)

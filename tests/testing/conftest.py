"""The fixtures that users get, a client, and code that enqueues."""

import grpc
import pytest
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import (
    CloudTasksGrpcAsyncIOTransport,
    CloudTasksGrpcTransport,
)
from moments import START, URL

from drayman import tasks
from drayman.testing.plugin import (  # noqa: F401 - fixtures
    async_cloud_tasks,
    cloud_tasks,
    cloud_tasks_server,
)


@pytest.fixture
def still(cloud_tasks):  # noqa: F811 - the fixture
    """Give an empty server at a fixed time."""
    cloud_tasks.reset(START)
    return cloud_tasks


@pytest.fixture
def enqueue(cloud_tasks):  # noqa: F811 - the fixture
    """Give a function that creates a task in the queue "mail"; it returns the task's name."""
    client = cloud_tasks.client()

    def create(url=URL, *, queue="mail", **fields):
        schedule_time = fields.pop("schedule_time", None)
        task = tasks.http_task(url, **fields)
        task.schedule_time = schedule_time or task.schedule_time
        return client.create_task(parent=cloud_tasks.queue(queue), task=task).name

    return create


@pytest.fixture
def google_client(cloud_tasks):  # noqa: F811 - the fixture
    """Give Google's own client."""
    with grpc.insecure_channel(cloud_tasks.address) as channel:
        yield tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))


@pytest.fixture
async def google_async_client(cloud_tasks):  # noqa: F811 - the fixture
    """Give Google's own client for asyncio."""
    async with grpc.aio.insecure_channel(cloud_tasks.address) as channel:
        transport = CloudTasksGrpcAsyncIOTransport(channel=channel)
        yield tasks_v2.CloudTasksAsyncClient(transport=transport)

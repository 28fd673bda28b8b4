"""FastAPI, with Google's client for asyncio."""

import datetime
import json

import fastapi
import grpc
import pytest
import pytest_asyncio
from google.api_core.exceptions import AlreadyExists
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport

QUEUE = "projects/shop/locations/here/queues/mail"
app = fastapi.FastAPI()
sent = []


async def enqueue(client, letter, to, days=0):
    """Enqueue a letter, to be sent in some days; AlreadyExists if it was enqueued before."""
    task = {
        "name": f"{QUEUE}/tasks/{letter}",
        "schedule_time": datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days),
        "http_request": {
            "url": "https://shop.example/letters",
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps({"to": to}).encode(),
        },
    }
    await client.create_task(parent=QUEUE, task=task)


@app.post("/letters")
async def send(letter: dict[str, str]):
    """Send a letter: what the queue calls."""
    sent.append(letter["to"])


@pytest_asyncio.fixture
async def client(async_cloud_tasks):
    sent.clear()
    async_cloud_tasks.queue(QUEUE)
    async_cloud_tasks.deliver_to(app, "https://shop.example/*")
    async with grpc.aio.insecure_channel(async_cloud_tasks.address) as channel:
        transport = CloudTasksGrpcAsyncIOTransport(channel=channel)
        yield tasks_v2.CloudTasksAsyncClient(transport=transport)


@pytest.mark.asyncio
async def test_a_letter_is_retried_until_it_is_sent(async_cloud_tasks, client):
    async_cloud_tasks.respond("https://shop.example/*", [503, 503])  # and then the application
    await enqueue(client, "welcome", "ada")
    assert await async_cloud_tasks.run_all() == 3
    assert sent == ["ada"]
    async_cloud_tasks.assert_empty()


@pytest.mark.asyncio
async def test_a_reminder_is_sent_after_29_days(async_cloud_tasks, client):
    await enqueue(client, "reminder", "ada", days=29)
    await async_cloud_tasks.advance(days=28)
    assert sent == []
    await async_cloud_tasks.advance(days=1)
    assert sent == ["ada"]


@pytest.mark.asyncio
async def test_a_letter_is_sent_once(async_cloud_tasks, client):
    await enqueue(client, "welcome", "ada")
    with pytest.raises(AlreadyExists):
        await enqueue(client, "welcome", "ada")
    await async_cloud_tasks.run_all()
    with pytest.raises(AlreadyExists):  # the name stays reserved for a day
        await enqueue(client, "welcome", "ada")
    assert sent == ["ada"]


@pytest.mark.asyncio
async def test_letters_wait_while_the_queue_is_paused(async_cloud_tasks, client):
    await client.pause_queue(name=QUEUE)
    await enqueue(client, "welcome", "ada")
    await async_cloud_tasks.advance(hours=1)
    async_cloud_tasks.assert_enqueued(queue=QUEUE, json={"to": "ada"}, count=1)
    await client.resume_queue(name=QUEUE)
    await async_cloud_tasks.run_all()
    assert sent == ["ada"]

"""A recorder has the tasks that code enqueues, and needs no server."""

import datetime
import threading

import pytest
from google.api_core import exceptions

from drayman import tasks
from drayman.testing import Recorder

QUEUE = "projects/p/locations/l/queues/mail"
URL = "https://app.example/mail"


@pytest.fixture
def recorder():
    return Recorder()


def test_a_task_is_recorded_and_returned_as_the_server_returns_it(recorder):
    task = recorder.client().create_task(parent=QUEUE, task=tasks.http_task(URL, json={"to": "a"}))
    (recorded,) = recorder.assert_enqueued(queue="mail", url=URL, json={"to": "a"}, count=1)
    assert task.name == recorded.name == f"{QUEUE}/tasks/1"
    assert task.http_request.url == URL
    assert task.http_request.body == b""  # the view is BASIC
    assert task.dispatch_deadline == datetime.timedelta(minutes=10)
    assert recorded.queue == QUEUE


def test_names_and_schedule_times_are_recorded(recorder):
    name = f"{QUEUE}/tasks/one"
    recorder.client().create_task(parent=QUEUE, task=tasks.http_task(URL, name=name, delay=3600))
    (recorded,) = recorder.assert_enqueued(at=datetime.timedelta(hours=1))
    assert recorded.name == name


def test_tasks_in_bulk_are_recorded_each_with_its_own_result(recorder):
    wanted = [tasks.http_task(f"https://app.example/{number}") for number in range(250)]
    wanted[7] = tasks.http_task("ftp://app.example")
    results = recorder.client().create_tasks(QUEUE, wanted)
    assert len(recorder.tasks()) == 249
    assert isinstance(results[7].error, exceptions.InvalidArgument)
    assert all(result.task for result in results if result is not results[7])
    recorder.assert_enqueued(url="https://app.example/249", count=1)


def test_a_batch_is_recorded(recorder):
    requests = [{"parent": QUEUE, "task": tasks.http_task(URL)}] * 2
    operation = recorder.client().batch_create_tasks(parent=QUEUE, requests=requests)
    assert len(operation.result().tasks) == 2
    recorder.assert_enqueued(url=URL, count=2)


async def test_clients_for_asyncio_are_recorded_too(recorder):
    async with recorder.async_client() as client:
        await client.create_task(parent=QUEUE, task=tasks.http_task(URL))
        results = await client.create_tasks(QUEUE, [tasks.http_task(URL)] * 3)
    assert [result.error for result in results] == [None] * 3
    recorder.assert_enqueued(count=4)


def test_an_invalid_task_is_refused_as_the_server_refuses_it(recorder):
    with pytest.raises(exceptions.InvalidArgument, match=r"Task\.payload_type"):
        recorder.client().create_task(parent=QUEUE, task={})
    recorder.assert_empty()


@pytest.mark.parametrize("queue", ["mail", "projects/p/locations/l/queues/a b", ""])
def test_the_name_of_a_queue_is_refused_as_the_server_refuses_it(recorder, cloud_tasks, queue):
    def refusals(client):
        with pytest.raises(exceptions.GoogleAPICallError) as one:
            client.create_task(parent=queue, task=tasks.http_task(URL))
        requests = [{"parent": queue, "task": tasks.http_task(URL)}]
        with pytest.raises(exceptions.GoogleAPICallError) as batch:
            client.batch_create_tasks(parent=queue, requests=requests)
        return [(type(each.value), each.value.message) for each in (one, batch)]

    assert refusals(recorder.client()) == refusals(cloud_tasks.client())
    recorder.assert_empty()


def test_what_needs_a_server_names_it(recorder):
    with pytest.raises(NotImplementedError, match=r"GetQueue needs drayman\.testing\.Server"):
        recorder.client().get_queue(name=QUEUE)


def test_a_recorder_can_be_cleared_and_starts_no_thread(recorder):
    threads = threading.active_count()
    with recorder.client() as client:
        client.create_task(parent=QUEUE, task=tasks.http_task(URL))
    assert threading.active_count() == threads
    with pytest.raises(AssertionError, match="1 pending task, not none"):
        recorder.assert_empty()
    recorder.clear()
    recorder.assert_empty()

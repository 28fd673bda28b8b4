"""``kill -9`` during batches: each batch is complete or absent, and its id tells which."""

import concurrent.futures
import threading

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import tasks_v2

from processes import QUEUE, http_task, serve

SIZE = 20


def batch(number):
    item = {"parent": QUEUE, "task": http_task("http://127.0.0.1:1")}
    return {"parent": QUEUE, "requests": [item] * SIZE, "request_id": f"batch-{number}"}


def send_until_killed(client, numbers, enough):
    """Send batches until the server is killed; return the numbers of the batches that were sent."""
    sent = []
    for number in numbers:
        sent.append(number)
        try:
            client.batch_create_tasks(request=batch(number))
        except (exceptions.GoogleAPICallError, grpc.RpcError):
            return sent
        if len(sent) >= 5:
            enough.set()
    return sent


def tasks_of(client, number):
    """Send a batch that may have run before; return its tasks, from either run."""
    try:
        return client.batch_create_tasks(request=batch(number)).result().tasks
    except exceptions.InvalidArgument:  # it has run
        name = f"{QUEUE.partition('/queues/')[0]}/operations/batch-{number}"
        response = client.get_operation({"name": name}).response
    return tasks_v2.BatchCreateTasksResponse.deserialize(response.value).tasks


@pytest.mark.parametrize("run", range(3))
def test_batches_are_whole_and_can_be_repeated(tmp_path, run):  # noqa: ARG001 - repeated
    enough = threading.Event()
    with (
        serve(tmp_path, "--queue", QUEUE) as server,
        server.client() as client,
        concurrent.futures.ThreadPoolExecutor(4) as threads,
    ):
        client.pause_queue(name=QUEUE)
        running = [
            threads.submit(send_until_killed, client, range(each, 100_000, 4), enough)
            for each in range(4)
        ]
        assert enough.wait(30)
        server.kill()
        sent = [number for each in running for number in each.result(30)]
    with serve(tmp_path) as server, server.client() as client:
        assert len(list(client.list_tasks(parent=QUEUE))) % SIZE == 0
        for number in sent:  # those without a response may or may not exist
            assert len(tasks_of(client, number)) == SIZE
        assert len(list(client.list_tasks(parent=QUEUE))) == SIZE * len(sent)

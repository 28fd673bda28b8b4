"""``kill -9`` among batches: each is there whole or not at all, and may be sent again."""

import concurrent.futures
import threading

import grpc
import pytest
from google.api_core import exceptions
from processes import QUEUE, http_task, serve

SIZE = 20


def batch(number):
    item = {"parent": QUEUE, "task": http_task("http://127.0.0.1:1")}
    return {"parent": QUEUE, "requests": [item] * SIZE, "request_id": f"batch-{number}"}


def send_until_the_end(client, numbers, enough):
    """Send batches until the server is gone; return the numbers of those that were tried."""
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


@pytest.mark.parametrize("turn", range(3))
def test_batches_are_whole_and_can_be_repeated(tmp_path, turn):  # noqa: ARG001 - once more
    enough = threading.Event()
    with (
        serve(tmp_path, "--queue", QUEUE) as server,
        server.client() as client,
        concurrent.futures.ThreadPoolExecutor(4) as threads,
    ):
        client.pause_queue(name=QUEUE)
        running = [
            threads.submit(send_until_the_end, client, range(each, 100_000, 4), enough)
            for each in range(4)
        ]
        assert enough.wait(30)
        server.kill()
        sent = [number for each in running for number in each.result(30)]
    with serve(tmp_path) as server, server.client() as client:
        assert len(list(client.list_tasks(parent=QUEUE))) % SIZE == 0
        for number in sent:  # those without an answer may or may not have been there
            assert len(client.batch_create_tasks(request=batch(number)).result().tasks) == SIZE
        assert len(list(client.list_tasks(parent=QUEUE))) == SIZE * len(sent)

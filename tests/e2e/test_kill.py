"""``kill -9`` at any moment: acknowledged tasks exist afterwards, deleted ones do not."""

import concurrent.futures
import datetime
import threading

import grpc
import pytest
from google.api_core import exceptions

from processes import QUEUE, http_task, serve

LATER = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=9)  # noqa: TID251 - real time, of a real server


def create_until_killed(client, acknowledged, enough):
    """Create tasks, deleting every third at once, until the server is gone."""
    created, deleted = [], []
    while True:
        try:
            name = client.create_task(parent=QUEUE, task=http_task("http://127.0.0.1:1")).name
            created.append(name)
            if len(created) % 3 == 0:
                client.delete_task(name=name, retry=None)
                deleted.append(name)
        except (exceptions.GoogleAPICallError, grpc.RpcError):
            return created, deleted
        with acknowledged:
            acknowledged.count += 1
            if acknowledged.count >= enough:
                acknowledged.notify_all()


@pytest.mark.parametrize("enough", [1, 40, 200])
def test_every_acknowledged_creation_and_deletion_survives(tmp_path, enough):
    acknowledged = threading.Condition()
    acknowledged.count = 0
    with (
        serve(tmp_path, "--queue", QUEUE) as server,
        server.client() as client,
        concurrent.futures.ThreadPoolExecutor(8) as threads,
    ):
        client.pause_queue(name=QUEUE)
        running = [
            threads.submit(create_until_killed, client, acknowledged, enough) for _ in range(8)
        ]
        with acknowledged:
            assert acknowledged.wait_for(lambda: acknowledged.count >= enough, timeout=30)
        server.kill()
        results = [each.result(30) for each in running]
    with serve(tmp_path) as server, server.client() as client:
        stored = {task.name for task in client.list_tasks(parent=QUEUE)}
        assert client.get_queue(name=QUEUE).state.name == "PAUSED"
    for created, deleted in results:
        in_doubt = set(created[-1:]) - set(deleted)  # its deletion may have been in progress
        assert set(created) - set(deleted) - in_doubt <= stored
        assert not set(deleted) & stored


def test_what_was_in_flight_is_delivered_again_at_once(tmp_path, worker):
    with serve(tmp_path, "--queue", QUEUE) as server:
        with server.client() as client:
            names = {
                client.create_task(parent=QUEUE, task=http_task(worker.url + "/hold")).name
                for _ in range(5)
            }
        first = {worker.await_delivery().task_id for _ in names}
        server.kill()
    worker.release.set()
    with serve(tmp_path):
        again = [worker.await_delivery() for _ in names]
    assert {each.task_id for each in again} == first == {name.rpartition("/")[2] for name in names}
    assert {each.headers["X-CloudTasks-TaskRetryCount"] for each in again} == {"1"}


def test_a_run_that_was_acknowledged_is_delivered_after_the_restart(tmp_path, worker):
    with serve(tmp_path, "--queue", QUEUE) as server:
        with server.client() as client:
            task = http_task(worker.url + "/hold", schedule_time=LATER)
            name = client.create_task(parent=QUEUE, task=task).name
            client.run_task(name=name)
        worker.await_delivery()
        server.kill()
    with serve(tmp_path):
        assert name.endswith(worker.await_delivery().task_id)

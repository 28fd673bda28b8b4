"""A full disk: calls fail with a clear status, nothing acknowledged is lost, and it recovers."""

import resource

import pytest
from google.api_core import exceptions

from processes import QUEUE, http_task, serve

ERRORS = (exceptions.ServiceUnavailable, exceptions.ResourceExhausted)


def create_many(client, task):
    for _ in range(30):
        client.create_task(parent=QUEUE, task=task)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit, which Linux has")
def test_calls_fail_while_the_disk_is_full_and_nothing_acknowledged_is_lost(tmp_path, worker):
    with serve(tmp_path, "--queue", QUEUE) as server, server.client() as client:
        client.pause_queue(name=QUEUE)
        task = http_task(worker.url, name=f"{QUEUE}/tasks/before")
        client.create_task(parent=QUEUE, task=task)

        # No file of the server may grow: its writes fail as on a full disk.
        pid = server.process.pid
        unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        size = max(file.stat().st_size for file in tmp_path.glob("tasks.db*"))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, unlimited[1]))
        large = {"http_request": {"url": worker.url, "body": b"x" * 900_000}}
        with pytest.raises(ERRORS, match="The store"):
            create_many(client, large)
        assert server.get("/healthz")[0] == 200
        before = {task.name for task in client.list_tasks(parent=QUEUE)}
        assert f"{QUEUE}/tasks/before" in before

        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        assert server.get("/readyz")[0] == 200
        after = http_task(worker.url, name=f"{QUEUE}/tasks/after")
        client.create_task(parent=QUEUE, task=after)
        server.kill()
    with serve(tmp_path) as server, server.client() as client:
        stored = {task.name for task in client.list_tasks(parent=QUEUE)}
        assert before | {f"{QUEUE}/tasks/after"} <= stored
        client.resume_queue(name=QUEUE)
        arrived = {worker.await_delivery().task_id for _ in stored}
        assert {"before", "after"} <= arrived

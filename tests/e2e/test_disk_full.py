"""A full disk: creations are refused, all else goes on, nothing acknowledged is lost."""

import resource

import pytest
from google.api_core import exceptions

from processes import QUEUE, http_task, serve
from small_disk import fill, small_disk

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
        files = tmp_path / "tasks.db", tmp_path / "tasks.db-wal"
        size = max(file.stat().st_size for file in files)
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


def refusal(client, task):
    """Return why no task can be created."""
    with pytest.raises(exceptions.ResourceExhausted) as refused:
        create_many(client, task)
    return refused.value.message


def test_a_full_disk_refuses_creations_and_nothing_else(tmp_path, worker):
    with (
        small_disk(tmp_path / "disk", 96 << 20) as disk,
        serve(tmp_path, "--queue", QUEUE, store=f"sqlite:{disk / 'tasks.db'}") as server,
        server.client() as client,
    ):
        client.pause_queue(name=QUEUE)
        plain = http_task(worker.url)
        names = [client.create_task(parent=QUEUE, task=plain).name for _ in range(2_000)]
        assert server.get("/readyz")[0] == 200  # the reserve is there
        reserve = disk / "tasks.db.reserve"
        assert reserve.stat().st_blocks * 512 == 24 << 20  # a quarter of the disk
        fill(disk / "other")
        large = {"http_request": {"url": worker.url, "body": b"x" * 900_000}}
        assert refusal(client, large) == "The store has no room left: the disk is full."
        status, report = server.get("/readyz")
        assert (status, "disk is full" in report["reason"]) == (503, True)
        fill(disk / "another")  # what is left of the first piece of the reserve
        for name in names[:100]:
            client.delete_task(name=name)
        client.resume_queue(name=QUEUE)
        delivered = {worker.await_delivery().task_id for _ in names[100:]}
        assert len(delivered) == len(names) - 100
        client.purge_queue(name=QUEUE)
        assert "settle failed" not in server.log()
        assert "the disk is full" in refusal(client, plain)
        for file in ("other", "another"):
            (disk / file).unlink()
        assert server.get("/readyz")[0] == 200
        assert reserve.stat().st_blocks * 512 == 24 << 20
        client.create_task(parent=QUEUE, task=plain)

"""A store that is taken away, damaged or open to others, as the operator sees it."""

import os
import stat

import grpc
import pytest
from google.api_core import exceptions
from grpc_health.v1 import health_pb2, health_pb2_grpc

from processes import QUEUE, http_task, run_to_end, serve


def health(server):
    """Return the status that the health service of gRPC reports."""
    with grpc.insecure_channel(server.grpc_address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return stub.Check(health_pb2.HealthCheckRequest()).status


def test_a_store_that_is_deleted_stops_promises_and_its_return_restores_them(tmp_path, worker):
    store, away = tmp_path / "tasks.db", tmp_path / "away.db"
    task = http_task(worker.url)
    with serve(tmp_path, "--queue", QUEUE) as server, server.client() as client:
        assert health(server) == health_pb2.HealthCheckResponse.SERVING
        store.rename(away)
        message = f"The store's file {store} was moved, replaced or deleted under the server."
        assert server.get("/readyz") == (503, {"status": "not ready", "reason": message})
        assert health(server) == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(exceptions.ServiceUnavailable, match="deleted under the server"):
            client.create_task(parent=QUEUE, task=task, retry=None)
        assert server.get("/healthz")[0] == 200
        away.rename(store)
        assert server.get("/readyz")[0] == 200
        assert health(server) == health_pb2.HealthCheckResponse.SERVING
        client.create_task(parent=QUEUE, task=task)


def created(tmp_path):
    """Return the path of a store that a server has created."""
    with serve(tmp_path, "--queue", QUEUE) as server:
        server.stop()
    return tmp_path / "tasks.db"


def test_a_damaged_store_is_an_error_at_start_with_the_next_step(tmp_path):
    store = created(tmp_path)
    size = store.stat().st_size
    with store.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    ended = run_to_end("--port", "0", "--store", f"sqlite:{store}")
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"drayman: store {store} is damaged: ")
    assert "restore a backup" in line


def test_a_log_without_its_database_is_an_error_at_start(tmp_path):
    store = tmp_path / "tasks.db"
    (tmp_path / "tasks.db-wal").write_bytes(b"the last calls")
    for option in ([], ["--check"]):
        ended = run_to_end("--port", "0", "--store", f"sqlite:{store}", *option)
        assert ended.returncode == (2 if option else 1)
        assert f"store {store} is missing, but its write-ahead log {store}-wal" in ended.stderr
    assert not store.exists()


def test_a_new_store_is_private_and_an_old_one_gets_a_warning(tmp_path):
    before = os.umask(0)
    try:
        store = created(tmp_path)
    finally:
        os.umask(before)
    files = [*tmp_path.glob("tasks.db*")]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    store.chmod(0o644)
    with serve(tmp_path) as server:
        server.stop()
        warning = (
            f"WARNING store sqlite:{store}: other users of this machine may read it; "
            f"run: chmod 600 {store}"
        )
        assert warning in server.log()

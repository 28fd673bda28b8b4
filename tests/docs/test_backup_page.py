"""The commands of the page on backups bring a store back."""

import subprocess
import sys

import psycopg
import pytest
from pages import code_blocks

import postgres_cluster
from processes import LOCATION, PATIENCE, environment, http_task, run_worker, serve

PAGE = "docs/backup.md"
BACK_UP, DATED, RESTORE, DUMP, RESTORE_DUMP = code_blocks(PAGE, "sh")
MAIL = f"{LOCATION}/queues/mail"


def run(block, folder, **variables):
    """Run the commands of a block; return what they print."""
    script = block.replace("drayman backup", f"{sys.executable} -m drayman backup")
    script = script.replace("drayman check", f"{sys.executable} -m drayman check")
    done = subprocess.run(
        ["bash", "-euc", script], cwd=folder, capture_output=True, text=True, check=False,
        env=environment(**variables), timeout=2 * PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def create_tasks(client, url, count):
    client.create_queue(parent=LOCATION, queue={"name": MAIL})
    client.pause_queue(name=MAIL)
    for number in range(count):
        client.create_task(parent=MAIL, task=http_task(f"{url}/{number}"))


def test_a_store_that_is_lost_comes_back_from_its_backup(tmp_path):
    (tmp_path / "backups").mkdir()
    store = f"sqlite:{tmp_path / 'drayman.db'}"
    with run_worker() as worker:
        with serve(tmp_path, store=store) as server, server.client() as client:
            create_tasks(client, worker.url, 3)
            assert "problems: []" in run(BACK_UP, tmp_path)
            run(DATED, tmp_path)
            client.purge_queue(name=MAIL)
            server.kill()
        assert "problems: []" in run(RESTORE, tmp_path)
        assert not (tmp_path / "drayman.db-wal").exists()
        with serve(tmp_path, "--no-dispatch", store=store) as server, server.client() as client:
            assert len(list(client.list_tasks(parent=MAIL))) == 3
        with serve(tmp_path, store=store) as server, server.client() as client:
            client.resume_queue(name=MAIL)
            assert {worker.await_delivery().path for _ in range(3)} == {"/0", "/1", "/2"}
    assert len(list((tmp_path / "backups").iterdir())) == 2


@pytest.mark.skipif(postgres_cluster.find_programs() is None, reason="needs PostgreSQL's programs")
def test_a_dump_of_postgresql_is_a_backup(tmp_path, postgres):
    (tmp_path / "backups").mkdir()
    store = postgres.url("drayman")
    database = store.replace("&schema=drayman", "").replace("?schema=drayman", "")
    restored = database.replace("/postgres?", "/restored?")
    path = f"{postgres_cluster.find_programs()}:/usr/bin:/bin"
    with run_worker() as worker, serve(tmp_path, store=store) as server, server.client() as client:
        create_tasks(client, worker.url, 3)
        run(DUMP, tmp_path, DATABASE=database, PATH=path)
        assert "problems: []" in run(
            RESTORE_DUMP, tmp_path, DATABASE=database, RESTORED=restored, PATH=path
        )
    with run_worker(), serve(tmp_path, store=restored) as server, server.client() as client:
        assert len(list(client.list_tasks(parent=MAIL))) == 3
        assert server.stop() == 0
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP DATABASE restored")
        connection.execute("DROP SCHEMA drayman CASCADE")

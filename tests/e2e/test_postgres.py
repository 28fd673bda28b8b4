"""Two server processes on one PostgreSQL: either may fail, and PostgreSQL too."""

import contextlib
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from google.api_core import exceptions

from drayman.store.postgres import address
from processes import QUEUE, environment, http_task, serve

PAGE = Path(__file__).parents[2] / "docs" / "postgres.md"
STORE_OF_PAGE = "postgresql://drayman@db.example/tasks"


def code_blocks(page, language):
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def url(postgres):
    return postgres.url()


@contextlib.contextmanager
def two_servers(tmp_path, url, *arguments):
    """Run two servers; the arguments are those of the first."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with (
        serve(folders[0], "--queue", QUEUE, *arguments, store=url) as first,
        serve(folders[1], store=url) as second,
    ):
        yield first, second


def create(client, url):
    return client.create_task(parent=QUEUE, task=http_task(url)).name


def test_a_busy_server_leaves_its_tasks_to_another(tmp_path, url, worker):
    with (
        two_servers(tmp_path, url, "--max-in-flight", "1") as (first, _second),
        first.client() as client,
    ):
        for _ in range(4):  # at most one of them is in flight on the first server
            create(client, f"{worker.url}/hold")
        for _ in range(4):
            worker.await_delivery()


def test_a_busy_server_leaves_its_tasks_to_another_through_pgbouncer(tmp_path, pgbouncer, worker):
    test_a_busy_server_leaves_its_tasks_to_another(tmp_path, pgbouncer.url(), worker)


def test_what_a_killed_server_had_in_flight_another_delivers(tmp_path, url, worker):
    with two_servers(tmp_path, url) as (first, second), second.client() as client:
        second_paths = set()
        for number in range(20):
            create(client, f"{worker.url}/hold/{number}")
        for _ in range(20):
            second_paths.add(worker.await_delivery().path)
        assert len(second_paths) == 20
        first.kill()
        second.kill()
        worker.release.set()
        folder = tmp_path / "third"
        folder.mkdir()
        with serve(folder, store=url):
            again = {worker.await_delivery().path for _ in range(20)}
        assert again == second_paths


def test_a_frozen_server_that_wakes_up_settles_nothing_that_was_given_away(tmp_path, url, worker):
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with serve(folders[0], "--queue", QUEUE, store=url) as first, first.client() as creator:
        for _ in range(10):
            create(creator, f"{worker.url}/hold")
        tasks = {worker.await_delivery().task_id for _ in range(10)}
        with serve(folders[1], store=url) as second, second.client() as client:
            first.process.send_signal(signal.SIGSTOP)
            again = {worker.await_delivery().task_id}  # what the first server has in flight
            worker.release.set()
            first.process.send_signal(signal.SIGCONT)
            assert again <= tasks
            while list(client.list_tasks(parent=QUEUE)):
                pass
            status, stats = second.get(f"/drayman/v1/{QUEUE}/stats")
            assert (status, stats["inFlight"]) == (200, 0)


def test_acknowledged_tasks_are_delivered_though_a_server_is_killed(tmp_path, url, worker):
    acknowledged = []
    with (
        two_servers(tmp_path, url) as (first, second),
        first.client() as one,
        second.client() as other,
    ):
        for number in range(150):
            client = other if number % 2 else one
            if number == 75:
                first.kill()
            with contextlib.suppress(exceptions.GoogleAPICallError):
                acknowledged.append(create(client, worker.url).rpartition("/")[2])
        delivered = set()
        while not set(acknowledged) <= delivered:
            delivered.add(worker.await_delivery().task_id)
    assert len(acknowledged) >= 75 + 37


def test_servers_survive_a_restart_of_postgresql(tmp_path, url, worker, postgres):
    with two_servers(tmp_path, url) as (first, second), first.client() as client:
        assert first.get("/readyz") == (200, {"status": "ready"})
        created = [create(client, worker.url)]
        postgres.stop("immediate")
        for server in (first, second):
            status, body = server.get("/readyz")
            assert (status, body["status"]) == (503, "not ready")
            assert body["reason"].startswith("PostgreSQL cannot be used at present: ")
        with pytest.raises(exceptions.ServiceUnavailable):
            client.create_task(parent=QUEUE, task=http_task(worker.url), retry=None, timeout=5)
        postgres.start()
        while len(created) < 20:
            with contextlib.suppress(exceptions.ServiceUnavailable):
                created.append(create(client, worker.url))
        delivered = set()
        while not {name.rpartition("/")[2] for name in created} <= delivered:
            delivered.add(worker.await_delivery().task_id)
        while second.get("/readyz")[0] != 200:
            pass


def test_a_store_moves_from_sqlite_with_one_command(tmp_path, url, worker):
    with serve(tmp_path, "--queue", QUEUE) as server, server.client() as client:
        client.pause_queue(name=QUEUE)
        name = create(client, worker.url)
        server.stop()
    done = subprocess.run(
        [sys.executable, "-m", "drayman", "copy", f"sqlite:{tmp_path / 'tasks.db'}", url],
        capture_output=True, text=True, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "           1  task\n" in done.stdout
    assert done.stdout.endswith(f"drayman: copied; start servers with --store {url} from now on\n")
    with serve(tmp_path, store=url) as server, server.client() as client:
        client.resume_queue(name=QUEUE)
        assert worker.await_delivery().task_id == name.rpartition("/")[2]


def test_api_keys_are_created_and_listed_beside_a_server(tmp_path, url):
    def keys(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "drayman", "keys", *arguments, "--store", url],
            capture_output=True, text=True, check=False, env=environment(),
        )  # fmt: skip

    with serve(tmp_path, store=url):
        created = keys("create", "mine", "--role", "roles/cloudtasks.admin")
        listed = keys("list")
    assert (created.returncode, listed.returncode) == (0, 0), created.stderr + listed.stderr
    assert "mine" in listed.stdout


def test_migrate_creates_the_tables_and_check_finds_them(url):
    line = [sys.executable, "-m", "drayman"]
    done = [
        subprocess.run([*line, *arguments], capture_output=True, text=True, check=False,
                       env=environment(DRAYMAN_STORE=url))
        for arguments in (["serve", "--check", "--port", "0"], ["migrate"],
                          ["serve", "--check", "--port", "0"])
    ]  # fmt: skip
    assert [each.returncode for each in done] == [0, 0, 0]
    assert f"store       {url} (new), durability safe" in done[0].stdout
    assert done[1].stdout == f"drayman: store {url} has format 5\n"
    assert f"store       {url}, durability safe" in done[2].stdout


def test_migrate_is_for_postgresql_alone():
    done = subprocess.run(
        [sys.executable, "-m", "drayman", "migrate", "--store", "sqlite:tasks.db"],
        capture_output=True, text=True, check=False, env=environment(),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        1,
        "drayman: store sqlite:tasks.db is migrated when a server starts with it\n",
    )


def test_the_commands_of_the_operators_page_work(postgres):
    blocks = code_blocks(PAGE, "console")
    lines = [line for block in blocks for line in block.splitlines() if "--store" in line]
    assert len(lines) >= 5
    for line in lines:
        _, _, verb, *arguments = shlex.split(line)
        parameters = arguments[arguments.index("--store") + 1].removeprefix(STORE_OF_PAGE)
        base = postgres.url("drayman")
        store = f"{base}&{parameters.removeprefix('?')}" if parameters else base
        options = ["--check", "--port", "0"] if verb == "serve" else []
        done = subprocess.run(
            [sys.executable, "-m", "drayman", verb, *options, "--store", store],
            capture_output=True, text=True, check=False, env=environment(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_the_query_of_the_operators_page_lists_the_servers(tmp_path, postgres):
    (query,) = (each for each in code_blocks(PAGE, "sql") if each.startswith("SELECT"))
    url = postgres.url("drayman")
    with serve(tmp_path, store=url), psycopg.connect(address.parse(url).conninfo) as connection:
        assert len(connection.execute(query).fetchall()) >= 1

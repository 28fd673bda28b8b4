"""Servers that only take calls, only dispatch, or only inspect a store."""

import contextlib
import sqlite3

import psycopg
import pytest
from google.api_core import exceptions

from drayman import outbox, tasks
from drayman.store.postgres import address
from processes import QUEUE, http_task, run_to_end, serve

NOT_SERVED = "This server has the role dispatch: it takes no calls."
NOT_RUN = "The server was started with --no-dispatch: it runs no tasks."


@pytest.fixture
def two_roles(tmp_path, postgres):
    """Give a server that takes calls and one that dispatches, on one store."""
    url, folders = postgres.url(), [tmp_path / "api", tmp_path / "dispatch"]
    for folder in folders:
        folder.mkdir()
    with (
        serve(folders[0], "--queue", QUEUE, "--role", "api", store=url) as api,
        serve(folders[1], "--role", "dispatch", store=url) as dispatch,
    ):
        yield api, dispatch


def create(client, url, **fields):
    return client.create_task(parent=QUEUE, task=http_task(url, **fields)).name


def test_one_server_takes_calls_and_another_delivers(two_roles, worker):
    api, dispatch = two_roles
    with api.client() as client:
        created = create(client, worker.url)
        assert created.endswith(worker.await_delivery().task_id)
        client.pause_queue(name=QUEUE)
        paused = create(client, worker.url)
        client.run_task(name=paused)
        assert paused.endswith(worker.await_delivery().task_id)
    for server, role in ((api, "api"), (dispatch, "dispatch")):
        assert server.ready_line.endswith(f" role={role}")
        assert server.get("/healthz") == (200, {"status": "alive", "role": role})
        assert server.get("/readyz") == (200, {"status": "ready", "role": role})


def test_every_role_drains_the_outbox(tmp_path, postgres, worker):
    url = postgres.url()
    parsed = address.parse(url)
    with serve(tmp_path, "--queue", QUEUE, "--role", "api", store=url) as api:
        with psycopg.connect(parsed.conninfo) as connection:
            task = tasks.http_task(f"{worker.url}/later")
            outbox.create_task(connection, parent=QUEUE, task=task, schema=parsed.schema)
        with api.client() as client:
            while not list(client.list_tasks(parent=QUEUE)):
                pass


def test_a_server_that_dispatches_takes_no_calls(two_roles):
    _, dispatch = two_roles
    with dispatch.client() as client, pytest.raises(exceptions.MethodNotImplemented) as refused:
        client.get_queue(name=QUEUE)
    assert refused.value.message == NOT_SERVED
    for path in (f"/v2/{QUEUE}", f"/drayman/v1/{QUEUE}/stats"):
        status, body = dispatch.get(path)
        assert (status, body["error"]["message"]) == (501, NOT_SERVED)
    assert dispatch.get("/.well-known/openid-configuration")[0] == 200


def claims_of(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT number, task, server FROM claim").fetchall()


def test_a_server_for_inspection_delivers_nothing_and_leaves_claims_alone(tmp_path, worker):
    with serve(tmp_path, "--queue", QUEUE) as server, server.client() as client:
        create(client, f"{worker.url}/hold")
        worker.await_delivery()
        server.kill()
    claims = claims_of(tmp_path / "tasks.db")
    assert len(claims) == 1
    with serve(tmp_path, "--no-dispatch") as server, server.client() as client:
        assert server.ready_line.endswith(" dispatch=off")
        server.await_log("--no-dispatch: nothing is delivered")
        assert server.get("/healthz") == (200, {"status": "alive", "dispatch": "off"})
        name = create(client, worker.url)
        with pytest.raises(exceptions.FailedPrecondition) as refused:
            client.run_task(name=name)
        assert refused.value.message == NOT_RUN
        assert len(list(client.list_tasks(parent=QUEUE))) == 2
        assert server.stop() == 0
    assert claims_of(tmp_path / "tasks.db") == claims
    assert worker.arrived.empty()


UNSHARED = (
    "drayman: --role api needs a store on PostgreSQL, which servers share; memory has one server, "
    "which does everything"
)
CONTRADICTION = "drayman: --role dispatch is given with --no-dispatch; leave one of them out"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--role", "api", "--store", "memory"), UNSHARED),
        (("--role", "dispatch", "--no-dispatch"), CONTRADICTION),
    ],
)
def test_a_role_that_a_store_does_not_permit_is_refused(arguments, problem):
    done = run_to_end(*arguments)
    assert (done.returncode, done.stderr.strip()) == (2, problem)
    checked = run_to_end("--check", *arguments)
    assert checked.returncode == 2
    assert f"{problem}; use --role all, or --no-dispatch to inspect a store" in checked.stderr

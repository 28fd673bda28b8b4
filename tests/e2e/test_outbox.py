"""Programs create tasks in transactions of their own; server processes deliver them."""

import contextlib
import json
import re
from pathlib import Path

import psycopg
import pytest

from drayman import outbox, tasks
from drayman.store.postgres import address
from processes import QUEUE, http_task, serve

PAGE = (Path(__file__).parents[2] / "docs" / "outbox.md").read_text()
QUEUE_OF_PAGE = "projects/dev/locations/here/queues/mail"
MANY = 3_000


def code_blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def url(postgres):
    return postgres.url()


def schema_of(url):
    return address.parse(url).schema


def connect(url, **options):
    return psycopg.connect(address.parse(url).conninfo, **options)


def test_a_committed_task_is_delivered_and_one_that_is_rolled_back_is_not(tmp_path, url, worker):
    with serve(tmp_path, "--queue", QUEUE, store=url):
        for path, committed in (("/undone", False), ("/done", True)):
            with connect(url) as connection:
                task = tasks.http_task(worker.url + path, body=path)
                created = outbox.create_task(
                    connection, parent=QUEUE, task=task, schema=schema_of(url)
                )
                if not committed:
                    connection.rollback()
        delivery = worker.await_delivery()
        assert (delivery.path, delivery.task_id) == ("/done", created.name.rpartition("/")[2])
        assert worker.arrived.empty()


def test_a_transaction_that_stays_open_disturbs_no_server(tmp_path, url, worker):
    with (
        serve(tmp_path, "--queue", QUEUE, store=url) as server,
        server.client() as client,
        connect(url) as connection,
    ):
        task = tasks.http_task(f"{worker.url}/mine")
        outbox.create_task(connection, parent=QUEUE, task=task, schema=schema_of(url))
        client.create_task(parent=QUEUE, task=http_task(f"{worker.url}/other"), timeout=10)
        assert worker.await_delivery().path == "/other"
        client.pause_queue(name=QUEUE, timeout=10)
        client.purge_queue(name=QUEUE, timeout=10)
        client.resume_queue(name=QUEUE, timeout=10)
        connection.commit()
        assert worker.await_delivery().path == "/mine"


def test_a_server_that_is_killed_while_it_drains_loses_and_doubles_nothing(tmp_path, url, worker):
    schema = schema_of(url)
    waiting = f"SELECT count(*) FROM {schema}.outbox"
    with serve(tmp_path, "--queue", QUEUE, store=url) as server, server.client() as client:
        client.pause_queue(name=QUEUE)
        with connect(url) as connection:
            task = json.dumps({"httpRequest": {"url": worker.url}})
            names = [
                name
                for (name,) in connection.execute(
                    f"SELECT {schema}.create_task(%s, %s) FROM generate_series(1, {MANY})",
                    [QUEUE, task],
                )
            ]
        with connect(url, autocommit=True) as connection:
            while connection.execute(waiting).fetchone()[0] == MANY:
                pass
            server.kill()
            assert connection.execute(waiting).fetchone()[0] > 0
    with (
        serve(tmp_path, store=url) as server,
        server.client() as client,
        connect(url, autocommit=True) as connection,
    ):
        while connection.execute(waiting).fetchone()[0]:
            pass
        created = [task.name for task in client.list_tasks(parent=QUEUE)]
        assert sorted(created) == sorted(names)
        refused = connection.execute(f"SELECT count(*) FROM {schema}.outbox_error")
        assert refused.fetchone() == (0,)


def test_the_examples_of_the_page_work(tmp_path, postgres, worker):
    url = postgres.url("drayman")
    parsed = psycopg.conninfo.conninfo_to_dict(address.parse(url).conninfo)
    at = f"app@/{parsed['dbname']}?host={parsed['host']}"
    grants, transaction, errors = code_blocks("sql")
    with (
        serve(tmp_path, "--queue", QUEUE_OF_PAGE, store=url),
        connect(url, autocommit=True) as administrator,
    ):
        with contextlib.suppress(psycopg.errors.DuplicateObject):
            administrator.execute("CREATE ROLE app LOGIN")
        administrator.execute("DROP TABLE IF EXISTS public.invoice")
        administrator.execute("CREATE TABLE public.invoice (number integer)")
        administrator.execute("GRANT INSERT ON public.invoice TO app")
        administrator.execute(grants)
        with psycopg.connect(f"{address.parse(url).conninfo} user=app") as connection:
            connection.execute(transaction.replace("http://localhost:8080", worker.url))
        bodies = [worker.await_delivery().body]
        namespace = {}
        for block in code_blocks("python"):
            code = block.replace("http://localhost:8080", worker.url)
            exec(compile(code.replace("app@db.example/tasks", at), "outbox.md", "exec"), namespace)
        bodies += [worker.await_delivery().body for _ in range(4)]
        assert sorted(bodies) == sorted(
            [b'{"invoice": 7}', b'{"invoice":8}', b'{"page":1}', b'{"page":2}', b"hello"]
        )
        assert administrator.execute(errors).fetchall() == []

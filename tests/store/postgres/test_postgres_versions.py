"""Versions of PostgreSQL besides the system's: those in the package of the development extra.

All other tests run on one version; these show that its successors accept the tables, the functions
and each statement, some of whose names have become keywords in the past.
"""

import contextlib
import re

import psycopg
import pytest
from world import LIMITS, START, World, full

import postgres_cluster
from drayman.store.postgres.address import parse
from drayman.store.postgres.connection import connect
from drayman.store.postgres.database import open_store
from drayman.store.postgres.session import STATEMENTS

NAMES = postgres_cluster.packaged() or [
    pytest.param("", marks=pytest.mark.skip(reason="the package with servers is not installed"))
]


@pytest.fixture(scope="module", params=NAMES)
def cluster(request):
    cluster = postgres_cluster.Cluster(postgres_cluster.programs_of_package(request.param))
    yield cluster
    cluster.close()


async def test_a_task_is_created_claimed_and_completed(cluster):
    world = World(await open_store(cluster.url(), LIMITS, START))
    await world.queue()
    name = await world.create_one()
    (claim,) = await world.claim()
    assert claim.task.name == name
    assert await world.settle(claim)
    assert await world.listed() == []
    await world.store.close()


async def test_a_task_is_created_by_an_sql_function_with_named_arguments(cluster):
    url = cluster.url()
    world = World(await open_store(url, LIMITS, START))
    await world.queue()
    with contextlib.closing(connect(parse(url))) as connection:
        (name,) = connection.execute(
            "SELECT create_http_task(parent => %s, url => 'http://a/', json_body => '{}')",
            [full("q")],
        ).fetchone()
    assert name.startswith(f"{full('q')}/tasks/")
    await world.store.close()


async def test_each_statement_is_accepted(cluster):
    url = cluster.url()
    store = await open_store(url, LIMITS, START)
    await store.close()
    with contextlib.closing(connect(parse(url))) as connection:
        assert {
            name: error for name in STATEMENTS if (error := refusal(connection, STATEMENTS[name]))
        } == {}


def refusal(connection, statement):
    """Return why a statement cannot be prepared, None if it can or is empty."""
    params = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    text = statement
    for number, param in enumerate(params, start=1):
        text = text.replace(f"%({param})s", f"${number}")
    numbers = iter(range(len(params) + 1, 100))
    text = re.sub("%s", lambda _: f"${next(numbers)}", text)
    try:
        if text:
            connection.execute(f"PREPARE tried AS {text}".encode())
            connection.execute("DEALLOCATE tried")
    except psycopg.Error as error:
        return str(error)
    return None

"""The store through PgBouncer in transaction mode.

A part of the conformance suite runs again here: it creates, claims, settles and reads.
"""

import asyncio
import contextlib

import pytest
from test_store_documents import *  # noqa: F403 - tests to run again
from test_store_settlement import *  # noqa: F403 - the same
from world import LIMITS, START, World

from drayman.store import opening
from drayman.store.contract import StoreError
from drayman.store.postgres import address
from drayman.store.postgres.connection import connect
from drayman.store.postgres.database import open_store


@pytest.fixture
def url(pgbouncer):
    """Give the URL of a new schema, through PgBouncer."""
    return pgbouncer.url()


@pytest.fixture
async def world(url):
    """Give an empty store at a moment."""
    world = World(await open_store(url, LIMITS, START))
    yield world
    await world.store.close()


def is_pooled(url):
    with contextlib.closing(connect(address.parse(url))) as connection:
        return connection.address.pooled


def test_a_pooler_shows_itself_and_the_url_may_say_that_it_keeps_sessions(pgbouncer, postgres):
    through, direct = pgbouncer.url(), postgres.url()
    assert (is_pooled(through), is_pooled(direct)) == (True, False)
    assert (is_pooled(f"{direct}&pgbouncer=true"), address.parse(direct).pooled) == (True, None)
    assert address.parse(f"{through}&pgbouncer=false").pooled is False


def test_a_parameter_that_is_neither_true_nor_false_is_refused():
    with pytest.raises(StoreError, match=r"pgbouncer must be true or false$"):
        address.parse("postgresql://h/d?pgbouncer=1")


def test_tables_are_found_and_migrated_through_it(url):
    assert not opening.probe(url)
    assert opening.migrate(url) == opening.migrate(url)
    assert opening.probe(url)


async def test_nothing_of_a_session_is_left_for_its_other_clients(world, pgbouncer):
    await world.queue()
    await world.create_one()
    assert await world.listed()
    with contextlib.closing(connect(address.parse(pgbouncer.url()))) as other:
        settings = other.execute("SHOW search_path").fetchone()
        prepared = other.execute("SELECT name FROM pg_prepared_statements").fetchall()
        locks = other.execute("SELECT objid FROM pg_locks WHERE locktype = 'advisory'").fetchall()
    assert (settings, prepared, locks) == (('"$user", public',), [], [])


async def test_a_server_is_hinted_at_the_tasks_of_another_without_notifications(url):
    first = World(await open_store(url, LIMITS, START, server="1"))
    second = World(await open_store(url, LIMITS, START, server="2"))
    await first.queue()
    hinted = asyncio.Event()
    second.store.on_change(lambda due: due == first.now and hinted.set())
    await first.create_one()
    await hinted.wait()
    assert await second.claim(server="2")
    for world in (first, second):
        await world.store.close()

"""A store on PostgreSQL that a test can look into, and a second one on the same database."""

import contextlib

import pytest
from world import LIMITS, World

from drayman.store.postgres.address import parse
from drayman.store.postgres.connection import connect
from drayman.store.postgres.database import PostgresDatabase
from drayman.store.store import Store


@pytest.fixture
def url(postgres):
    """Give the URL of a new schema."""
    return postgres.url()


@pytest.fixture
async def worlds(url):
    """Give a function that opens one more server's store on the schema."""
    async with contextlib.AsyncExitStack() as opened:

        def open_world(server=None):
            world = World(Store(PostgresDatabase(parse(url), LIMITS, server=server)))
            opened.push_async_callback(world.store.close)
            return world

        yield open_world


@pytest.fixture
async def world(worlds):
    """Give a store with a queue, at a moment."""
    world = worlds()
    await world.queue()
    return world


@pytest.fixture
def administrator(url):
    """Give a connection beside the store."""
    with contextlib.closing(connect(parse(url))) as connection:
        yield connection

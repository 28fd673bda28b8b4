"""A store with a queue, whose outbox a test reads."""

import contextlib

import psycopg
import pytest

from drayman.core.clock import SystemClock
from drayman.core.limits import Limits
from drayman.core.queue import Queue, creation
from drayman.store.postgres import address
from drayman.store.postgres.database import open_store

QUEUE = "projects/p/locations/l/queues/q"


class Database:
    """The schema of a store."""

    def __init__(self, url, connection):
        self.params = psycopg.conninfo.conninfo_to_dict(address.parse(url).conninfo)
        self.conninfo = address.parse(url).conninfo
        self.schema = address.parse(url).schema
        self._connection = connection

    def entries(self):
        """Return the committed entries: the name and the task of each."""
        query = f"SELECT name, task FROM {self.schema}.outbox ORDER BY number"
        return self._connection.execute(query).fetchall()


@pytest.fixture
async def database(postgres):
    url, now = postgres.url(), SystemClock().now()
    store = await open_store(url, Limits(), now)
    await store.update_queue(QUEUE, creation(Queue(QUEUE)), now)
    await store.close()
    with contextlib.closing(psycopg.connect(address.parse(url).conninfo, autocommit=True)) as link:
        yield Database(url, link)

"""``drayman.outbox`` on the connections of every driver, in transactions of theirs."""

import contextlib

import asyncpg
import django
import psycopg
import pytest
import sqlalchemy
from django.conf import settings
from django.db import connections, transaction
from google.api_core import exceptions
from psycopg.rows import dict_row
from sqlalchemy import orm
from sqlalchemy.ext import asyncio as sqlalchemy_asyncio

from drayman import outbox, tasks
from drayman.core import errors

QUEUE = "projects/p/locations/l/queues/q"
TASK = tasks.http_task("https://example.com/", body=b"hello", headers={"X-A": "b"})


class RollbackError(Exception):
    """Ends a transaction without a commit."""


@contextlib.contextmanager
def psycopg_connection(database):
    with psycopg.connect(database.conninfo, row_factory=dict_row) as connection:
        yield connection


def sqlalchemy_url(database, driver):
    params = database.params
    return sqlalchemy.URL.create(
        f"postgresql+{driver}",
        username=params["user"],
        database=params["dbname"],
        query={"host": params["host"]},
    )


@contextlib.contextmanager
def sqlalchemy_connection(database):
    engine = sqlalchemy.create_engine(sqlalchemy_url(database, "psycopg"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextlib.contextmanager
def sqlalchemy_session(database):
    engine = sqlalchemy.create_engine(sqlalchemy_url(database, "psycopg"))
    try:
        with orm.Session(engine) as session, session.begin():
            yield session
    finally:
        engine.dispose()


@contextlib.contextmanager
def django_connection(database):
    if not settings.configured:
        settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql"}})
        django.setup()
    connection = connections["default"]
    connection.settings_dict |= {
        "NAME": database.params["dbname"],
        "USER": database.params["user"],
        "HOST": database.params["host"],
    }
    try:
        with transaction.atomic():
            yield connection
    finally:
        connection.close()


@contextlib.asynccontextmanager
async def psycopg_async_connection(database):
    async with await psycopg.AsyncConnection.connect(database.conninfo) as connection:
        yield connection


@contextlib.asynccontextmanager
async def asyncpg_connection(database):
    params = database.params
    connection = await asyncpg.connect(
        host=params["host"], user=params["user"], database=params["dbname"]
    )
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def asyncpg_pool(database):
    params = database.params
    async with (
        asyncpg.create_pool(
            host=params["host"], user=params["user"], database=params["dbname"], min_size=1
        ) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        yield connection


def async_engine(driver):
    @contextlib.asynccontextmanager
    async def connection(database):
        engine = sqlalchemy_asyncio.create_async_engine(sqlalchemy_url(database, driver))
        try:
            async with engine.begin() as connection:
                yield connection
        finally:
            await engine.dispose()

    return connection


@contextlib.asynccontextmanager
async def sqlalchemy_async_session(database):
    engine = sqlalchemy_asyncio.create_async_engine(sqlalchemy_url(database, "asyncpg"))
    try:
        async with sqlalchemy_asyncio.AsyncSession(engine) as session, session.begin():
            yield session
    finally:
        await engine.dispose()


class SyncCalls:
    """The functions for threads, as coroutine functions."""

    def __init__(self, opened):
        self._opened = opened

    @contextlib.asynccontextmanager
    async def transaction(self, database):
        with self._opened(database) as connection:
            yield connection

    async def create_task(self, *args, **kwargs):
        return outbox.create_task(*args, **kwargs)

    async def create_tasks(self, *args, **kwargs):
        return outbox.create_tasks(*args, **kwargs)

    async def delete_task(self, *args, **kwargs):
        outbox.delete_task(*args, **kwargs)


class AsyncCalls:
    """The functions for asyncio."""

    create_task = staticmethod(outbox.create_task_async)
    create_tasks = staticmethod(outbox.create_tasks_async)
    delete_task = staticmethod(outbox.delete_task_async)

    def __init__(self, opened):
        self.transaction = opened


DRIVERS = {
    "psycopg": SyncCalls(psycopg_connection),
    "sqlalchemy": SyncCalls(sqlalchemy_connection),
    "sqlalchemy-session": SyncCalls(sqlalchemy_session),
    "django": SyncCalls(django_connection),
    "psycopg-async": AsyncCalls(psycopg_async_connection),
    "asyncpg": AsyncCalls(asyncpg_connection),
    "asyncpg-pool": AsyncCalls(asyncpg_pool),
    "sqlalchemy-async-asyncpg": AsyncCalls(async_engine("asyncpg")),
    "sqlalchemy-async-psycopg": AsyncCalls(async_engine("psycopg")),
    "sqlalchemy-async-session": AsyncCalls(sqlalchemy_async_session),
}


@pytest.fixture(params=DRIVERS)
def calls(request, monkeypatch):
    # Django refuses its connections in the thread of an event loop, where these tests run.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    return DRIVERS[request.param]


async def test_tasks_exist_if_the_transaction_commits(calls, database):
    schema = database.schema
    async with calls.transaction(database) as connection:
        request = {"parent": QUEUE, "task": TASK}
        one = await calls.create_task(connection, request, schema=schema)
        others = await calls.create_tasks(connection, QUEUE, [TASK] * 3, schema=schema)
        named = tasks.Task(TASK, name=f"{QUEUE}/tasks/mine")
        await calls.create_task(connection, parent=QUEUE, task=named, schema=schema)
        await calls.delete_task(connection, name=one.name, schema=schema)
        assert database.entries() == []
    names = [name for name, _ in database.entries()]
    assert names == [one.name, *(task.name for task in others), named.name, one.name]
    assert one.http_request == TASK.http_request
    assert TASK.name == ""


async def test_no_task_exists_if_the_transaction_is_rolled_back(calls, database):
    with contextlib.suppress(RollbackError):
        async with calls.transaction(database) as connection:
            await calls.create_task(connection, parent=QUEUE, task=TASK, schema=database.schema)
            raise RollbackError
    assert database.entries() == []


async def test_errors_of_the_database_are_those_of_the_client(calls, database):
    absent = f"{QUEUE}2"
    with pytest.raises(exceptions.NotFound) as refusal:
        async with calls.transaction(database) as connection:
            await calls.create_task(connection, parent=absent, task=TASK, schema=database.schema)
    assert refusal.value.message == errors.queue_missing().message


async def test_other_errors_are_those_of_the_driver(calls, database):
    with pytest.raises(Exception, match="drayman_absent") as error:
        async with calls.transaction(database) as connection:
            await calls.create_task(connection, parent=QUEUE, task=TASK, schema="drayman_absent")
    assert not isinstance(error.value, exceptions.GoogleAPICallError)


def test_a_named_task_is_created_once(database):
    named = {"name": f"{QUEUE}/tasks/mine", "http_request": {"url": "https://example.com/"}}
    with psycopg.connect(database.conninfo) as connection:
        outbox.create_task(connection, parent=QUEUE, task=named, schema=database.schema)
    with pytest.raises(exceptions.AlreadyExists), psycopg.connect(database.conninfo) as connection:
        outbox.create_task(connection, parent=QUEUE, task=named, schema=database.schema)


def test_a_savepoint_survives_an_error(database):
    with psycopg.connect(database.conninfo) as connection:
        with pytest.raises(exceptions.NotFound), connection.transaction():
            outbox.delete_task(connection, name=f"{QUEUE}/tasks/absent", schema=database.schema)
        outbox.create_task(connection, parent=QUEUE, task=TASK, schema=database.schema)
    assert len(database.entries()) == 1


def test_a_header_that_json_of_postgresql_cannot_hold_is_stored_as_by_the_api(database):
    task = tasks.http_task("https://example.com/", headers={"X-A": "b\0c", "Host": "other"})
    with psycopg.connect(database.conninfo) as connection:
        outbox.create_task(connection, parent=QUEUE, task=task, schema=database.schema)
    ((_, stored),) = database.entries()
    assert stored["httpRequest"]["headers"] == {"X-A": "b"}


async def test_the_functions_for_threads_and_for_asyncio_are_not_mixed_up(database):
    with (
        psycopg.connect(database.conninfo) as connection,
        pytest.raises(TypeError, match="call the function without _async"),
    ):
        await outbox.create_task_async(connection, parent=QUEUE, task=TASK)
    async with await psycopg.AsyncConnection.connect(database.conninfo) as asynchronous:
        with pytest.raises(TypeError, match="call the function that ends in _async"):
            outbox.create_tasks(asynchronous, QUEUE, [TASK])

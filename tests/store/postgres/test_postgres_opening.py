"""Opening a store on PostgreSQL: its schema, its migrations, and what is refused."""

import asyncio
import contextlib
import logging
import shutil

import psycopg
import pytest
from postgres_world import done_or_blocked
from world import LIMITS, START, World, full

from drayman import outbox, tasks
from drayman.core.clock import SECOND, SystemClock
from drayman.store import opening
from drayman.store.contract import StoreError
from drayman.store.postgres import address, schema
from drayman.store.postgres.connection import connect, database_time, transaction
from drayman.store.postgres.database import open_store

MIGRATIONS = sorted(schema.MIGRATIONS.iterdir(), key=lambda each: each.name)
FORMAT = len(MIGRATIONS)


async def reopened(url):
    return World(await open_store(url, LIMITS, START))


def schema_of(url):
    return address.parse(url).schema


async def test_what_was_stored_is_there_when_the_store_is_opened_again(world, url):
    name = await world.create_one()
    await world.store.close()
    again = await reopened(url)
    assert await again.listed() == [name]
    await again.store.close()


async def test_each_schema_is_a_store_of_its_own(world, postgres):
    await world.create_one()
    other = await reopened(postgres.url())
    assert await other.store.list_locations("projects/p") == []
    await other.store.close()


@pytest.fixture
def later_migration(tmp_path, monkeypatch):
    """Add a migration that changes a table which every call uses."""
    for each in MIGRATIONS:
        shutil.copy(each, tmp_path)
    script = "-- compatible with: 1\nALTER TABLE queue ADD COLUMN later bigint;\n"
    (tmp_path / f"{FORMAT + 1:04}.sql").write_text(script)
    monkeypatch.setattr(schema, "MIGRATIONS", tmp_path)


@pytest.fixture
def reader(url, world):  # noqa: ARG001 - it creates the tables
    """Give a connection whose transaction has read a table, as that of pg_dump does."""
    parsed = address.parse(url)
    with contextlib.closing(
        psycopg.connect(parsed.conninfo, application_name="a dump")
    ) as connection:
        connection.execute(f"SELECT FROM {parsed.schema}.queue")
        yield connection


async def test_a_migration_behind_an_open_transaction_stops_no_server(
    administrator, url, reader, request, caplog
):
    request.getfixturevalue("later_migration")
    with contextlib.closing(connect(address.parse(url), limited=False)) as watcher:
        migration = await done_or_blocked(asyncio.to_thread(opening.migrate, url), watcher)
    administrator.execute("UPDATE queue SET in_flight = 0")  # fails after 4 seconds
    while not (caplog.messages or migration.done()):
        await asyncio.to_thread(administrator.execute, "UPDATE queue SET in_flight = 0")
    reader.rollback()
    assert await migration == FORMAT + 1
    (line,) = caplog.messages
    assert line.startswith(
        f"the migration waits for the transaction of process {reader.info.backend_pid} (a dump), "
        "open since "
    )
    assert line.endswith(", which has a lock on queue; it is tried again until that ends")


def test_a_migration_that_gets_no_lock_is_given_up_and_names_the_transaction(
    administrator, url, reader, request
):
    request.getfixturevalue("later_migration")
    with pytest.raises(StoreError) as refusal:
        schema.migrate(administrator, address.parse(url), tries=1)
    assert f" because of the transaction of process {reader.info.backend_pid} (a dump)" in str(
        refusal.value
    )
    assert str(refusal.value).endswith(
        "; wait until that transaction ends or end it, then start again"
    )
    assert schema.find_format(administrator, address.parse(url))[0] == FORMAT


async def test_servers_that_start_at_once_create_one_schema(url):
    opened = await asyncio.gather(
        *(asyncio.to_thread(opening.migrate, url) for _ in range(4)), return_exceptions=True
    )
    assert opened == [FORMAT] * 4


def test_migrate_names_the_format_and_changes_nothing_the_second_time(url):
    assert [opening.migrate(url), opening.migrate(url)] == [FORMAT] * 2


@pytest.mark.usefixtures("world")
async def test_a_newer_format_is_refused(administrator, url):
    administrator.execute("INSERT INTO format VALUES (99, 99)")
    with pytest.raises(StoreError) as refusal:
        await open_store(url, LIMITS, START)
    assert str(refusal.value).endswith(
        " was written by a newer version of drayman (format 99, this version knows "
        f"{FORMAT}); upgrade drayman"
    )


@pytest.mark.usefixtures("world")
async def test_a_newer_format_that_this_version_can_use_is_opened(administrator, url):
    administrator.execute("INSERT INTO format VALUES (99, 1)")
    again = await reopened(url)
    await again.create_one()
    await again.store.close()


def test_tasks_of_a_store_of_the_first_format_are_counted_once(administrator, url):
    schema = schema_of(url)
    administrator.execute(f"CREATE SCHEMA {schema}")
    administrator.execute(f"SET search_path TO {schema}")
    administrator.execute("CREATE TABLE format (number integer, compatible_with integer)")
    administrator.execute("INSERT INTO format VALUES (1, 1)")
    administrator.execute(MIGRATIONS[0].read_text(), prepare=False)
    administrator.execute(
        "INSERT INTO task (seq, generation, create_time, schedule_time, request) "
        "SELECT each, nextval('generation'), 0, 0, '' FROM generate_series(1, 2) AS each"
    )
    opening.migrate(url)
    counts = administrator.execute("SELECT generation, tasks FROM task_count").fetchall()
    assert sorted(counts) == [(1, 1), (2, 1)]


@pytest.mark.parametrize("open_it", [opening.migrate, opening.probe])
def test_a_schema_of_another_program_is_refused(administrator, url, open_it):
    schema = schema_of(url)
    administrator.execute(f"CREATE SCHEMA {schema}")
    administrator.execute(f"CREATE TABLE {schema}.invoice (number integer)")
    with pytest.raises(StoreError) as refusal:
        open_it(url)
    assert str(refusal.value).endswith(f": the schema {schema} has the tables of another program")
    tables = administrator.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema]
    ).fetchall()
    assert tables == [("invoice",)]


@pytest.mark.parametrize("open_it", [opening.migrate, opening.probe])
def test_a_database_of_another_encoding_is_refused(administrator, url, open_it):
    administrator.execute("DROP DATABASE IF EXISTS latin")
    administrator.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    with pytest.raises(StoreError) as refusal:
        open_it(f"{url}&dbname=latin")
    assert str(refusal.value).endswith(": the encoding must be UTF8, this is LATIN1")


@pytest.mark.parametrize("open_it", [opening.migrate, opening.probe])
def test_a_user_without_the_right_to_create_the_schema_is_refused(administrator, url, open_it):
    administrator.execute("DROP ROLE IF EXISTS guest")
    administrator.execute("CREATE ROLE guest LOGIN")
    with pytest.raises(StoreError) as refusal:
        open_it(f"{url}&user=guest")
    assert "cannot be opened: permission denied for database" in str(refusal.value) or str(
        refusal.value
    ).endswith(f": the user may not create the schema {schema_of(url)}")


@pytest.mark.parametrize("open_it", [opening.migrate, opening.probe])
def test_a_server_that_does_not_answer_is_reported_without_the_password(open_it):
    with pytest.raises(StoreError) as refusal:
        open_it("postgresql://me:secret@127.0.0.1:1/tasks")
    assert str(refusal.value).startswith(
        "store postgresql://me@127.0.0.1:1/tasks cannot be opened: connection failed: "
    )
    assert "secret" not in str(refusal.value)


def test_probe_says_whether_there_is_a_store_and_creates_none(administrator, url):
    assert not opening.probe(url)
    assert administrator.execute("SELECT to_regnamespace(%s)", [schema_of(url)]).fetchone() == (
        None,
    )
    opening.migrate(url)
    assert opening.probe(url)


@pytest.mark.parametrize("name", ["default", "user", "order"])
async def test_a_schema_may_have_the_name_of_a_reserved_word(postgres, name):
    url = postgres.url(name)
    try:
        assert not opening.probe(url)
        world = await reopened(url)
        await world.queue()
        await world.create_one()
        await world.store.close()
        assert opening.probe(url)
        assert opening.inspect(url).counts["tasks"] == 1
        with psycopg.connect(address.parse(url).conninfo) as connection:
            task = tasks.http_task("https://example.com/")
            created = outbox.create_task(connection, parent=full("q"), task=task, schema=name)
            outbox.delete_task(connection, name=created.name, schema=name)
    finally:
        with psycopg.connect(address.parse(url).conninfo) as connection:
            connection.execute(f'DROP SCHEMA "{name}" CASCADE')


@pytest.mark.parametrize("schema", ["Tasks", "", "1st", "a;b", "a" * 64])
def test_a_schema_name_that_needs_quotes_is_refused(schema):
    with pytest.raises(StoreError, match="the schema must consist of lower-case letters"):
        address.parse(f"postgresql://h/d?schema={schema}")


def test_parameters_of_libpq_pass_unchanged_and_replace_the_defaults():
    parsed = address.parse(
        "postgresql://a,b:5433/d?sslmode=verify-full&sslrootcert=%2Fca%20file&connect_timeout=9"
        "&schema=jobs"
    )
    params = psycopg.conninfo.conninfo_to_dict(parsed.conninfo)
    assert parsed.schema == "jobs"
    expected = {
        "host": "a,b", "dbname": "d", "sslmode": "verify-full", "sslrootcert": "/ca file",
        "connect_timeout": "9", "target_session_attrs": "read-write",
    }  # fmt: skip
    assert expected.items() <= {key: str(value) for key, value in params.items()}.items()


@pytest.mark.parametrize("pooled", ["false", "true"])
def test_defaults_of_the_database_do_not_change_transactions(url, pooled):
    options = "-c%20default_transaction_isolation%3Dserializable" + "".join(
        f"%20-c%20default_transaction_{each}%3Don" for each in ("read_only", "deferrable")
    )
    parsed = address.parse(f"{url}&pgbouncer={pooled}&target_session_attrs=any&options={options}")
    with contextlib.closing(connect(parsed)) as connection, transaction(connection):
        modes = [
            connection.execute(f"SHOW transaction_{each}").fetchone()[0]
            for each in ("isolation", "read_only", "deferrable")
        ]
    assert modes == ["read committed", "off", "off"]


def test_a_parameter_that_libpq_does_not_know_is_refused():
    with pytest.raises(StoreError, match='invalid URI query parameter: "colour"'):
        address.parse("postgresql://h/d?colour=red")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p%40ss@h/d", "postgresql://u@h/d"),
        ("postgresql://u@h/d?password=p&schema=s", "postgresql://u@h/d?password=***&schema=s"),
        ("postgresql://h/d?sslkey=k&sslpassword=p", "postgresql://h/d?sslkey=k&sslpassword=***"),
        ("postgresql://h/d?oauth_client_secret=p", "postgresql://h/d?oauth_client_secret=***"),
        ("postgresql://h/d?scram_client_key=p", "postgresql://h/d?scram_client_key=***"),
        ("postgresql://h/d?scram_server_key=p", "postgresql://h/d?scram_server_key=***"),
        ("postgres:///d", "postgres:///d"),
        ("sqlite:a:b@c", "sqlite:a:b@c"),
    ],
)
def test_a_url_is_shown_without_its_password(url, shown):
    assert opening.without_password(url) == shown


@pytest.mark.parametrize(("by", "text"), [(60, "ahead of"), (-60, "behind")])
async def test_a_clock_that_differs_from_the_databases_is_reported(
    administrator, url, caplog, by, text
):
    now = database_time(administrator) + by * SECOND
    store = await open_store(url, LIMITS, now)
    await store.close()
    (line,) = caplog.messages
    assert line.endswith(f" s {text} the clock of the database, whose time decides")


async def test_the_clock_of_a_server_follows_the_databases(administrator, url):
    clock = SystemClock()
    clock.adjust(-60 * SECOND)
    store = await open_store(url, LIMITS, clock.now(), clock=clock)
    await store.close()
    assert abs(clock.now() - database_time(administrator)) < 30 * SECOND


async def test_a_clock_that_agrees_with_the_databases_is_no_warning(administrator, url, caplog):
    store = await open_store(url, LIMITS, database_time(administrator))
    await store.close()
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []

"""The page on PostgreSQL: its statements do what it says."""

import contextlib

import psycopg
import pytest
from pages import code_blocks

from drayman.store import opening
from drayman.store.contract import StoreError
from drayman.store.postgres import address
from processes import LOCATION, http_task, run_worker, serve

PAGE = "docs/postgres.md"
MAIL = f"{LOCATION}/queues/mail"
(RIGHTS,) = (each for each in code_blocks(PAGE, "sql") if "DEFAULT PRIVILEGES" in each)


@pytest.fixture
def owner(postgres):
    """Give the owner's connection to a store, beside which there is a user without rights."""
    parsed = address.parse(postgres.url())
    with contextlib.closing(psycopg.connect(parsed.conninfo, autocommit=True)) as connection:
        connection.execute("CREATE ROLE drayman_server LOGIN")
        yield connection
        connection.execute("DROP OWNED BY drayman_server")
        connection.execute("DROP ROLE drayman_server")


@pytest.fixture
def url(postgres):
    """Give the URL of a store that another user has migrated."""
    url = postgres.url()
    opening.migrate(url)
    return url


def as_server(url):
    return f"{url}&user=drayman_server"


def grant(owner, url, statements=RIGHTS):
    schema = address.parse(url).schema
    owner.execute(statements.replace("SCHEMA drayman", f"SCHEMA {schema}"))


def test_a_user_with_the_rights_of_the_page_serves(tmp_path, owner, url):
    grant(owner, url)
    owner.execute(f"CREATE TABLE {address.parse(url).schema}.later (number integer)")
    assert opening.probe(as_server(url))
    with run_worker() as worker, serve(tmp_path, "--queue", MAIL, store=as_server(url)) as server:
        with server.client() as client:
            client.create_task(parent=MAIL, task=http_task(f"{worker.url}/paid"))
            assert worker.await_delivery().path == "/paid"
            client.purge_queue(name=MAIL)
            client.delete_queue(name=MAIL)
        assert server.stop() == 0


def test_a_check_names_the_rights_that_are_missing(owner, url):
    def refusal():
        with pytest.raises(StoreError) as error:
            opening.probe(as_server(url))
        return str(error.value)

    schema = address.parse(url).schema
    grant(owner, url)
    owner.execute(f"REVOKE INSERT, UPDATE ON {schema}.task FROM drayman_server")
    owner.execute(f"REVOKE UPDATE ON SEQUENCE {schema}.seq FROM drayman_server")
    owner.execute(f"REVOKE ALL ON FUNCTION {schema}.reserve_seqs FROM drayman_server, public")
    assert refusal().endswith(
        ": the user has no right of INSERT, UPDATE on table task; UPDATE on sequence seq; EXECUTE "
        "on function reserve_seqs; grant them as the owner of the tables"
    )
    owner.execute(f"REVOKE USAGE ON SCHEMA {schema} FROM drayman_server")
    assert f"has no right of USAGE on schema {schema}; " in refusal()

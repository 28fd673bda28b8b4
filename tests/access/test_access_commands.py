"""``drayman keys``, with and without a running server."""

import re
import sqlite3

import pytest
from callers import call, with_key

from drayman import cli
from drayman.core.clock import DAY, SECOND, ManualClock
from drayman.core.limits import Limits
from drayman.core.status import Code
from drayman.store.sqlite.database import open_store
from live import LiveServer

KEY = re.compile(r"drayman_[0-9a-f]{12}_[A-Za-z0-9_-]{43}\n")


@pytest.fixture
def store(tmp_path):
    return f"sqlite:{tmp_path / 'tasks.db'}"


@pytest.fixture
def keys(store, capsys):
    """Run ``drayman keys``; return what it prints, and its exit status if it fails."""

    def run(*arguments, store=store):
        with pytest.raises(SystemExit) as caught:
            cli.command()(["keys", *arguments, "--store", store])
        printed = capsys.readouterr()
        if caught.value.code:
            return caught.value.code, printed.err
        assert printed.err == ""
        return printed.out

    return run


def test_a_key_is_printed_once_and_listed_without_its_secret(keys):
    role = "roles/cloudtasks.enqueuer"
    text = keys("create", "web", "--role", role, "--role", "roles/viewer")
    assert KEY.fullmatch(text)
    _, key_id, secret = text.strip().split("_", 2)
    head, row = keys("list").splitlines()
    assert head.split() == ["ID", "NAME", "MEMBER", "ROLES", "CREATED", "ENDS", "WITH", "STATE"]
    assert row.startswith(f"{key_id}  web   serviceAccount:web@keys.drayman.internal  {role} roles")
    assert row.endswith(f"Z  {secret[-4:]}       valid")
    assert secret not in row


@pytest.mark.parametrize("by", ["id", "name"])
def test_a_key_is_revoked_by_its_id_or_name(keys, by):
    key_id = keys("create", "web").split("_")[1]
    assert keys("revoke", {"id": key_id, "name": "web"}[by]) == f"revoked {key_id}\n"
    assert "  revoked 2" in keys("list")
    assert keys("revoke", key_id) == (
        2,
        f'drayman: no valid key has the id or name "{key_id}"\n',
    )
    assert KEY.fullmatch(keys("create", "web"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "a b"], '"a b" is not the name of a key; allowed: '),
        (["create", "web", "--role", "none"], '"none" is not a role; allowed: roles/owner, '),
        (["create", "web", "--member", "user:a@b.c"], "is not of the form serviceAccount:EMAIL"),
        (["revoke", "web"], 'no valid key has the id or name "web"'),
    ],
)
def test_a_wrong_argument_has_a_line(keys, arguments, message):
    status, line = keys(*arguments)
    assert (status, message in line) == (2, True)


def test_a_name_is_used_once(keys):
    keys("create", "web")
    status, line = keys("create", "web")
    assert (status, "there is a key named web" in line) == (2, True)


def test_a_store_in_memory_has_no_keys(keys):
    status, line = keys("list", store="memory")
    assert (status, "--store: a store in memory has no keys" in line) == (2, True)


def test_a_store_that_cannot_be_used_has_a_line(keys, tmp_path):
    status, line = keys("list", store=f"sqlite:{tmp_path}")
    assert status == 1
    assert line.endswith("it is a directory\n")


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_running_server_sees_keys_come_and_go(keys, store, transport):
    live = LiveServer(auth="keys", store=store)
    text = keys("create", "web", "--role", "roles/viewer").strip()
    live.advance(SECOND)
    assert call(live, transport, "GetQueue", with_key(text)).code is Code.NOT_FOUND
    keys("revoke", "web")
    live.advance(SECOND)
    assert call(live, transport, "GetQueue", with_key(text)).code is Code.INVALID_ARGUMENT
    live.stop()


def test_keys_made_before_the_first_start_are_accepted(keys, store):
    text = keys("create", "web", "--role", "roles/viewer").strip()
    live = LiveServer(auth="keys", store=store)
    assert call(live, "grpc", "GetQueue", with_key(text)).code is Code.NOT_FOUND
    live.stop()


def test_a_server_of_an_older_version_keeps_its_store(keys, store):
    live = LiveServer(store=store)
    path = store.removeprefix("sqlite:")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 0")
    connection.close()
    status, line = keys("create", "web")
    assert (status, "is in use by a server of an older version" in line) == (1, True)
    live.stop()


def test_the_store_of_another_program_is_left_alone(keys, tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    before = path.read_bytes()
    status, line = keys("create", "web", store=f"sqlite:{path}")
    assert (status, "is the SQLite database of another program" in line) == (1, True)
    assert path.read_bytes() == before


async def test_a_revoked_key_is_listed_for_ninety_days(keys, store):
    keys("create", "web")
    keys("revoke", "web")
    now = ManualClock().now() + 10_000 * DAY
    opened = await open_store(store.removeprefix("sqlite:"), Limits(), now)
    await opened.sweep(now, 10)
    await opened.close()
    assert len(keys("list").splitlines()) == 1

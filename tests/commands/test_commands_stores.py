"""``drayman backup`` and ``drayman check``, with and without a running server."""

import contextlib
import json
import sqlite3
import stat

import pytest

from drayman.core.clock import DAY
from drayman.core.limits import Limits
from drayman.core.queue import Queue, creation
from drayman.core.task import NewTask
from drayman.store import opening
from drayman.store.sqlite.database import open_store

QUEUE = "projects/p/locations/l/queues/q"
TASKS = 50


async def filled_store(path):
    store = await open_store(str(path), Limits(), DAY)
    await store.update_queue(QUEUE, creation(Queue(QUEUE)), DAY)
    await store.create_tasks(QUEUE, [NewTask(None, DAY, b"x" * 1_000)] * TASKS, DAY)
    return store


@pytest.fixture
async def path(tmp_path):
    """Return the file of a store that no server uses."""
    path = tmp_path / "tasks.db"
    await (await filled_store(path)).close()
    return path


@pytest.fixture
async def path_in_use(tmp_path):
    """Return the file of a store that a server uses."""
    path = tmp_path / "tasks.db"
    store = await filled_store(path)
    yield path
    await store.close()


def change(path, *statements):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def files(folder):
    return sorted(each.name for each in folder.iterdir())


def check(run, path):
    result = run("check", "--store", f"sqlite:{path}", "--format", "json")
    return result, json.loads(result.out)


async def test_a_store_in_use_is_checked(run, path_in_use):
    result, report = check(run, path_in_use)
    assert (result.status, result.err) == (0, "")
    assert report["inUse"]
    assert report["problems"] == report["warnings"] == []
    assert report["rows"]["queues"] == 1
    assert report["rows"]["tasks"] == TASKS


def test_a_check_changes_nothing(run, path):
    content, names = path.read_bytes(), files(path.parent)
    result, report = check(run, path)
    assert (result.status, report["inUse"]) == (0, False)
    assert (path.read_bytes(), files(path.parent)) == (content, names)


def test_people_get_yaml(run, path):
    assert "problems: []\n" in run("check", "--store", f"sqlite:{path}").out


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE task SET generation = 99", "50 tasks belong to no queue and would never be"),
        ("UPDATE task SET claim = 99", "50 tasks wait for an attempt that does not exist and"),
        ("UPDATE queue SET tasks = 49", "1 queues count their tasks wrongly"),
        ("UPDATE queue SET in_flight = 3", "1 queues count their attempts in flight wrongly"),
        (
            "UPDATE counter SET value = 2 WHERE name = 'dead_letters'",
            "2 dead letters are missing in their total, or counted twice",
        ),
        (
            "UPDATE counter SET value = 0 WHERE name = 'seq'",
            "the counter seq is behind, and numbers would be used again",
        ),
    ],
)
def test_rows_that_do_not_fit_are_problems(run, path, statement, problem):
    change(path, statement)
    result, report = check(run, path)
    assert result.status == 1
    assert [each for each in report["problems"] if each.startswith(problem)]
    assert f"drayman: {problem}" in result.err


def test_damaged_pages_are_problems(run, path):
    content = path.read_bytes()
    page = content.index(b"x" * 1_000, len(content) // 2) // 4096 * 4096
    path.write_bytes(content[:page] + b"\xa5" * 4096 + content[page + 4096 :])
    result, report = check(run, path)
    assert result.status == 1
    assert report["problems"][0].startswith("damaged: ")
    assert report["rows"] == {}


def test_files_that_are_not_the_stores_are_warnings(run, path):
    journal = path.with_name(f"{path.name}-journal")
    journal.touch()
    path.chmod(0o644)
    result, report = check(run, path)
    assert result.status == 0
    assert report["warnings"] == [
        f"{journal} is no file of the store; move it away",
        f"store sqlite:{path}: other users may read or write {path}",
    ]
    assert result.err.count("drayman: warning: ") == 2


def test_a_file_that_counts_no_tasks_yet_has_no_wrong_counts(run, path):
    change(path, "ALTER TABLE queue DROP COLUMN tasks", "PRAGMA user_version = 1")
    _, report = check(run, path)
    assert report["problems"] == []


def test_an_older_format_is_a_warning(run, path):
    change(path, "PRAGMA user_version = 0")
    result, report = check(run, path)
    assert result.status == 0
    assert report["warnings"][0].startswith("the format is 0; the next start of a server migrates")


def test_an_empty_file_is_no_store_yet(run, tmp_path):
    (tmp_path / "tasks.db").touch()
    result = run("check", "--store", f"sqlite:{tmp_path}/tasks.db")
    assert result.status == 1
    assert result.err == (
        f"drayman: store {tmp_path}/tasks.db is empty: no server has started with it yet\n"
    )


@pytest.mark.parametrize("command", [("check",), ("backup", "copy.db")])
@pytest.mark.parametrize(
    ("store", "status", "problem"),
    [
        ("sqlite:absent.db", 1, "store absent.db does not exist"),
        ("memory", 1, "a store in memory is in its server alone; choose --store sqlite:PATH"),
        ("mysql://x", 2, "--store"),
    ],
)
def test_a_store_that_cannot_be_read_is_one_line(
    run, tmp_path, monkeypatch, command, store, status, problem
):
    monkeypatch.chdir(tmp_path)
    result = run(*command, "--store", store)
    assert result.status == status
    assert result.err.startswith(f"drayman: {problem}")
    assert result.err.count("\n") == 1
    assert files(tmp_path) == []


def test_the_file_of_another_program_is_no_store(run, tmp_path):
    path = tmp_path / "other.db"
    change(path, "CREATE TABLE t (a)")
    result = run("check", "--store", f"sqlite:{path}")
    assert result.status == 1
    assert result.err == f"drayman: store {path} is the SQLite database of another program\n"


async def test_a_backup_is_a_private_whole_store(run, path, tmp_path):
    target = tmp_path / "backup" / "copy.db"
    target.parent.mkdir()
    result = run("backup", target, "--store", f"sqlite:{path}")
    assert (result.status, result.err) == (0, "")
    size = target.stat().st_size
    assert result.out == (
        f"drayman: backed up to {target}, {size:,} bytes; "
        f"start with it by drayman serve --store sqlite:{target}\n"
    )
    assert files(target.parent) == ["copy.db"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    store = await open_store(str(target), Limits(), DAY)
    page = await store.list_tasks(QUEUE, 0, TASKS + 1, 1 << 30)
    await store.close()
    assert len(page.tasks) == TASKS


async def test_a_backup_has_what_is_in_the_log_alone(run, path_in_use, tmp_path):
    assert path_in_use.with_name(f"{path_in_use.name}-wal").stat().st_size
    target = tmp_path / "copy.db"
    run("backup", target, "--store", f"sqlite:{path_in_use}")
    assert check(run, target)[1]["rows"]["tasks"] == TASKS


def test_an_existing_file_is_replaced_by_force_only(run, path, tmp_path):
    target = tmp_path / "copy.db"
    target.write_bytes(b"precious")
    refused = run("backup", target, "--store", f"sqlite:{path}")
    assert refused.status == 1
    assert refused.err == (
        f"drayman: backup {target} exists; choose another name, or --force to replace it\n"
    )
    assert target.read_bytes() == b"precious"
    assert run("backup", target, "--force", "--store", f"sqlite:{path}").status == 0
    assert check(run, target)[0].status == 0


def test_a_backup_never_replaces_its_own_store(run, path, tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(path)
    result = run("backup", link, "--force", "--store", f"sqlite:{path}")
    assert result.status == 1
    assert result.err == f"drayman: backup {path} is the store itself\n"


async def test_a_backup_never_replaces_the_store_of_a_server(run, path_in_use, tmp_path):
    other = tmp_path / "other.db"
    await (await filled_store(other)).close()
    result = run("backup", path_in_use, "--force", "--store", f"sqlite:{other}")
    assert result.err == f"drayman: backup {path_in_use} is a store that a server uses\n"


def test_a_backup_is_not_put_beside_a_foreign_log(run, path, tmp_path):
    log = tmp_path / "copy.db-wal"
    log.write_bytes(b"pages")
    result = run("backup", tmp_path / "copy.db", "--store", f"sqlite:{path}")
    assert result.err == f"drayman: {log} would be taken for a part of the backup; move it away\n"


def test_a_damaged_store_is_not_backed_up(run, path, tmp_path):
    content = path.read_bytes()
    page = content.index(b"x" * 1_000, len(content) // 2) // 4096 * 4096
    path.write_bytes(content[:page] + b"\xa5" * 4096 + content[page + 4096 :])
    result = run("backup", tmp_path / "copy.db", "--store", f"sqlite:{path}")
    assert result.status == 1
    assert result.err.startswith("drayman: the store is damaged, and so would be its backup: ")
    assert not list(tmp_path.glob("copy.db*"))


def test_a_folder_that_does_not_exist_is_one_line(run, path, tmp_path):
    target = tmp_path / "absent" / "copy.db"
    result = run("backup", target, "--store", f"sqlite:{path}")
    assert result.status == 1
    assert result.err == (
        f"drayman: backup {target} cannot be written: No such file or directory\n"
    )


def test_a_store_on_postgresql_is_backed_up_by_its_programs(run):
    pytest.importorskip("psycopg")
    result = run("backup", "copy", "--store", "postgresql://ada:secret@box/tasks")
    assert result.status == 1
    assert result.err == (
        "drayman: store postgresql://ada@box/tasks is backed up by PostgreSQL's own programs: "
        "pg_dump, or pg_basebackup with its archive of the write-ahead log\n"
    )


async def test_a_backup_is_of_one_moment_however_much_is_written_meanwhile(tmp_path):
    path, target = tmp_path / "tasks.db", tmp_path / "copy.db"
    store = await open_store(str(path), Limits(), DAY)
    await store.update_queue(QUEUE, creation(Queue(QUEUE)), DAY)
    for _ in range(20):
        await store.create_tasks(QUEUE, [NewTask(None, DAY, b"x" * 8_000)] * 100, DAY)
    copied = []

    def write(done, _total):
        copied.append(done)
        insert = "INSERT INTO queue_tombstone VALUES (?, 0)"
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(insert, [f"written at {done}"])

    opening.backup(f"sqlite:{path}", str(target), write, replace=False)
    await store.close()
    assert len(copied) > 2
    assert copied == sorted(copied)  # it did not begin anew
    counts = opening.inspect(f"sqlite:{target}").counts
    assert (counts["tasks"], counts["queueTombstones"]) == (2_000, 0)

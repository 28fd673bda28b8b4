"""An export of any store, imported into any other, has the same content there."""

import gzip
import json
import stat
from pathlib import Path

import pytest
from filled_store import (
    KEYS,
    KMS_KEY_NAME,
    OTHER,
    QUEUE,
    fill,
    new_task,
    open_store,
    policy,
)

from drayman.core.clock import DAY, SystemClock
from drayman.core.errors import ServiceError
from drayman.core.queue import Queue, State, creation
from drayman.core.task import Task
from drayman.encryption.cipher import TaskCipher
from drayman.store.contract import StoreError
from drayman.store.verbs.transfer import StoredTask
from drayman.transfer import export_file, jobs
from drayman.transfer.export_file import Batch, ExportFileError
from drayman.transfer.importing import Importer, ImportOptions, ImportRefusedError
from drayman.transfer.selection import SelectionError
from drayman.wire import tasks

CLOCK = SystemClock()
KINDS = ("sqlite", "postgres")
FILLED = "2 queues, 6 tasks, 1 dead letter, 4 reserved names, 1 KMS key"


@pytest.fixture
def new_store(request, tmp_path):
    """Give a function that returns the URL of a new store of a kind."""
    numbers = iter(range(10))

    def url(kind="sqlite"):
        if kind == "sqlite":
            return f"sqlite:{tmp_path / f'{next(numbers)}.db'}"
        return request.getfixturevalue("postgres").url()

    return url


@pytest.fixture
async def filled(new_store):
    url = new_store()
    await fill(url)
    return url


@pytest.fixture
def exported(filled, tmp_path):
    path = str(tmp_path / "exported.jsonl")
    jobs.export(filled, path, [])
    return path


def content(path):
    """Return the lines of a file but the header."""
    return all_lines(path)[1:]


def all_lines(path):
    return Path(path).read_text().splitlines()


def message_of(request):
    return tasks.Message.FromString(request)


def values(path, kind):
    return [value for line in content(path) if kind in (value := json.loads(line))]


@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
async def test_an_export_is_the_same_after_an_import(new_store, tmp_path, source, target):
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    source, target = new_store(source), new_store(target)
    await fill(source)
    assert jobs.export(source, first, []) == f"exported {FILLED}"
    assert jobs.import_file(first, target, ImportOptions()) == f"imported {FILLED}"
    assert jobs.export(target, second, []) == f"exported {FILLED}"
    assert content(first) == content(second)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_imported_is_all_there(new_store, exported, kind):
    target, now = new_store(kind), SystemClock().now()
    jobs.import_file(exported, target, ImportOptions())
    store = await open_store(target)
    queue = await store.get_queue(QUEUE)
    assert (queue.rate_limits.max_burst_size, queue.policy) == (10, policy())
    assert queue.purge_time is not None
    assert (await store.get_queue(OTHER)).state is State.PAUSED
    by_id = {
        task.name.rpartition("/")[2]: task
        for task in (await store.list_tasks(QUEUE, 0, 100, 1 << 30)).tasks
    }
    retried = by_id["retried"]
    assert (retried.dispatch_count, retried.previous_response) == (1, 500)
    assert retried.last_attempt.message == "INTERNAL(13): HTTP status code 500"
    opened = TaskCipher(KEYS).open_task(by_id["sealed"])
    assert message_of(opened.request) == message_of(new_task("sealed", now).request)
    (letter,) = await store.list_dead_letters(QUEUE, 0, 10)
    assert (letter.reason, letter.response_body) == ("no attempts are left", "no")
    again = [new_task("deleted", now), new_task("purged", now), new_task("named", now)]
    assert all(
        isinstance(each, ServiceError) for each in await store.create_tasks(QUEUE, again, now)
    )
    due = (await store.claim_due("s", 10, {}, 100, now)).claims
    assert [claim.task.name for claim in due] == [f"{QUEUE}/tasks/flying"]
    await store.close()


async def test_new_ids_follow_those_that_were_imported(new_store, exported, tmp_path):
    target, ahead = new_store(), SystemClock().now() + 10 * DAY
    store = await open_store(target)
    await store.update_queue(OTHER, creation(Queue(OTHER)), ahead)
    await store.close()
    lines = all_lines(exported)
    (task,) = (each for each in values(exported, "task") if OTHER in each["task"]["name"])
    task["stored"]["seq"] = str(ahead * 1_000 + 1)
    task["task"]["name"] = f"{OTHER}/tasks/{task['stored']['seq']}"
    path = tmp_path / "ahead.jsonl"
    path.write_text("\n".join([lines[0], json.dumps(task), lines[-1]]) + "\n")
    jobs.import_file(str(path), target, ImportOptions())
    store = await open_store(target)
    (created,) = await store.create_tasks(OTHER, [new_task(None, ahead)], ahead)
    assert int(created.name.rpartition("/")[2]) > int(task["stored"]["seq"])
    await store.close()


async def test_a_task_whose_place_is_taken_keeps_its_name(filled, exported, tmp_path):
    copy = tmp_path / "renamed.jsonl"
    text = "".join(f"{line}\n" for line in all_lines(exported))
    copy.write_text(text.replace("queues/other", "queues/third"))
    jobs.import_file(str(copy), filled, ImportOptions(queues=["third"]))
    store = await open_store(filled)
    (original,) = (await store.list_tasks(OTHER, 0, 10, 1 << 20)).tasks
    name = original.name.replace("/other/", "/third/")
    imported = await store.get_task(name, SystemClock().now())
    assert imported.create_time == original.create_time
    assert message_of(imported.request) == message_of(original.request)
    await store.close()


async def test_queues_that_exist_are_refused_and_nothing_is_imported(new_store, exported):
    target = new_store()
    store = await open_store(target)
    await store.update_queue(OTHER, creation(Queue(OTHER)), SystemClock().now())
    await store.close()
    with pytest.raises(ImportRefusedError, match=f"these queues exist in the store: {OTHER}; add"):
        jobs.import_file(exported, target, ImportOptions())
    store = await open_store(target)
    with pytest.raises(ServiceError):
        await store.get_queue(QUEUE)
    await store.close()


async def test_tasks_are_added_to_queues_that_are_kept(new_store, exported):
    target = new_store()
    store = await open_store(target)
    await store.update_queue(OTHER, creation(Queue(OTHER)), SystemClock().now())
    await store.close()
    jobs.import_file(exported, target, ImportOptions(keep_existing=True))
    store = await open_store(target)
    assert (await store.get_queue(OTHER)).state is State.RUNNING
    assert len((await store.list_tasks(OTHER, 0, 10, 1 << 20)).tasks) == 1
    await store.close()


@pytest.mark.parametrize("kind", KINDS)
def test_an_import_that_is_complete_is_not_repeated_unless_it_is_to_begin_again(
    new_store, exported, kind
):
    target = new_store(kind)
    jobs.import_file(exported, target, ImportOptions())
    line = jobs.import_file(exported, target, ImportOptions())
    assert line == f"nothing to do: it was imported before ({FILLED}); --restart imports it again"
    options = ImportOptions(restart=True, keep_existing=True)
    assert jobs.import_file(exported, target, options).endswith("; 7 left out, whose names existed")


def test_queues_are_created_paused_on_request(new_store, exported, tmp_path):
    target, path = new_store(), str(tmp_path / "paused")
    jobs.import_file(exported, target, ImportOptions(paused=True))
    jobs.export(target, path, [])
    assert {each["queue"]["state"] for each in values(path, "queue")} == {"PAUSED"}


@pytest.mark.parametrize("pattern", ["q", QUEUE, "[q]"])
def test_only_selected_queues_are_moved(filled, exported, new_store, tmp_path, pattern):
    path, again, target = str(tmp_path / "part"), str(tmp_path / "again"), new_store()
    line = jobs.export(filled, path, [pattern])
    assert line == "exported 1 queue, 5 tasks, 1 dead letter, 4 reserved names, 1 KMS key"
    jobs.import_file(exported, target, ImportOptions(queues=[pattern]))
    jobs.export(target, again, [])
    assert content(path) == content(again)


def test_a_pattern_that_selects_no_queue_is_an_error(filled, exported, new_store, tmp_path):
    path = tmp_path / "none"
    with pytest.raises(SelectionError, match="--queue nope selects no queue"):
        jobs.export(filled, str(path), ["q", "nope"])
    assert not path.exists()
    with pytest.raises(SelectionError, match="--queue nope selects no queue"):
        jobs.import_file(exported, new_store(), ImportOptions(queues=["nope"]))


def test_a_name_with_gz_is_compressed_and_its_owner_alone_reads_it(filled, exported, tmp_path):
    path = tmp_path / "exported.jsonl.gz"
    jobs.export(filled, str(path), [])
    assert gzip.decompress(path.read_bytes()).decode().splitlines()[1:] == content(exported)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_encrypted_tasks_stay_encrypted_in_the_file(exported):
    (task,) = (each for each in values(exported, "task") if "sealed" in each["stored"])
    assert task["stored"]["sealed"]["kmsKey"] == KMS_KEY_NAME
    assert task["task"]["httpRequest"] == {"httpMethod": "POST", "url": "http://x/y?z=1"}


def test_a_file_is_not_overwritten(filled, exported):
    with pytest.raises(ExportFileError, match="exists; choose another name, or delete it"):
        jobs.export(filled, exported, [])


def test_a_part_that_a_stopped_export_has_left_is_replaced(filled, tmp_path):
    (tmp_path / "new.jsonl.part").write_text("left")
    jobs.export(filled, str(tmp_path / "new.jsonl"), [])
    assert not (tmp_path / "new.jsonl.part").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_that_does_not_exist_is_not_created_by_an_export(new_store, tmp_path, kind):
    with pytest.raises(StoreError, match="does not exist"):
        jobs.export(new_store(kind), str(tmp_path / "x"), [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["memory", "tasks.db"])
def test_only_stores_that_outlive_their_server_are_moved(exported, tmp_path, url):
    problem = f"{url} must be sqlite:PATH or postgresql://HOST/DATABASE"
    with pytest.raises(StoreError, match=problem):
        jobs.export(url, str(tmp_path / "x"), [])
    with pytest.raises(StoreError, match=problem):
        jobs.import_file(exported, url, ImportOptions())


HEADER = '{"drayman":"export","version":1,"id":"i","time":"t"}\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: the file ends here, before its end: its export was stopped"),
        ("x\n", "line 1: it is no JSON"),
        ("{}\n", "is no file of drayman export"),
        (
            HEADER.replace("1", "9"),
            "has version 9 of the format, this version of drayman knows 1; upgrade drayman",
        ),
        (HEADER, "line 2: the file ends here, before its end: its export was stopped"),
        (f'{HEADER}{{"x":1}}\n', "line 2: it is no record of this version"),
        (f'{HEADER}{{"queue":{{"name":"q"}}}}\n', "line 2: "),
        (f'{HEADER}{{"tombstone":{{}}}}\n', "line 2: KeyError: 'name'"),
        (f'{HEADER}{{"task":{{"name":"{QUEUE}/tasks/t","x":1}}}}\n', "line 2: "),
    ],
)
def test_what_is_wrong_with_a_file_is_named_with_its_line(new_store, tmp_path, text, problem):
    path = tmp_path / "wrong.jsonl"
    path.write_text(text)
    with pytest.raises(ExportFileError) as error:
        jobs.import_file(str(path), new_store(), ImportOptions())
    assert str(error.value).startswith(str(path))
    assert problem in str(error.value)


def test_a_damaged_compressed_file_is_named(new_store, tmp_path):
    path = tmp_path / "wrong.jsonl.gz"
    path.write_bytes(gzip.compress(HEADER.encode() * 1_000)[:60])
    with pytest.raises(ExportFileError, match="it cannot be read: "):
        jobs.import_file(str(path), new_store(), ImportOptions())


@pytest.mark.parametrize("kind", KINDS)
def test_an_import_that_was_stopped_continues_in_one_with_the_rest(
    new_store, exported, tmp_path, monkeypatch, capsys, kind
):
    monkeypatch.setattr(export_file, "BATCH_RECORDS", 2)
    lines, target = Path(exported).read_text().splitlines(keepends=True), new_store(kind)
    part = tmp_path / "part.jsonl"
    part.write_text("".join(lines[:8]))
    with pytest.raises(ExportFileError, match="its export was stopped"):
        jobs.import_file(str(part), target, ImportOptions())
    assert jobs.import_file(exported, target, ImportOptions()) == f"imported {FILLED}"
    assert "drayman: continuing after 7 records; imported before: 2 queues, 4 tasks" in (
        capsys.readouterr().err
    )
    jobs.export(target, str(tmp_path / "again"), [])
    assert content(tmp_path / "again") == content(exported)


@pytest.mark.parametrize("kind", KINDS)
async def test_tasks_of_the_same_place_or_of_none_keep_their_names(new_store, tmp_path, kind):
    now, importer = SystemClock().now(), Importer(new_store(kind), "i", ImportOptions(), CLOCK)
    names = [f"{QUEUE}/tasks/{each}" for each in ("a", "b", "c")]
    new = [
        StoredTask(Task(name, now, now, new_task(None, now).request), seq)
        for name, seq in zip(names, (7, 7, None), strict=True)
    ]
    importer.apply(Batch([Queue(QUEUE), *new, new[0]], 1))
    assert importer.progress.inserted["tasks"] == 3
    path = tmp_path / "exported"
    jobs.export(importer.url, str(path), [])
    assert [each["task"]["name"] for each in values(path, "task")] == names


def test_of_two_processes_with_the_same_import_one_is_refused(new_store):
    url = new_store()
    first, second = (Importer(url, "id", ImportOptions(), CLOCK) for _ in range(2))
    first.apply(Batch([Queue(QUEUE)], 1))
    with pytest.raises(ImportRefusedError, match="another process runs the same import"):
        second.apply(Batch([Queue(QUEUE)], 1))


def test_tasks_of_a_queue_that_is_nowhere_are_refused(new_store, exported, tmp_path):
    path = tmp_path / "lost.jsonl"
    path.write_text(
        "".join(
            f"{line}\n"
            for line in Path(exported).read_text().splitlines()
            if not line.startswith('{"queue"') and "policy" not in line
        )
    )
    with pytest.raises(ImportRefusedError, match="does not exist"):
        jobs.import_file(str(path), new_store(), ImportOptions())

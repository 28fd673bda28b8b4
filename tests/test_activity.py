"""The activity log: what is written of creations and deletions.

What is written of attempts is shown in ``tests/dispatch/test_dispatch_ledger.py``.
"""

import dataclasses
import json

import pytest

from drayman import activity
from drayman.core import errors
from drayman.core.batch import Batch
from drayman.core.clock import HOUR, SECOND
from drayman.core.limits import Limits
from drayman.core.queue import Queue
from drayman.store.sqlite.store import SqliteStore
from drayman.tasks_v2 import types
from drayman.wire import tasks
from drayman.wire.vault import Vault

QUEUE = "projects/p/locations/l/queues/mail"
NOW = 1_700_000_000 * SECOND
VAULT = Vault({"key": b"k" * 32})


class Written:
    """A store with a log, and what was written to it."""

    def __init__(self, store):
        self.lines = []
        self.inner = store
        self.store = activity.logged(store, VAULT, self.lines.append)

    def taken(self):
        """Return what was written since the last time."""
        entries = [json.loads(line) for line in self.lines]
        self.lines.clear()
        return entries

    async def queue(self, ratio):
        config = types.StackdriverLoggingConfig.pb()(sampling_ratio=ratio)
        settings = types.Queue.pb()(stackdriver_logging_config=config).SerializeToString()
        queue = Queue(QUEUE, settings=settings)
        await self.inner.update_queue(QUEUE, lambda _: queue, NOW, ignore_tombstone=True)


@pytest.fixture
async def written():
    store = await SqliteStore.open(":memory:", Limits(), NOW)
    written = Written(store)
    await written.queue(1.0)
    yield written
    await store.close()


def new(task_id="", url="https://a.example/", delay=0):
    message = types.Task.pb()(http_request={"url": url})
    if task_id:
        message.name = f"{QUEUE}/tasks/{task_id}"
    made = tasks.parse(QUEUE, message, NOW, Limits())
    return dataclasses.replace(made, schedule_time=NOW + delay)


def contents(entries):
    """Return the severity, the task and what is said of it, of each entry."""
    for entry in entries:
        payload = entry["jsonPayload"]
        (kind,) = payload.keys() - {"@type", "task"}
        yield entry["severity"], payload["task"].rpartition("/")[2], {kind: payload[kind]}


async def test_a_creation_and_a_deletion_have_the_shape_of_the_real_log(written):
    (created,) = await written.store.create_tasks(QUEUE, [new(delay=HOUR)], NOW)
    (entry,) = written.taken()
    assert entry == {
        "severity": "INFO",
        "timestamp": "2023-11-14T22:13:20Z",
        "logName": "projects/p/logs/cloudtasks.googleapis.com%2Ftask_operations_log",
        "resource": {
            "type": "cloud_tasks_queue",
            "labels": {"project_id": "p", "location": "l", "queue_id": "mail"},
        },
        "jsonPayload": {
            "@type": "type.googleapis.com/google.cloud.tasks.logging.v1.TaskActivityLog",
            "task": created.name,
            "taskCreationLog": {
                "scheduleTime": "2023-11-14T23:13:20Z",
                "status": "OK",
                "targetAddress": "POST https://a.example/",
                "targetType": "HTTP",
            },
        },
    }
    assert await written.store.delete_tasks([created.name], NOW) == [None]
    (entry,) = written.taken()
    assert entry["jsonPayload"]["task"] == created.name
    assert entry["jsonPayload"]["taskDeletionLog"] == {"status": "OK"}


async def test_a_password_in_a_url_is_not_written(written):
    await written.store.create_tasks(QUEUE, [new(url="https://u:secret@a.example/x")], NOW)
    ((_, _, content),) = contents(written.taken())
    assert content["taskCreationLog"]["targetAddress"] == "POST https://a.example/x"


async def test_what_was_refused_is_an_error(written):
    await written.store.create_tasks(QUEUE, [new("t"), new("t")], NOW)
    await written.store.delete_tasks([f"{QUEUE}/tasks/none"], NOW)
    assert list(contents(written.taken()))[1:] == [
        ("ERROR", "t", {"taskCreationLog": {"status": "ALREADY_EXISTS"}}),
        ("ERROR", "none", {"taskDeletionLog": {"status": "NOT_FOUND"}}),
    ]


async def test_a_batch_is_written_once(written):
    creation = Batch(f"projects/p/locations/l/operations/{'0' * 8}", b"same", NOW + HOUR)
    for _ in range(2):
        done = await written.store.create_batch(
            creation, QUEUE, [new("a"), new("b")], lambda _: b"done", NOW
        )
        assert done == b"done"
    deletion = Batch(f"projects/p/locations/l/operations/{'1' * 8}", b"same", NOW + HOUR)
    names = [f"{QUEUE}/tasks/a", f"{QUEUE}/tasks/b"]
    for _ in range(2):
        await written.store.delete_batch(deletion, names, lambda _: b"done", NOW)
    said = [(name, *content) for _, name, content in contents(written.taken())]
    assert said == [
        ("a", "taskCreationLog"),
        ("b", "taskCreationLog"),
        ("a", "taskDeletionLog"),
        ("b", "taskDeletionLog"),
    ]


async def test_the_sampling_ratio_picks(written):
    await written.queue(0.0)
    await written.store.create_tasks(QUEUE, [new() for _ in range(50)], NOW)
    assert written.taken() == []
    await written.queue(0.5)
    await written.store.create_tasks(QUEUE, [new() for _ in range(400)], NOW)
    assert 120 < len(written.taken()) < 280


async def test_an_encrypted_task_is_written_like_any_other_if_its_key_is_there(written):
    for key, vault in (("key", VAULT), ("lost", Vault({"lost": b"l" * 32}))):
        task = new(key)
        sealed = dataclasses.replace(task, request=vault.seal(key, task.request))
        await written.store.create_tasks(QUEUE, [sealed], NOW)
    found, lost = (content["taskCreationLog"] for *_, content in contents(written.taken()))
    assert found["targetAddress"] == "POST https://a.example/"
    assert lost == {"status": "OK"}


async def test_of_a_queue_that_is_not_there_nothing_is_written(written):
    missing = QUEUE.replace("mail", "none")
    (refused,) = await written.store.create_tasks(missing, [new()], NOW)
    assert isinstance(refused, errors.NotFound)
    assert written.taken() == []


async def test_a_deletion_is_done_although_its_queue_went_before_it_was_written(
    written, monkeypatch
):
    (created,) = await written.store.create_tasks(QUEUE, [new()], NOW)
    written.taken()

    async def gone(_):
        raise errors.queue_missing()

    monkeypatch.setattr(written.inner, "get_queue", gone)
    assert await written.store.delete_tasks([created.name], NOW) == [None]
    assert written.taken() == []


async def test_a_fault_of_the_log_is_not_the_callers(written, monkeypatch, caplog):
    async def broken(_):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(written.inner, "get_queue", broken)
    (created,) = await written.store.create_tasks(QUEUE, [new()], NOW)
    assert await written.store.delete_tasks([created.name], NOW) == [None]
    assert caplog.text.count("could not be written") == 2

"""The activity log: entries of creations and deletions, sampling, and what may go wrong.

Entries of attempts are tested in ``tests/dispatch/test_dispatch_ledger.py``.
"""

import asyncio
import json

import pytest

from drayman.core import errors
from drayman.core.clock import HOUR, SECOND
from drayman.core.events import QueueAction, QueueChanged, TasksCreated, TasksDeleted
from drayman.core.limits import TaskLimits
from drayman.core.queue import Queue
from drayman.core.task import Task
from drayman.encryption.cipher import TaskCipher
from drayman.observe import activity_log
from drayman.observe.activity_log import ActivityLog
from drayman.tasks_v2 import types
from drayman.wire import tasks

QUEUE = "projects/p/locations/l/queues/mail"
NOW = 1_700_000_000 * SECOND
CIPHER = TaskCipher({"key": b"k" * 32})


class Recorded:
    """An activity log, the queues that it looks up, and the lines that it wrote."""

    def __init__(self):
        self.lines = []
        self.queues = {}
        self.lookups = []
        self.error = None
        self.proceed = asyncio.Event()
        self.proceed.set()
        self.accepts = True
        self.log = ActivityLog(self.get_queue, CIPHER, self.write)

    async def get_queue(self, name):
        self.lookups.append(name)
        await self.proceed.wait()
        if self.error:
            raise self.error
        if name not in self.queues:
            raise errors.queue_missing()
        return self.queues[name]

    def write(self, line):
        if self.accepts:
            self.lines.append(line)
        return self.accepts

    def set_ratio(self, ratio, name=QUEUE):
        config = types.StackdriverLoggingConfig.pb()(sampling_ratio=ratio)
        settings = types.Queue.pb()(stackdriver_logging_config=config).SerializeToString()
        self.queues[name] = Queue(name, settings=settings)
        self.log.record(QueueChanged(name, QueueAction.UPDATED, NOW))

    async def entries(self, *events):
        """Return the entries that events have."""
        for event in events:
            self.log.record(event)
        await self.log.drain()
        entries = [json.loads(line) for line in self.lines]
        self.lines.clear()
        return entries


@pytest.fixture
async def recorded():
    recorded = Recorded()
    recorded.set_ratio(1.0)
    yield recorded
    recorded.proceed.set()
    await recorded.log.close()


def task(task_id="t", url="https://a.example/", delay=0, key=None):
    message = types.Task.pb()(http_request={"url": url})
    request = tasks.parse(QUEUE, message, NOW, TaskLimits()).request
    if key:
        request = TaskCipher({key: b"k" * 32}).seal(key, request)
    return Task(f"{QUEUE}/tasks/{task_id}", NOW, NOW + delay, request)


def created(*results, names=None, queue=QUEUE, time=NOW):
    requested = names or [result.name for result in results]
    return TasksCreated(queue, requested, results, time)


def deleted(task_id, error=None, time=NOW):
    return TasksDeleted(QUEUE, [f"{QUEUE}/tasks/{task_id}"], [error], time)


def contents(entries):
    """Return the severity, the task's id and the content of each entry."""
    for entry in entries:
        payload = entry["jsonPayload"]
        (kind,) = payload.keys() - {"@type", "task"}
        yield entry["severity"], payload["task"].rpartition("/")[2], {kind: payload[kind]}


async def test_a_creation_and_a_deletion_have_the_shape_of_the_real_log(recorded):
    creation, deletion = await recorded.entries(created(task("t", delay=HOUR)), deleted("t"))
    assert creation == {
        "severity": "INFO",
        "timestamp": "2023-11-14T22:13:20Z",
        "logName": "projects/p/logs/cloudtasks.googleapis.com%2Ftask_operations_log",
        "resource": {
            "type": "cloud_tasks_queue",
            "labels": {"project_id": "p", "location": "l", "queue_id": "mail"},
        },
        "jsonPayload": {
            "@type": "type.googleapis.com/google.cloud.tasks.logging.v1.TaskActivityLog",
            "task": f"{QUEUE}/tasks/t",
            "taskCreationLog": {
                "scheduleTime": "2023-11-14T23:13:20Z",
                "status": "OK",
                "targetAddress": "POST https://a.example/",
                "targetType": "HTTP",
            },
        },
    }
    assert deletion["jsonPayload"]["task"] == f"{QUEUE}/tasks/t"
    assert deletion["jsonPayload"]["taskDeletionLog"] == {"status": "OK"}


async def test_a_generated_name_is_that_of_the_stored_task(recorded):
    (entry,) = await recorded.entries(created(task("123"), names=[""]))
    assert entry["jsonPayload"]["task"] == f"{QUEUE}/tasks/123"


async def test_a_password_in_a_url_is_not_written(recorded):
    entries = await recorded.entries(created(task(url="https://u:secret@a.example/x")))
    ((_, _, content),) = contents(entries)
    assert content["taskCreationLog"]["targetAddress"] == "POST https://a.example/x"


async def test_a_refused_operation_has_an_entry_of_severity_error(recorded):
    entries = await recorded.entries(
        created(task("t"), errors.task_exists(), names=[f"{QUEUE}/tasks/t"] * 2),
        deleted("none", errors.entity_missing()),
    )
    assert list(contents(entries))[1:] == [
        ("ERROR", "t", {"taskCreationLog": {"status": "ALREADY_EXISTS"}}),
        ("ERROR", "none", {"taskDeletionLog": {"status": "NOT_FOUND"}}),
    ]


async def test_entries_follow_the_order_of_the_events(recorded):
    recorded.proceed.clear()  # the first event waits for its queue, the others wait behind it
    other = QUEUE.replace("mail", "other")
    recorded.set_ratio(1.0, other)
    foreign = task("b")._replace(name=f"{other}/tasks/b")
    for event in (created(task("a"), task("c")), created(foreign, queue=other), deleted("a")):
        recorded.log.record(event)
    recorded.proceed.set()
    written = [(name, *content) for _, name, content in contents(await recorded.entries())]
    assert written == [
        ("a", "taskCreationLog"),
        ("c", "taskCreationLog"),
        ("b", "taskCreationLog"),
        ("a", "taskDeletionLog"),
    ]


async def test_the_sampling_ratio_selects_tasks(recorded):
    many = created(*(task(str(number)) for number in range(400)))
    recorded.set_ratio(0.0)
    assert await recorded.entries(many) == []
    recorded.set_ratio(0.5)
    creations = await recorded.entries(many)
    assert 120 < len(creations) < 280
    deletions = await recorded.entries(*(deleted(str(number)) for number in range(400)))
    of_creations, of_deletions = (
        [entry["jsonPayload"]["task"] for entry in entries] for entries in (creations, deletions)
    )
    assert of_creations == of_deletions


async def test_an_encrypted_task_has_a_full_entry_if_its_key_is_available(recorded):
    entries = await recorded.entries(created(task(key="key"), task(key="lost")))
    available, lost = (content["taskCreationLog"] for *_, content in contents(entries))
    assert available["targetAddress"] == "POST https://a.example/"
    assert lost == {"status": "OK"}


async def test_a_queue_that_does_not_exist_has_no_entries(recorded):
    name = QUEUE.replace("mail", "none")
    refused = created(errors.queue_missing(), names=[""], queue=name)
    assert await recorded.entries(refused) == []
    assert recorded.log.dropped == 0


async def test_a_queue_is_looked_up_once_in_five_seconds(recorded):
    await recorded.entries(*[created(task())] * 3)
    assert recorded.lookups == [QUEUE]
    await recorded.entries(created(task(), time=NOW + activity_log.QUEUE_TTL - 1))
    assert recorded.lookups == [QUEUE]
    await recorded.entries(created(task(), time=NOW + activity_log.QUEUE_TTL))
    assert recorded.lookups == [QUEUE] * 2


async def test_the_cache_of_queues_is_bounded(recorded, monkeypatch):
    monkeypatch.setattr(activity_log, "QUEUES", 1)
    other = QUEUE.replace("mail", "other")
    for queue in (QUEUE, other, QUEUE):
        await recorded.entries(created(task(), queue=queue))
    assert recorded.lookups == [QUEUE, other, QUEUE]


async def test_a_deletion_after_that_of_its_queue_has_no_entry(recorded):
    assert len(await recorded.entries(created(task("t")))) == 1
    del recorded.queues[QUEUE]
    gone = QueueChanged(QUEUE, QueueAction.DELETED, NOW)
    assert await recorded.entries(gone, deleted("t")) == []


async def test_an_internal_error_of_the_log_is_logged_and_the_log_goes_on(recorded, caplog):
    recorded.error = RuntimeError("a fault of ours")
    assert await recorded.entries(created(task()), deleted("t")) == []
    assert caplog.text.count("internal error, an event is dropped") == 2
    assert recorded.log.dropped == 2
    recorded.error = None
    assert len(await recorded.entries(created(task()))) == 1


async def test_a_store_that_cannot_be_read_costs_the_entries(recorded, caplog):
    recorded.error = errors.Unavailable("the disk does not answer")
    assert await recorded.entries(created(task()), deleted("t")) == []
    assert caplog.text.count("entries are dropped: the disk does not answer") == 1
    assert recorded.log.dropped == 2


async def test_events_beyond_the_buffer_are_dropped_and_counted(recorded, monkeypatch, caplog):
    batch = created(*(task(str(number)) for number in range(100)))
    monkeypatch.setattr(activity_log, "BUFFER_BYTES", 1)  # full with one event, of whatever size
    await recorded.log.drain()
    recorded.proceed.clear()
    for _ in range(3):
        recorded.log.record(batch)
    recorded.proceed.set()
    assert len(await recorded.entries()) == 100
    assert recorded.log.dropped == 200
    assert caplog.text.count("entries are dropped: the buffer is full") == 1
    assert len(await recorded.entries(batch)) == 100  # there is room again


async def test_the_log_warns_once_that_nobody_reads_it_and_counts_at_the_end(recorded, caplog):
    recorded.accepts = False
    await recorded.entries(*[created(task())] * 10)
    assert caplog.text.count("entries are dropped: standard output is not read") == 1
    await recorded.log.close()
    assert "activity log: 10 entries dropped" in caplog.text

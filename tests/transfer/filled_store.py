"""A store with one of everything that an export has."""

from world import LOCATION, attempt_result

from drayman.core.clock import DAY, MINUTE, SECOND, SystemClock
from drayman.core.document import KMS_KEY, Document
from drayman.core.lifecycle import Verdict
from drayman.core.limits import Limits, QueueLimits
from drayman.core.queue import Queue, State, creation, replacement
from drayman.core.task import NewTask
from drayman.encryption.cipher import TaskCipher
from drayman.store import opening
from drayman.tasks_v2 import types
from drayman.wire import policies, queues, tasks

QUEUE, OTHER = f"{LOCATION}/queues/q", f"{LOCATION}/queues/other"
KMS_KEY_NAME = f"{LOCATION}/keyRings/r/cryptoKeys/k"
KEYS = {KMS_KEY_NAME: b"k" * 32}
TOMBSTONE = DAY


def new_task(task_id=None, now=0, after=0, body=b"body", **fields):
    message = types.Task.pb()(
        name=f"{QUEUE}/tasks/{task_id}" if task_id else "",
        http_request={"url": "http://x/y?z=1", "body": body, "headers": {"b": "1", "a": "2"}},
        **fields,
    )
    parsed = tasks.parse(QUEUE, message, now, Limits().task)
    return parsed._replace(schedule_time=now + after)


def new_queue():
    message = types.Queue.pb()(
        name=QUEUE,
        rate_limits={"max_dispatches_per_second": 12.5, "max_concurrent_dispatches": 7},
        retry_config={"max_attempts": 2, "min_backoff": {"nanos": 100_000_001}},
        http_target={"header_overrides": [{"header": {"key": "k", "value": "v"}}]},
        stackdriver_logging_config={"sampling_ratio": 0.3},
        app_engine_routing_override={"service": "s"},
    )
    return queues.parse(message, QUEUE, QueueLimits())


def policy():
    message = policies.render(b"")
    message.ClearField("etag")
    message.bindings.add(role="roles/cloudtasks.viewer", members=["user:a@example.com"])
    return policies.replace(b"", message)


async def open_store(url, server="server"):
    return await opening.open_store(url, Limits(), SystemClock(), server=server, safe=True)


async def fill(url):
    """Fill a new store; return the names of its tasks."""
    store, now = await open_store(url), SystemClock().now()
    try:
        await _fill(store, now)
        page = await store.list_tasks(QUEUE, 0, 100, 1 << 30)
        return [task.name for task in page.tasks]
    finally:
        await store.close()


async def _fill(store, now):
    queue = new_queue()
    await store.update_queue(QUEUE, creation(queue), now)
    await store.create_tasks(QUEUE, [new_task("purged", now), new_task("replaced", now)], now)
    await store.purge_queue(QUEUE, now)
    await store.update_queue(QUEUE, replacement(policy=policy()), now)
    await store.update_queue(OTHER, creation(Queue(OTHER, state=State.PAUSED)), now)
    await store.create_tasks(QUEUE, [new_task("deleted", now, after=DAY)], now)
    await store.delete_tasks([f"{QUEUE}/tasks/deleted"], now)
    await _attempt(store, now)
    sealed = TaskCipher(KEYS).seal(KMS_KEY_NAME, new_task("sealed", now).request)
    new = [
        new_task("named", now, after=DAY, dispatch_deadline={"seconds": 20}),
        new_task(None, now, after=MINUTE, retry_config={"max_attempts": 9}),
        NewTask("sealed", now + DAY, sealed),
    ]
    await store.create_tasks(QUEUE, new, now + SECOND)
    app_engine = types.Task.pb()(app_engine_http_request={"relative_uri": "/a", "body": b"\xff\0"})
    parsed = tasks.parse(OTHER, app_engine, now, Limits().task)
    await store.create_tasks(OTHER, [parsed], now)
    await store.put_document(Document(KMS_KEY, LOCATION, KMS_KEY_NAME.encode()))


async def _attempt(store, now):
    """Let a task be retried, one fail for good, and leave one in flight."""
    ids = ["retried", "failed", "flying"]
    await store.create_tasks(QUEUE, [new_task(each, now) for each in ids], now)
    claims = (await store.claim_due("server", 3, {}, 100, now)).claims
    by_id = {claim.task.name.rpartition("/")[2]: claim for claim in claims}
    failed = {"reason": "no attempts are left", "response_body": "no"}
    results = [
        attempt_result(by_id["retried"], Verdict.RETRY, now, schedule_time=now + DAY),
        attempt_result(by_id["failed"], Verdict.FAILED, now, **failed),
    ]
    results = [each._replace(end_time=now + SECOND) for each in results]
    await store.settle(results, now + SECOND)

"""What happens to tasks as lines of JSON, in the shape of the real service's log.

Google logs four operations: CreateTask, DeleteTask, AttemptDispatch and AttemptResponse, a part
of them by the queue's sampling ratio (section 5.3 of the notes on the service). Attempts are
heard of as events; creations and deletions pass through ``logged``, the store that the API is
given when the log is asked for, so that nothing is spent on them when it is not.
"""

import contextlib
import json
import logging
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar, cast

from drayman.core import delivery
from drayman.core.batch import Batch
from drayman.core.clock import SECOND, Micros
from drayman.core.delivery import Kind
from drayman.core.errors import ServiceError
from drayman.core.events import AttemptBegan, AttemptEnded, Event
from drayman.core.history import AttemptRecord, is_sampled
from drayman.core.lifecycle import Claim, as_it_came
from drayman.core.queue import Queue
from drayman.core.task import NewTask, Task
from drayman.lines import Lines
from drayman.store.contract import Store
from drayman.wire import deliveries, times
from drayman.wire.vault import Vault

_TYPE = "type.googleapis.com/google.cloud.tasks.logging.v1.TaskActivityLog"
_TYPES = {Kind.HTTP: "HTTP", Kind.APP_ENGINE: "APP_ENGINE_HTTP"}

Write = Callable[[str], object]
_log = logging.getLogger("drayman")
_Result = TypeVar("_Result")
_Picked = tuple[Queue, str, _Result]


class Log:
    """The log's way out; says once that it is not read, and at the end how much was left out."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def write(self, line: str) -> None:
        """Write a line some time, if there is room for it."""
        first = not self._lines.left_out
        if not self._lines.write(line) and first:
            _log.warning("activity log: standard output is not read; lines are left out")

    async def close(self) -> None:
        """Give what waits a moment to be written."""
        await self._lines.close()
        if self._lines.left_out:
            _log.warning("activity log: %d lines were left out", self._lines.left_out)


def logged(store: Store, vault: Vault, write: Write) -> Store:
    """Return a store that writes its creations and deletions of tasks to the log."""
    return cast(Store, _Logged(store, vault, write))


class _Logged:
    """A store that writes its creations and deletions of tasks to the log.

    To log is never to fail: what the store has done is done. All other verbs are the store's.
    """

    def __init__(self, store: Store, vault: Vault, write: Write) -> None:
        self._store = store
        self._vault = vault
        self._write = write

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._store, verb)

    async def create_tasks(
        self, queue: str, tasks: Sequence[NewTask], now: Micros
    ) -> list[Task | ServiceError]:
        """Create tasks, each on its own."""
        results = await self._store.create_tasks(queue, tasks, now)
        await self._created(_named(queue, tasks), results, now)
        return results

    async def create_batch(
        self,
        batch: Batch,
        queue: str,
        tasks: Sequence[NewTask],
        describe: Callable[[list[Task | ServiceError]], bytes],
        now: Micros,
    ) -> bytes:
        """Create the tasks of a batch, once."""
        seen = _Seen(describe)
        done = await self._store.create_batch(batch, queue, tasks, seen, now)
        await self._created(_named(queue, tasks), seen.results, now)
        return done

    async def replay_dead(self, names: Sequence[str], now: Micros) -> list[Task | ServiceError]:
        """Make tasks of dead letters again."""
        results = await self._store.replay_dead(names, now)
        await self._created(names, results, now)
        return results

    async def delete_tasks(self, names: Sequence[str], now: Micros) -> list[ServiceError | None]:
        """Delete tasks, each on its own."""
        results = await self._store.delete_tasks(names, now)
        await self._deleted(names, results, now)
        return results

    async def delete_batch(
        self,
        batch: Batch,
        names: Sequence[str],
        describe: Callable[[list[ServiceError | None]], bytes],
        now: Micros,
    ) -> bytes:
        """Delete the tasks of a batch, once."""
        seen = _Seen(describe)
        done = await self._store.delete_batch(batch, names, seen, now)
        await self._deleted(names, seen.results, now)
        return done

    async def _created(
        self, names: Sequence[str], results: Sequence[Task | ServiceError], now: Micros
    ) -> None:
        try:
            await self._say_created(names, results, now)
        except Exception:  # noqa: BLE001 - what the store has done is done
            _log.exception("activity log: a creation could not be written")

    async def _say_created(
        self, names: Sequence[str], results: Sequence[Task | ServiceError], now: Micros
    ) -> None:
        pairs = zip(names, results, strict=False)  # a batch that is there already has no results
        for owner, name, result in await self._picked(pairs):
            content = {"status": _status(result)}
            if isinstance(result, Task):
                with contextlib.suppress(ServiceError):  # its encryption key is missing
                    target = deliveries.open_(owner, self._vault.opened(result)).target
                    content = {
                        "scheduleTime": times.text(result.schedule_time),
                        "status": "OK",
                        "targetAddress": delivery.address(target),
                        "targetType": _TYPES[target.kind],
                    }
            self._say(name, now, "taskCreationLog", content)

    async def _deleted(
        self, names: Sequence[str], results: Sequence[ServiceError | None], now: Micros
    ) -> None:
        try:
            for _, name, result in await self._picked(zip(names, results, strict=False)):
                self._say(name, now, "taskDeletionLog", {"status": _status(result)})
        except Exception:  # noqa: BLE001 - what the store has done is done
            _log.exception("activity log: a deletion could not be written")

    async def _picked(self, pairs: Iterable[tuple[str, _Result]]) -> list[_Picked[_Result]]:
        """Return what the queues' sampling ratios pick of some tasks and what became of them."""
        queues: dict[str, Queue | None] = {}
        picked = []
        for name, result in pairs:
            full = result.name if isinstance(result, Task) else name
            queue_name, _, _ = full.rpartition("/tasks/")
            if queue_name not in queues:
                queues[queue_name] = await self._queue(queue_name)
            owner = queues[queue_name]
            if owner is not None:
                ratio = deliveries.sampling_ratio(owner)
                if is_sampled(zlib.crc32(full.encode()), ratio):
                    picked.append((owner, full, result))
        return picked

    async def _queue(self, name: str) -> Queue | None:
        try:
            return await self._store.get_queue(name)
        except ServiceError:  # deleted meanwhile, or the store is closing
            return None

    def _say(self, task: str, now: Micros, kind: str, content: dict[str, Any]) -> None:
        self._write(_line(_entry(task, now, kind, content)))


class _Seen(Generic[_Result]):
    """What describes a batch, and the results it was given."""

    def __init__(self, describe: Callable[[list[_Result]], bytes]) -> None:
        self._describe = describe
        self.results: list[_Result] = []

    def __call__(self, results: list[_Result]) -> bytes:
        self.results = results
        return self._describe(results)


def _named(queue: str, tasks: Sequence[NewTask]) -> list[str]:
    return [f"{queue}/tasks/{task.id or ''}" for task in tasks]


def _status(result: object) -> str:
    return result.code.name if isinstance(result, ServiceError) else "OK"


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, separators=(",", ":")) + "\n"


def subscriber(write: Write) -> Callable[[Event], None]:
    """Return a subscriber that writes a line when a picked attempt begins, and one at its end."""

    def log(event: Event) -> None:
        if isinstance(event, AttemptBegan):
            write(_line(began(event)))
        elif isinstance(event, AttemptEnded) and event.sampled and event.settlement.record:
            write(_line(ended(event, as_it_came(event.settlement.record, event.fate))))

    return log


def began(event: AttemptBegan) -> dict[str, Any]:
    """Return the log entry of an attempt that begins."""
    task = event.claim.task
    content = {
        "dispatchCount": str(task.dispatch_count - 1),
        "dispatchReason": _reason(event.claim),
        "maxAttempts": event.max_attempts,
        "scheduleTime": times.text(event.claim.due),
        "status": "OK",
        "targetAddress": event.target,
        "targetType": _TYPES[event.kind],
    }
    return _entry(task.name, event.time, "attemptDispatchLog", content)


def ended(event: AttemptEnded, record: AttemptRecord) -> dict[str, Any]:
    """Return the log entry of an attempt that ended."""
    content = {
        "attemptDuration": f"{event.duration / SECOND:.6f}s",
        "dispatchCount": str(record.number),
        "maxAttempts": event.max_attempts,
        "responseCount": str(record.responses),
        "scheduleTime": times.text(record.schedule_time),
        "status": record.code.name,
        "targetAddress": record.target,
        "targetType": _TYPES[event.kind],
    }
    if record.retry_time is not None:
        content["retryTime"] = times.text(record.retry_time)
    return _entry(record.task, record.response_time, "attemptResponseLog", content)


def _reason(claim: Claim) -> str:
    """Return why an attempt is made; the real service's words are not known."""
    if claim.forced_at is not None:
        return "RUN_TASK"
    return "SCHEDULE" if claim.task.dispatch_count == 1 else "RETRY"


def _entry(task: str, time: Micros, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    _, project, _, location, _, queue, _, _ = task.split("/")
    return {
        "severity": "INFO" if content["status"] == "OK" else "ERROR",
        "timestamp": times.text(time),
        "logName": f"projects/{project}/logs/cloudtasks.googleapis.com%2Ftask_operations_log",
        "resource": {
            "type": "cloud_tasks_queue",
            "labels": {"project_id": project, "location": location, "queue_id": queue},
        },
        "jsonPayload": {"@type": _TYPE, "task": task, kind: content},
    }

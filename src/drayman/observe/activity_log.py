"""The activity log: a subscriber that writes sampled task operations as lines of JSON.

The sampling ratio of a creation or deletion is a setting of the queue, which has to be looked up.
So events are buffered, and a worker coroutine looks queues up and writes the entries in the order
of the events. Neither a full buffer nor a failure of the log affects what emitted the event.
"""

import asyncio
import functools
import json
import logging
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from drayman.core.clock import SECOND, Micros
from drayman.core.errors import NotFound, ServiceError
from drayman.core.events import (
    AttemptBegan,
    AttemptEnded,
    Event,
    QueueChanged,
    TasksCreated,
    TasksDeleted,
)
from drayman.core.history import is_sampled
from drayman.core.lifecycle import AttemptResult
from drayman.core.names import join_task
from drayman.core.queue import Queue
from drayman.core.task import Task
from drayman.encryption.cipher import TaskCipher
from drayman.observe import activity_entries
from drayman.observe.writer import Write
from drayman.wire import deliveries

BUFFER_BYTES = 64 << 20
"""Memory of buffered events from which on further events are dropped."""
QUEUE_TTL: Micros = 5 * SECOND
"""How long a queue is cached. A change made by this server takes effect at once."""
QUEUES = 1_000
"""The most queues in the cache."""

_TASK_BYTES = 1 << 10
"""Memory that a task takes in a buffered event, apart from its request."""

_log = logging.getLogger("drayman")


class ActivityLog:
    """Writes an entry for each creation, deletion and attempt that its queue's ratio samples.

    Attributes:
        dropped: How many entries were dropped; those of dropped events count as if all of them
            had been sampled.
    """

    def __init__(
        self,
        get_queue: Callable[[str], Awaitable[Queue]],
        cipher: TaskCipher,
        write: Write,
        *,
        mask_queries: bool = False,
    ) -> None:
        """Start the worker in the running event loop.

        Args:
            get_queue: Returns a queue by its name. NotFound.
            cipher: The keys of encrypted tasks.
            write: Writes a line.
            mask_queries: Whether entries leave out the queries of URLs.
        """
        self.dropped = 0
        self._get_queue = get_queue
        self._created = functools.partial(
            activity_entries.created, cipher=cipher, mask_query=mask_queries
        )
        self._write_line = write
        self._events: asyncio.Queue[tuple[Event, int]] = asyncio.Queue()
        self._buffered_bytes = 0
        self._queues: dict[str, tuple[Queue | None, Micros]] = {}
        self._worker = asyncio.get_running_loop().create_task(self._run())

    def record(self, event: Event) -> None:
        """Buffer an event that may have entries; drop it if the buffer is full."""
        size = _size(event)
        if size and self._buffered_bytes >= BUFFER_BYTES:
            self._drop(_entry_count(event), "the buffer is full")
        elif size:
            self._buffered_bytes += size
            self._events.put_nowait((event, size))

    async def drain(self) -> None:
        """Return when the entries of all buffered events are written."""
        await self._events.join()

    async def close(self) -> None:
        """Write the entries of all buffered events, then stop; log how many were dropped."""
        await self.drain()
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)
        if self.dropped:
            _log.warning("activity log: %d entries dropped", self.dropped)

    async def _run(self) -> None:
        while True:
            await self._write_next()

    async def _write_next(self) -> None:
        event, size = await self._events.get()
        try:
            await self._write(event)
        except ServiceError as error:
            self._drop(_entry_count(event), error.message)
        except Exception:  # noqa: BLE001 - logged with its trace; the log goes on
            _log.exception("activity log: internal error, an event is dropped")
            self.dropped += _entry_count(event)
        self._buffered_bytes -= size
        self._events.task_done()

    async def _write(self, event: Event) -> None:
        match event:
            case QueueChanged():
                self._queues.pop(event.queue, None)
            case TasksCreated():
                if queue := await self._queue(event.queue, event.time):
                    self._write_entries(self._creations(event, queue))
            case TasksDeleted():
                if queue := await self._queue(event.queue, event.time):
                    self._write_entries(_deletions(event, queue))
            case AttemptBegan():
                self._write_entries([activity_entries.attempt_began(event)])
            case AttemptEnded(result=AttemptResult(sampled=True)):
                self._write_entries([activity_entries.attempt_ended(event)])

    def _write_entries(self, entries: Iterable[dict[str, Any]]) -> None:
        for entry in entries:
            if not self._write_line(json.dumps(entry, separators=(",", ":")) + "\n"):
                self._drop(1, "standard output is not read")

    async def _queue(self, name: str, now: Micros) -> Queue | None:
        """Return a queue, from the cache while it is fresh, or None if it does not exist."""
        queue, expire_time = self._queues.get(name, (None, 0))
        if now < expire_time:
            return queue
        try:
            queue = await self._get_queue(name)
        except NotFound:
            queue = None
        if len(self._queues) >= QUEUES:
            self._queues.clear()
        self._queues[name] = queue, now + QUEUE_TTL
        return queue

    def _creations(self, event: TasksCreated, queue: Queue) -> Iterator[dict[str, Any]]:
        """Yield the entries of the sampled tasks."""
        for requested, result in zip(event.names, event.results, strict=True):
            own = result.name if isinstance(result, Task) else requested
            name = own or join_task(queue.name, "")
            if _is_sampled(name, queue):
                yield self._created(queue, name, result, event.time)

    def _drop(self, count: int, reason: str) -> None:
        """Count dropped entries; log a warning at the first."""
        if count and not self.dropped:
            _log.warning("activity log: entries are dropped: %s", reason)
        self.dropped += count


def _deletions(event: TasksDeleted, queue: Queue) -> Iterator[dict[str, Any]]:
    """Yield the entries of the sampled tasks."""
    for name, result in zip(event.names, event.results, strict=True):
        if _is_sampled(name, queue):
            yield activity_entries.deleted(name, result, event.time)


def _is_sampled(name: str, queue: Queue) -> bool:
    """Return whether the queue's sampling ratio selects a task: by its name, so always or never."""
    return is_sampled(zlib.crc32(name.encode()), deliveries.sampling_ratio(queue))


def _size(event: Event) -> int:
    """Return about how many bytes of memory an event holds, 0 if the log has no use for it."""
    match event:
        case TasksCreated():
            return sum(map(_result_size, event.results))
        case TasksDeleted():
            return _TASK_BYTES * len(event.names)
        case (
            AttemptBegan(claim=claim)
            | AttemptEnded(result=AttemptResult(claim=claim, sampled=True))
        ):
            return _TASK_BYTES + len(claim.task.request)
        case QueueChanged():
            return _TASK_BYTES
        case _:
            return 0


def _result_size(result: Task | ServiceError) -> int:
    return _TASK_BYTES + (len(result.request) if isinstance(result, Task) else 0)


def _entry_count(event: Event) -> int:
    """Return how many entries an event has when all of them are sampled."""
    match event:
        case TasksCreated() | TasksDeleted():
            return len(event.names)
        case AttemptBegan() | AttemptEnded(result=AttemptResult(sampled=True)):
            return 1
        case _:
            return 0

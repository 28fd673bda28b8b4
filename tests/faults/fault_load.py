"""Load on a fleet: creations through every server at a steady rate, and a record of each call."""

import contextlib
import itertools
import threading
from typing import NamedTuple

from fault_fleet import QUEUES, SERVERS, clock, until
from google.api_core import exceptions
from google.protobuf import timestamp_pb2
from google.rpc import error_details_pb2

from drayman.core.clock import HOUR, SECOND
from processes import LOCATION

INTERVAL = 0.1
"""Seconds between two creations of a creator."""
CREATORS = 2
"""The number of creators for each server."""
TIMEOUT = 20
"""Seconds after which a caller gives up: no call to a server that runs takes that long."""


class Call(NamedTuple):
    """A call that has ended.

    Attributes:
        method: ``create`` or ``delete``.
        server: The index of the server.
        queue: The id of the queue.
        task: The id of the task; None if it was not returned.
        began: When the call was made.
        ended: When it returned.
        error: Its error, None for success.
    """

    method: str
    server: int
    queue: str
    task: str | None
    began: int
    ended: int
    error: exceptions.GoogleAPICallError | None

    @property
    def has_hint(self):
        """Whether its error says when to retry."""
        return any(isinstance(each, error_details_pb2.RetryInfo) for each in self.error.details)


class Load:
    """Creators in threads of their own; a context manager, whose end stops them.

    Attributes:
        calls: The calls that have ended, in order.
    """

    def __init__(self, fleet):
        self.calls = []
        self._fleet = fleet
        self._stopping = threading.Event()
        self._numbers = itertools.count(clock.now())
        self._threads = [
            threading.Thread(target=self._create_all, args=[index], daemon=True)
            for index in range(SERVERS)
            for _ in range(CREATORS)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def acknowledged(self, method="create"):
        """Return the successful calls of a method."""
        return [call for call in self.calls if call.method == method and call.error is None]

    def refused(self):
        """Return the calls that failed."""
        return [call for call in self.calls if call.error is not None]

    def until_refused(self, indexes, count=3):
        """Wait until servers have refused some calls that are made from now on."""
        self._until(indexes, count, self.refused)

    def until_acknowledged(self, indexes, count=5):
        """Wait until servers have acknowledged some creations that are made from now on."""
        self._until(indexes, count, self.acknowledged)

    def until_delivered(self, count=20):
        """Wait until the target has responded to some more requests."""
        before = len(self._fleet.target.exchanges)
        until(lambda: len(self._fleet.target.exchanges) >= before + count, "deliveries")

    def recovered(self, before, ended):
        """Return when the load is back at its rate after the end of a fault, None if not yet.

        It is the start of the first second in which calls and deliveries have four fifths of
        their rates of the two seconds before a time.
        """
        created = [call.ended for call in self.acknowledged()]
        delivered = [each.began for each in self._fleet.target.exchanges]
        starts = [
            _first_second(times, ended, 0.8 * _rate_before(times, before))
            for times in (created, delivered)
        ]
        return None if None in starts else max(starts)

    def _until(self, indexes, count, listed):
        start = clock.now()
        for index in indexes:
            until(
                lambda index=index: sum(
                    call.server == index and call.began >= start for call in listed()
                ) >= count,
                f"{listed.__name__} by server {index}",
            )  # fmt: skip

    def _create_all(self, index):
        queues = itertools.cycle(QUEUES)
        while not self._stopping.wait(INTERVAL):
            if index in self._fleet.alive:
                self._create(index, next(queues))

    def _create(self, index, queue):
        parent, number = f"{LOCATION}/queues/{queue}", next(self._numbers)
        task = {"http_request": {"url": f"{self._fleet.target.url}/{queue}"}}
        task_id = f"t-{number}" if queue == "named" else None
        if task_id:
            task["name"] = f"{parent}/tasks/{task_id}"
        if queue == "later":
            task["schedule_time"] = timestamp_pb2.Timestamp(seconds=(clock.now() + HOUR) // SECOND)
        name = self._call("create", index, queue, task_id, {"parent": parent, "task": task})
        if queue == "later" and name and number % 2:
            task_id = name.rpartition("/")[2]
            self._call("delete", index, queue, task_id, {"name": name})

    def _call(self, method, index, queue, task_id, request):
        """Make a call and record it; return the name of the task that it created."""
        client, began, error, created = self._fleet.clients[index], clock.now(), None, None
        call = client.create_task if method == "create" else client.delete_task
        with contextlib.suppress(exceptions.GoogleAPICallError):
            try:
                created = call(request=request, retry=None, timeout=TIMEOUT)
            except exceptions.GoogleAPICallError as raised:
                error = raised
        task_id = created.name.rpartition("/")[2] if created else task_id
        self.calls.append(Call(method, index, queue, task_id, began, clock.now(), error))
        return created.name if created else None


def _rate_before(times, end):
    """Return how many of some times are in a second, on average of the last two before a time."""
    return sum(end - 2 * SECOND <= time < end for time in times) / 2


def _first_second(times, start, count):
    """Return the first of some times after a start from which a second has ``count`` of them."""
    times = sorted(time for time in times if time >= start)
    needed = max(1, int(count))
    for first, last in zip(times, times[needed - 1 :], strict=False):
        if last - first <= SECOND:
            return first
    return None

"""A dispatcher with a manual clock and scripted targets."""

import asyncio
import collections
import dataclasses
import itertools

from drayman.core import queue as queues
from drayman.core.clock import SECOND
from drayman.core.delivery import NoResponse, Response
from drayman.core.queue import Queue, RateLimits, RetryConfig, State
from drayman.dispatch.dispatcher import Dispatcher
from drayman.signing.bearer import CachedBearerTokens
from drayman.signing.keyring import KeyRing
from drayman.signing.signer import TokenSigner
from drayman.tasks_v2 import types
from drayman.wire import tasks

LOCATION = "projects/p/locations/l"
ISSUER = "https://tasks.example"
URL = "https://worker.example/do?it=1"
HANG = object()
"""A response that never arrives."""


class Targets:
    """All targets: they return the responses of a script, then 200."""

    def __init__(self):
        self.requests = []
        self.script = collections.deque()
        self.by_host = {}
        self.otherwise = 200
        self._arrival = asyncio.Event()

    def will(self, *answers):
        """Set the next responses: statuses, Responses, NoResponses, exceptions or HANG."""
        self.script.extend(answers)

    async def arrived(self, count):
        """Wait until ``count`` requests have arrived since the start."""
        while len(self.requests) < count:
            self._arrival.clear()
            await self._arrival.wait()

    async def send(self, request):
        self.requests.append(request)
        self._arrival.set()
        host = request.url.split("/")[2]
        answer = self.by_host.get(host, self.otherwise)
        if self.script:
            answer = self.script.popleft()
        if answer is HANG:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Response | NoResponse) else Response(answer)

    async def close(self):
        pass


@dataclasses.dataclass
class World:
    """A store, a clock, targets, and a dispatcher."""

    store: object
    clock: object
    limits: object
    targets: Targets = dataclasses.field(default_factory=Targets)
    events: list = dataclasses.field(default_factory=list)
    numbers: object = dataclasses.field(default_factory=lambda: itertools.count(1))
    dispatcher: Dispatcher = None

    def start(self, **options):
        """Create a dispatcher; an earlier one must have stopped."""
        settings = {"server": "s", "slots": 1000, "app_engine": {}} | options
        signer = TokenSigner(KeyRing(self.store, self.clock), self.clock, ISSUER)
        bearer_tokens = CachedBearerTokens(signer, self.clock)
        settings = {"bearer_tokens": bearer_tokens} | settings
        self.dispatcher = Dispatcher(
            self.store, self.clock, self.targets,
            limits=self.limits, emit=self.events.append, **settings,
        )  # fmt: skip

    @property
    def now(self):
        return self.clock.now()

    @property
    def requests(self):
        return self.targets.requests

    async def queue(
        self, id_="q", *, rate=500.0, burst=100, concurrency=1000, settings=b"", **retry
    ):
        queue = Queue(
            f"{LOCATION}/queues/{id_}", State.RUNNING, RateLimits(rate, burst, concurrency),
            RetryConfig(**retry), None, settings,
        )  # fmt: skip
        await self.store.update_queue(queue.name, queues.creation(queue), self.now)
        return queue.name

    async def task(self, queue, *, delay=0, url=URL, app_engine=False, **fields):
        """Create a task; ``fields`` are those of its request, ``of_task`` those of the task."""
        of_task = fields.pop("of_task", {})
        kind = "app_engine_http_request" if app_engine else "http_request"
        request = {"relative_uri" if app_engine else "url": url, **fields}
        token = {key: request.pop(key) for key in ("oidc_token", "oauth_token") if key in request}
        message = types.Task.pb()(**{kind: request}, **of_task)
        new = tasks.parse(queue, message, self.now, self.limits.task)
        if token:
            stored = tasks.Message.FromString(new.request)
            stored.MergeFrom(tasks.Message(http_request=token))
            new = new._replace(request=stored.SerializeToString())
        if delay:
            new = new._replace(schedule_time=self.now + delay)
        (created,) = await self.store.create_tasks(queue, [new], self.now)
        return created.name

    async def tasks(self, queue, count, **fields):
        return [await self.task(queue, **fields) for _ in range(count)]

    async def set_state(self, queue, state):
        """Pause or resume a queue, as the API does."""
        resumed = state is State.RUNNING
        change = queues.replacement(state=state)
        await self.store.update_queue(queue, change, self.now, reset_pressure=resumed)

    async def in_flight(self, id_="q"):
        """Return how many attempts of a queue are in flight."""
        return (await self.store.queue_stats(f"{LOCATION}/queues/{id_}", self.now)).in_flight

    async def dead_letter(self, name):
        """Return the dead letter of a task."""
        queue, task_id = name.split("/tasks/")
        (letter,) = await self.store.list_dead_letters(queue, 0, 1, task=task_id)
        return letter

    async def get(self, name):
        return await self.store.get_task(name, self.now)

    async def gone(self, name):
        page = await self.store.list_tasks(name.split("/tasks/")[0], 0, 1000, 1 << 20)
        return name not in [task.name for task in page.tasks]

    async def step(self):
        """Start due attempts; return their number."""
        before = self.dispatcher.in_flight
        await self.dispatcher.step()
        return self.dispatcher.in_flight - before

    async def run(self):
        """Make due attempts and wait until they end; return their number."""
        started = await self.step()
        await self.dispatcher.drain()
        return started

    async def run_through(self, duration, tick=SECOND // 100):
        """Advance the clock in ticks and run at each; return the time of each attempt."""
        times, end = [], self.now + duration
        while self.now <= end:
            times += [self.now] * await self.run()
            self.clock.advance(tick)
        return times

    async def when_due(self, name):
        """Advance to a task's next attempt and make it; return the delay."""
        delay = (await self.get(name)).schedule_time - self.now
        self.clock.advance(delay)
        await self.run()
        return delay

    def ended(self):
        return [event for event in self.events if type(event).__name__ == "AttemptEnded"]

    @property
    def last_end(self):
        return self.ended()[-1].result

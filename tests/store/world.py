"""A store, a time, and short methods for what tests do with them.

They use only ``store.contract``; the time stands still until ``advance``.
"""

import asyncio
import dataclasses

import hypothesis
from hypothesis import strategies as st

from drayman.core import queue as queues
from drayman.core.clock import SECOND
from drayman.core.delivery import Outcome
from drayman.core.errors import ServiceError
from drayman.core.lifecycle import AttemptResult, Verdict
from drayman.core.limits import PAGE_BYTES, Limits
from drayman.core.queue import Queue, RateLimits
from drayman.core.status import Code
from drayman.core.task import NewTask

START = 1_700_000_000 * SECOND
LIMITS = Limits()
LOCATION = "projects/p/locations/l"
PLENTY = 1_000_000


def full(queue_id):
    """Return the full name of a queue of the usual location."""
    return f"{LOCATION}/queues/{queue_id}"


def queue(queue_id="q", *, rate=500.0, burst=100, concurrency=1000, **fields):
    """Return a queue."""
    return Queue(full(queue_id), rate_limits=RateLimits(rate, burst, concurrency), **fields)


OUTCOME_FIELDS = {field.name for field in dataclasses.fields(Outcome)}


def attempt_result(claim, verdict, now, **fields):
    """Return how an attempt ended, a failure with status 500 unless ``fields`` say otherwise."""
    done = verdict is Verdict.COMPLETED
    outcome = Outcome(
        success=done,
        code=Code.OK if done else Code.INTERNAL,
        message="OK(0)" if done else "INTERNAL(13): HTTP status code 500",
        responded=True,
        executed=done,
        previous_response=200 if done else 500,
    )
    of_outcome = {name: fields.pop(name) for name in OUTCOME_FIELDS & fields.keys()}
    defaults = {"schedule_time": now, "end_time": now}
    return AttemptResult(
        claim, dataclasses.replace(outcome, **of_outcome), verdict, **defaults | fields
    )


async def create_queue(store, queue, now):
    """Create a queue as CreateQueue does; return it."""
    return await store.update_queue(queue.name, queues.creation(queue), now)


async def set_state(store, name, state, now, **options):
    """Change the state of a queue."""
    return await store.update_queue(name, queues.replacement(state=state), now, **options)


class World:
    """A store at a point in time."""

    def __init__(self, store, now=START):
        self.store = store
        self.now = now
        self.next_due = None

    def advance(self, by):
        self.now += by

    async def queue(self, queue_id="q", **settings):
        """Create a queue; return its name."""
        return (await create_queue(self.store, queue(queue_id, **settings), self.now)).name

    async def try_create(self, *ids, queue_id="q", after=0, request=b"request"):
        """Create tasks, None for a generated id; return what the store returns."""
        tasks = [NewTask(task_id, self.now + after, request) for task_id in ids]
        return await self.store.create_tasks(full(queue_id), tasks, self.now)

    async def create(self, *ids, **options):
        """Create tasks, by default one with a generated id; return their names."""
        results = await self.try_create(*(ids or [None]), **options)
        for result in results:
            if isinstance(result, ServiceError):
                raise result
        return [task.name for task in results]

    async def create_one(self, task_id=None, **options):
        (name,) = await self.create(task_id, **options)
        return name

    async def delete(self, name):
        (error,) = await self.store.delete_tasks([name], self.now)
        if error:
            raise error

    async def get(self, name):
        return await self.store.get_task(name, self.now)

    async def run(self, name):
        return await self.store.run_task(name, self.now)

    async def claim(self, limit=PLENTY, *, server="server", held=None, slots=PLENTY):
        """Claim due tasks; return the claims and set ``next_due``."""
        result = await self.store.claim_due(server, limit, held or {}, slots, self.now)
        self.next_due = result.next_due
        return result.claims

    async def claim_one(self, **options):
        (claim,) = await self.claim(**options)
        return claim

    async def settle(self, claim, verdict=Verdict.COMPLETED, **fields):
        """Settle one attempt; return whether it was held."""
        result = attempt_result(claim, verdict, self.now, **fields)
        (settled,) = await self.store.settle([result], self.now)
        return settled is not None

    async def in_flight(self, queue_id="q"):
        return (await self.store.queue_stats(full(queue_id), self.now)).in_flight

    async def listed(self, queue_id="q", page=100, size=PAGE_BYTES):
        """Return the names of all tasks of a queue, page by page."""
        names, after = [], 0
        while True:
            result = await self.store.list_tasks(full(queue_id), after, page, size)
            names += [task.name for task in result.tasks]
            if result.cursor is None:
                return names
            after = result.cursor

    async def clear(self):
        """Delete everything and advance to a time when all names are free again."""
        for each in await self.store.list_queues(LOCATION, "", PLENTY):
            await self.store.delete_queue(each.name, self.now)
        await self.claim()  # grants
        await self.store.release("server", self.now)
        self.advance(LIMITS.retention.queue_tombstone)
        await self.sweep()

    async def sweep(self, limit=1_000):
        """Sweep until nothing is left; return the number of steps."""
        steps = 1
        while await self.store.sweep(self.now, limit) == limit:
            steps += 1
        return steps


def names_of(claims):
    return [claim.task.name for claim in claims]


def ids_of(claims):
    return [claim.task.name.rpartition("/")[2] for claim in claims]


async def search(world, body, *strategies, examples=25):
    """Look for arguments that break ``body``, a coroutine function of an empty world and them."""
    loop = asyncio.get_running_loop()
    longer = max(1, hypothesis.settings.default.max_examples // 100)

    async def once(arguments):
        await world.clear()
        await body(*arguments)

    @hypothesis.settings(max_examples=examples * longer)
    @hypothesis.given(st.tuples(*strategies))
    def run(arguments):
        asyncio.run_coroutine_threadsafe(once(arguments), loop).result()

    await asyncio.to_thread(run)

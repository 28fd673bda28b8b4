"""Random operations and crashes against a model in plain dictionaries.

A crash of SQLite is a copy of the store's files while it is open: exactly what a kill -9 leaves. On
PostgreSQL it is a connection that ends, and another server returns the claims to their queues. The
invariants: what was acknowledged is there or was acknowledged as gone, no attempt is results
twice at once unless RunTask asked for it, rates, slots and names hold, and ``next_due`` is
never too late.
"""

import asyncio
import dataclasses
import math
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from world import PLENTY, World, full, queue

from drayman.core import bucket, errors
from drayman.core.clock import DAY, HOUR, SECOND
from drayman.core.lifecycle import Verdict
from drayman.core.limits import Limits, Retention
from drayman.core.queue import State, replacement
from drayman.store.postgres import database as postgres_database
from drayman.store.sqlite.database import open_store

LIMITS = Limits(retention=Retention(4 * DAY, queue_tombstone=HOUR))
INDEX = st.integers(0, 7)
QUEUES = st.sampled_from(["a", "b"])
IDS = st.none() | st.sampled_from(["x", "y", "z"])
DELAYS = st.sampled_from([-SECOND, 0, SECOND // 4, SECOND, HOUR])
VERDICTS = st.sampled_from([Verdict.COMPLETED, Verdict.RETRY, Verdict.RETRY, Verdict.FAILED])
PASSING = st.sampled_from([SECOND // 4, SECOND, 7 * SECOND, HOUR, DAY, 3 * DAY])


@dataclasses.dataclass(eq=False)
class Queue:
    """What should be known of a queue, as long as it lives."""

    concurrency: int
    rate: float
    burst: int
    tokens: float
    time: int
    running: bool = True
    tasks: list = dataclasses.field(default_factory=list)
    taken: dict = dataclasses.field(default_factory=dict)  # ids of the gone: until when
    in_flight: int = 0

    def refill(self, now):
        self.tokens = min(self.burst, self.tokens + self.rate * (now - self.time) / SECOND)
        self.time = now

    def waiting(self, now):
        """Return the tasks that wait for their time and are not too old, the next one first."""
        oldest = now - LIMITS.retention.task_retention
        waiting = [
            task for task in self.tasks if task.decider is None and task.create_time >= oldest
        ]
        return sorted(waiting, key=lambda task: task.schedule_time)

    def allowance(self, now):
        self.refill(now)
        return min(int(self.tokens), self.concurrency - self.in_flight) if self.running else 0

    def due(self, now):
        """Return the tasks that may be claimed now, in order."""
        due = [task for task in self.waiting(now) if task.schedule_time <= now]
        return due[: max(0, self.allowance(now))]

    def next_time(self, now):
        """Return when a claim would find something, if nobody does anything."""
        waiting = self.waiting(now)
        if not waiting or not self.running or self.in_flight >= self.concurrency:
            return math.inf
        batch = max(1, min(self.rate * bucket.BATCH_INTERVAL / SECOND, self.burst))
        missing = max(0, batch - self.tokens)
        return max(waiting[0].schedule_time, now + math.ceil(missing / self.rate * SECOND))


@dataclasses.dataclass(eq=False)
class Task:
    """What should be known of a task."""

    queue: Queue
    name: str
    id: str | None
    create_time: int
    schedule_time: int
    dispatch_count: int = 0
    decider: object = None

    def end(self, until):
        if self in self.queue.tasks:
            self.queue.tasks.remove(self)
            if self.id:
                self.queue.taken[self.id] = until


@dataclasses.dataclass(eq=False)
class Attempt:
    """An attempt that is granted or in flight."""

    task: Task
    forced: bool
    claim: object = None

    @property
    def alive(self):
        return self.task in self.task.queue.tasks

    @property
    def decides(self):
        return self.alive and self.task.decider is self


async def result_of(call):
    return await call


class SqliteFiles:
    """Opens a store in a file, and again after a stop or a crash."""

    def __init__(self):
        self._folder = Path(tempfile.mkdtemp(prefix="drayman-model-"))
        self._count = 0

    async def open(self, now):
        # A crash of the process alone asks for no fsync.
        return await open_store(str(self._path), LIMITS, now, safe=False)

    async def crash(self, store, now):
        """Return the store that the end of the process leaves."""
        old = self._path
        self._count += 1
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{old}{suffix}", f"{self._path}{suffix}")
        await store.close()
        return await self.open(now)

    async def restart(self, store, now):
        await store.close()
        return await self.open(now)

    def close(self):
        shutil.rmtree(self._folder)

    @property
    def _path(self):
        return self._folder / f"{self._count}.db"


class PostgresSchema:
    """Opens a store in a schema of PostgreSQL, and again after a stop or a crash."""

    def __init__(self, url):
        self._url = url

    async def open(self, now):
        return await postgres_database.open_store(self._url, LIMITS, now, safe=False)

    async def crash(self, store, now):
        """Return the store as another server sees it that releases the claims of the dead one."""
        other = await self.open(now)
        await store.close()
        await other.release("server", now)
        return other

    restart = crash

    def close(self):
        """Leave the schema to the end of the test's cluster."""


class Model(RuleBasedStateMachine):
    """The store and its model, side by side."""

    def __init__(self):
        super().__init__()
        self.files = self.new_files()
        self.runner = asyncio.Runner()
        self.queues = {}
        self.taken = {}  # names of deleted queues: until when
        self.granted = []
        self.held = []
        self.known = []  # all names of tasks there ever were
        self.begun = []  # all attempts there ever were
        self.world = World(None)
        self.world.store = self.wait(self.files.open(self.now))

    def teardown(self):
        self.wait(self.world.store.close())
        self.runner.close()
        self.files.close()

    def new_files(self):
        return SqliteFiles()

    def wait(self, call):
        return self.runner.run(result_of(call))

    @property
    def now(self):
        return self.world.now

    # -- what may happen ------------------------------------------------------------------

    @initialize()
    def start(self):
        self.put_queue("a", concurrency=3, rate=4.0, burst=3)

    @rule(
        name=QUEUES,
        ids=st.lists(IDS, max_size=4),
        after=DELAYS,
        by=st.sampled_from([0, SECOND // 4, SECOND, 2 * HOUR]),
        limit=st.sampled_from([1, 3, PLENTY, PLENTY]),
        ends=st.lists(st.tuples(INDEX, VERDICTS, DELAYS), max_size=4),
    )
    def work(self, name, ids, after, by, limit, ends):
        self.create_tasks(name, ids, after)
        self.world.advance(by)
        self.claim(limit)
        for index, verdict, again in ends:
            attempts = self.begun[-1:] + self.held
            if attempts:
                self.settle(attempts[-1 - index % len(attempts)], verdict, again)

    @precondition(lambda self: self.known)
    @rule(index=INDEX, verb=st.sampled_from(["run_task", "delete_task"]))
    def touch(self, index, verb):
        getattr(self, verb)(self.known[-1 - index % len(self.known)])

    @rule(
        name=QUEUES,
        verb=st.sampled_from(
            ["delete_queue", "purge_queue", "pause", "resume", "resume", "resume"]
        ),
        concurrency=st.integers(1, 4),
        rate=st.sampled_from([0.5, 4.0, 64.0]),
        burst=st.integers(1, 5),
    )
    def manage(self, name, verb, concurrency, rate, burst):
        getattr(self, verb)(name)
        self.put_queue(name, concurrency, rate, burst)

    @rule(by=PASSING, verb=st.sampled_from(["sweep", "release", "crash", "restart"]))
    def interrupt(self, by, verb):
        self.world.advance(by)
        getattr(self, verb)()

    # -- queues ---------------------------------------------------------------------------

    def put_queue(self, name, concurrency, rate, burst):
        limits = {"concurrency": concurrency, "rate": rate, "burst": burst}
        if name in self.queues:
            self.update_queue(name, limits)
            with pytest.raises(errors.AlreadyExists):
                self.wait(self.world.queue(name, **limits))
        elif self.taken.get(name, 0) > self.now:
            with pytest.raises(errors.FailedPrecondition):
                self.wait(self.world.queue(name, **limits))
        else:
            self.wait(self.world.queue(name, **limits))
            self.queues[name] = Queue(**limits, tokens=burst, time=self.now)

    def update_queue(self, name, limits):
        model = self.queues[name]
        model.refill(self.now)
        model.concurrency, model.rate, model.burst = limits.values()
        model.tokens = min(model.tokens, model.burst)
        rates = queue(name, **limits).rate_limits
        change = replacement(rate_limits=rates)
        self.wait(self.world.store.update_queue(full(name), change, self.now))

    def delete_queue(self, name):
        deleting = self.world.store.delete_queue(full(name), self.now)
        if name not in self.queues:
            with pytest.raises(errors.NotFound):
                self.wait(deleting)
            return
        self.wait(deleting)
        self.queues.pop(name).tasks.clear()
        self.taken[name] = self.now + LIMITS.retention.queue_tombstone

    def purge_queue(self, name):
        model = self.queues.get(name)
        if model:
            self.wait(self.world.store.purge_queue(full(name), self.now))
            for task in list(model.tasks):
                task.end(self.now + LIMITS.retention.task_tombstone)

    def pause(self, name):
        self.set_state(name, running=False)

    def resume(self, name):
        self.set_state(name, running=True)

    def set_state(self, name, *, running):
        model = self.queues.get(name)
        if model:
            state = State.RUNNING if running else State.PAUSED
            change = replacement(state=state)
            self.wait(self.world.store.update_queue(full(name), change, self.now))
            model.running = running

    # -- tasks ----------------------------------------------------------------------------

    def create_tasks(self, name, ids, after):
        results = self.wait(self.world.try_create(*ids, queue_id=name, after=after))
        model = self.queues.get(name)
        for task_id, result in zip(ids, results, strict=True):
            expected = self.refusal(model, task_id)
            if expected:
                assert str(result) == str(expected())
            else:
                task = Task(model, result.name, task_id, self.now, self.now + after)
                model.tasks.append(task)
                self.known.append(result.name)

    def refusal(self, model, task_id):
        """Return the error that the creation of a task should meet."""
        if model is None:
            return errors.queue_missing
        if task_id and task_id in {task.id for task in model.tasks}:
            return errors.task_exists
        if task_id and model.taken.get(task_id, 0) > self.now:
            return errors.task_existed
        return None

    def task(self, name):
        queue_id = name.split("/")[5]
        model = self.queues.get(queue_id)
        return model and next((task for task in model.tasks if task.name == name), None)

    def delete_task(self, name):
        task = self.task(name)
        (refusal,) = self.wait(self.world.store.delete_tasks([name], self.now))
        assert (refusal is None) == bool(task)
        if task:
            task.end(self.now + LIMITS.retention.task_tombstone)

    def run_task(self, name):
        task = self.task(name)
        running = self.world.run(name)
        if not task:
            with pytest.raises(errors.NotFound):
                self.wait(running)
            return
        if task.decider in self.granted:  # what is about to happen happens once
            assert self.wait(running).dispatch_count == task.dispatch_count
            return
        task.dispatch_count += 1
        assert self.wait(running).dispatch_count == task.dispatch_count
        task.decider = Attempt(task, forced=True)
        self.granted.append(task.decider)

    # -- dispatch -------------------------------------------------------------------------

    def claim(self, limit):
        claims = self.wait(self.world.claim(limit))
        assert len(claims) <= limit
        alive = [attempt for attempt in self.granted if attempt.alive]
        taken, self.granted = alive[:limit], alive[limit:]
        assert [claim.task.name for claim in claims[: len(taken)]] == [
            attempt.task.name for attempt in taken
        ]
        for attempt in taken:
            attempt.task.queue.in_flight += 1
        expected = {name: model.due(self.now) for name, model in self.queues.items()}
        scheduled = claims[len(taken) :]
        assert all(claim.forced_at is None for claim in scheduled)
        for name, due in expected.items():
            got = [claim.task.name for claim in scheduled if claim.queue.name == full(name)]
            assert got == [task.name for task in due[: len(got)]]
            if len(claims) < limit:
                assert len(got) == len(due)
        for claim in scheduled:
            task = self.task(claim.task.name)
            assert task.decider is None
            task.decider = Attempt(task, forced=False)
            task.dispatch_count += 1
            task.queue.in_flight += 1
            task.queue.tokens -= 1
            taken.append(task.decider)
        for attempt, claim in zip(taken, claims, strict=True):
            attempt.claim = claim
            assert claim.task.dispatch_count == attempt.task.dispatch_count
        self.held += taken
        self.begun += taken
        self.check_next_due(limit, claims)

    def check_next_due(self, limit, claims):
        if len(claims) == limit:
            assert self.world.next_due == self.now
            return
        times = [model.next_time(self.now) for model in self.queues.values()]
        expected = min(times, default=math.inf)
        next_due = self.world.next_due
        assert (math.inf if next_due is None else next_due) <= expected
        assert next_due is None or next_due > self.now

    def settle(self, attempt, verdict, after):
        again = max(self.now, self.now + after)
        held = self.wait(self.world.settle(attempt.claim, verdict, schedule_time=again))
        assert held == (attempt in self.held)
        if not held:
            return
        self.held.remove(attempt)
        task = attempt.task
        task.queue.in_flight -= 1
        if verdict is Verdict.COMPLETED:
            task.end(self.now + LIMITS.retention.task_tombstone)
        elif attempt.decides:
            task.decider = self.latest_in_flight(task)
            if verdict is Verdict.FAILED and task.decider is None:
                task.end(self.now + LIMITS.retention.task_tombstone)
            else:
                task.schedule_time = again

    def latest_in_flight(self, task):
        others = [attempt for attempt in self.held if attempt.task is task]
        return max(others, key=lambda attempt: attempt.claim.number, default=None)

    def give_back(self):
        """Return what is in flight to its queues, as the end of a server does."""
        held, self.held = self.held, []
        for attempt in held:
            task = attempt.task
            task.queue.in_flight -= 1
            if attempt.decides and attempt.forced:
                task.decider = Attempt(task, forced=True)
                self.granted.append(task.decider)
            elif attempt.decides:
                task.decider = None

    def release(self):
        assert self.wait(self.world.store.release("server", self.now)) == len(self.held)
        self.give_back()

    def sweep(self):
        self.wait(self.world.sweep(2))
        for model in self.queues.values():
            for task in list(model.tasks):
                if (
                    task.decider is None
                    and task.create_time < self.now - LIMITS.retention.task_retention
                ):
                    task.end(self.now + LIMITS.retention.task_tombstone)

    def crash(self):
        self.world.store = self.wait(self.files.crash(self.world.store, self.now))
        self.give_back()

    def restart(self):
        self.world.store = self.wait(self.files.restart(self.world.store, self.now))
        self.give_back()

    # -- what holds after each step -------------------------------------------------------

    @invariant()
    def every_task_is_there_as_it_should_be(self):
        for name, model in self.queues.items():
            page = self.wait(self.world.store.list_tasks(full(name), 0, 1_000, 1 << 30))
            assert [
                (task.name, task.schedule_time, task.dispatch_count, task.create_time)
                for task in page.tasks
            ] == [
                (task.name, task.schedule_time, task.dispatch_count, task.create_time)
                for task in model.tasks
            ]

    @invariant()
    def attempts_in_flight_are_counted(self):
        for name, model in self.queues.items():
            assert self.wait(self.world.in_flight(name)) == model.in_flight

    @invariant()
    def the_counts_are_those_of_a_scan(self):
        every = self.wait(self.world.store.list_queue_stats("", "", 1_000, self.now))
        assert [stats.queue.name for stats in every] == sorted(map(full, self.queues))
        for stats in every:
            model = self.queues[stats.queue.name.rpartition("/")[2]]
            waiting = [task for task in model.tasks if task.decider is None]
            due = [task for task in waiting if task.schedule_time <= self.now]
            assert (stats.tasks, stats.due) == (len(model.tasks), len(due))
            assert stats == self.wait(self.world.store.queue_stats(stats.queue.name, self.now))

    @invariant()
    def no_attempt_is_made_twice_unless_asked(self):
        scheduled = [each.task for each in self.held if not each.forced and each.decides]
        assert len(scheduled) == len(set(scheduled))

    @invariant()
    def no_number_is_used_twice(self):
        numbers = [attempt.claim.number for attempt in self.held]
        assert len(numbers) == len(set(numbers))


longer = max(1, hypothesis.settings.default.max_examples // 100)
SETTINGS = hypothesis.settings(
    max_examples=80 * longer,
    stateful_step_count=40,
    suppress_health_check=list(hypothesis.HealthCheck),
)
Model.TestCase.settings = SETTINGS
TestModel = Model.TestCase


def test_postgres_agrees_with_the_model(postgres):
    class PostgresModel(Model):
        def new_files(self):
            return PostgresSchema(postgres.url())

    run_state_machine_as_test(
        PostgresModel, settings=hypothesis.settings(SETTINGS, max_examples=20 * longer)
    )

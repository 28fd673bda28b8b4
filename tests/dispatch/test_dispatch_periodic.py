"""Work that is repeated: the monitor of the store, and vacuum."""

import asyncio

import pytest

from drayman.core import errors
from drayman.core.clock import ManualClock
from drayman.core.events import StoreConditionChanged, StoreFailed
from drayman.dispatch import store_monitor, vacuum
from drayman.dispatch.store_monitor import StoreMonitor
from drayman.dispatch.vacuum import Vacuum


class ScriptedStore:
    """A store whose condition and space are scripted."""

    def __init__(self):
        self.problem = None
        self.idle = True
        self.surplus = 0
        self.inspected = asyncio.Event()
        self.vacuumed = 0

    async def inspect(self):
        self.inspected.set()
        if self.problem:
            raise self.problem

    async def vacuum(self):
        if self.problem:
            raise self.problem
        self.vacuumed += 1
        self.surplus -= 1
        return self.surplus > 0


@pytest.fixture
def events():
    return []


@pytest.fixture
async def store():
    return ScriptedStore()


@pytest.fixture
def monitor(store, events):
    return StoreMonitor(store, ManualClock(), events.append)


async def test_a_problem_is_one_event_and_its_end_another(monitor, store, events):
    await monitor.step()
    assert events == []
    store.problem = errors.Unavailable("The file is gone.")
    for _ in range(3):
        await monitor.step()
    store.problem = errors.ResourceExhausted("The disk is full.")
    await monitor.step()
    store.problem = None
    for _ in range(3):
        await monitor.step()
    assert events == [
        StoreConditionChanged("The file is gone."),
        StoreConditionChanged("The disk is full."),
        StoreConditionChanged(""),
    ]


async def test_the_store_is_inspected_twice_a_second(monitor, store):
    clock = ManualClock()
    monitor = StoreMonitor(store, clock, [].append)
    running = asyncio.create_task(monitor.run())
    for _ in range(3):
        await store.inspected.wait()
        store.inspected.clear()
        clock.advance(store_monitor.INTERVAL)
    monitor.stop()
    await running
    assert store_monitor.INTERVAL == 500_000


async def test_a_fault_of_the_inspection_does_not_end_the_monitor(monitor, store, events):
    store.problem = RuntimeError("a fault of ours")
    assert await monitor.step() == store_monitor.INTERVAL
    (event,) = events
    assert "a fault of ours" in event.problem


async def test_vacuum_goes_on_while_there_is_space_to_give_back(store, events):
    store.surplus = 3
    job = Vacuum(store, ManualClock(), events.append)
    pauses = [await job.step() for _ in range(3)]
    assert pauses == [vacuum.STEP_PAUSE, vacuum.STEP_PAUSE, vacuum.INTERVAL]


async def test_vacuum_waits_for_an_idle_store(store, events):
    store.idle = False
    assert await Vacuum(store, ManualClock(), events.append).step() == vacuum.BUSY_PAUSE
    assert store.vacuumed == 0


async def test_a_vacuum_that_fails_is_an_event_and_is_tried_later(store, events):
    store.problem = errors.Unavailable("the disk is away")
    assert await Vacuum(store, ManualClock(), events.append).step() == vacuum.INTERVAL
    assert events == [StoreFailed("vacuum", "the disk is away")]

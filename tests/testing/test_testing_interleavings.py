"""No task is lost, however moves of the clock and claims of the dispatcher are interleaved.

Steps begin in the loop of the server without waiting for each other; between them it runs for some
turns or transactions, so that each stops at any of its awaits. Afterwards the clock stands: a due
task whose wake-up is lost is never delivered.
"""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drayman.core.clock import MINUTE, SECOND, ManualClock, SystemClock
from drayman.core.delivery import Response
from drayman.core.queue import Queue, creation
from drayman.core.task import NewTask
from drayman.server import Server
from drayman.settings import load
from drayman.tasks_v2 import types
from drayman.testing.delivery_log import DeliveryLog
from drayman.testing.handlers import Handlers
from drayman.testing.virtual import VirtualServer

PATIENCE = 30 * SECOND
START = 1_800_000_000 * SECOND
QUEUE = "projects/p/locations/l/queues/q"
SETTINGS = load({"store": "memory", "port": "0"}, {})
REQUEST = types.Task.serialize(types.Task(http_request={"url": "https://a.example"}))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.integers(0, 9)),
        st.tuples(st.just("advance"), st.integers(0, 9)),
        st.tuples(st.just("turns"), st.integers(1, 12)),
        st.tuples(st.just("commits"), st.integers(1, 4)),
    ),
    max_size=30,
)


class DispatcherWorld:
    """A server whose dispatcher runs by itself, on a clock that is moved under it."""

    def __init__(self):
        self.clock, self.sent, self._arrived = ManualClock(START), 0, asyncio.Event()
        self.server = Server(
            SETTINGS, clock=self.clock, edge_clock=SystemClock(), sender=self, emit=lambda _: None
        )

    async def start(self):
        await self.server.start()

    async def send(self, _request):
        self.sent += 1
        self._arrived.set()
        return Response(200)

    async def close(self):
        pass

    async def advance(self, by):
        self.clock.advance(by)

    async def wait_for(self, count):
        while self.sent < count:
            self._arrived.clear()
            await self._arrived.wait()

    async def stop(self):
        self.clock.advance(MINUTE)
        await self.server.stop()


class KitWorld:
    """The server of the testing kit, held or not."""

    def __init__(self, *, at_once):
        self.server = VirtualServer(
            SETTINGS, handlers=Handlers(), start=START, patience=PATIENCE, log=DeliveryLog(),
            emit=lambda _: None, extensions=lambda _: (),
        )  # fmt: skip
        self.clock, self._at_once, self._move = self.server.clock, at_once, asyncio.Lock()

    async def start(self):
        await self.server.start()
        if self._at_once:
            self.server.timeline.deliver_at_once()

    async def advance(self, by):
        if self._at_once and not by:
            return  # what is due must be delivered without it
        async with self._move:  # a second move at the same time is an error
            await self.server.advance(by, limit=1_000)

    async def wait_for(self, count):
        deliveries, ended = self.server.targets.deliveries, self.server.dispatcher.ended
        while self._at_once and len(deliveries) < count:
            ended.clear()
            await ended.wait()
        assert len(deliveries) == count

    async def stop(self):
        await self.server.stop()


WORLDS = {
    "dispatcher": DispatcherWorld,
    "kit, held": lambda: KitWorld(at_once=False),
    "kit, at once": lambda: KitWorld(at_once=True),
}


async def turns(count):
    """Let the loop run for some turns."""
    loop = asyncio.get_running_loop()
    for _ in range(count):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn


async def commits(store, count):
    """Let the loop run for some transactions of the store, each of which takes many turns."""
    for _ in range(count):
        await store.check()


async def run(make, steps):
    world = make()
    await world.start()
    store, clock = world.server.store, world.clock
    await store.update_queue(QUEUE, creation(Queue(QUEUE)), clock.now())
    begun, due_times = [], []
    for step, number in steps:
        if step == "create":
            due_times.append(clock.now() + number * SECOND)
            task = NewTask(None, due_times[-1], REQUEST)
            begun.append(asyncio.ensure_future(store.create_tasks(QUEUE, [task], clock.now())))
        elif step == "advance":
            begun.append(asyncio.ensure_future(world.advance(number * SECOND)))
        elif step == "turns":
            await turns(number)
        else:
            await commits(store, number)
    await asyncio.gather(*begun)
    async with SystemClock().timeout(SystemClock().now() + PATIENCE):
        for by in (0, MINUTE):
            await world.advance(by)
            await world.wait_for(sum(due <= clock.now() for due in due_times))
    await world.stop()


@pytest.mark.parametrize("world", WORLDS)
@given(steps=STEPS)
@settings(max_examples=40)  # each stops a server, which takes a while
def test_each_task_is_delivered_however_steps_are_interleaved(world, steps):
    asyncio.run(run(WORLDS[world], steps))

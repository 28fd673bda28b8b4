"""Over random faults every task ends as exactly one of delivered, deleted, purged, dead."""

import asyncio
import contextlib
import random

import pytest
from dispatch_world import HANG

from drayman.core import errors
from drayman.core.clock import MINUTE, SECOND
from drayman.core.delivery import Failure, NoResponse, Response
from drayman.core.lifecycle import Verdict
from drayman.core.limits import Limits, Retention
from drayman.store.sqlite.database import open_store

ANSWERS = [
    200, 200, 200, 404, 429, 500, 503, HANG, NoResponse(Failure.CONNECTION, "reset"),
    Response(400, {"drayman-retry": "never"}), Response(503, {"retry-after": "5"}),
    Response(500, {"drayman-retry": "after; 3"}), ZeroDivisionError("a fault of ours"),
]  # fmt: skip


class Chaos:
    """Random targets, a store that fails now and then, and a person who deletes and purges."""

    def __init__(self, world, seed):
        self.world = world
        self.random = random.Random(seed)
        self.created, self.deleted, self.purged, self.answered = set(), set(), {}, set()
        self.delivered = set()
        self.calm = False
        self.settle = world.store.settle
        self.claim_due = world.store.claim_due
        world.store.settle = self.failing(self.noted)
        world.store.claim_due = self.failing(self.claim_due)
        world.targets.send = self.send

    def failing(self, verb):
        async def call(*args):
            if not self.calm and self.random.random() < 0.2:
                # Before or after its effect: a caller cannot tell.
                if self.random.random() < 0.5 and verb == self.noted:
                    await verb(*args)
                raise errors.Unavailable("now and then")
            return await verb(*args)

        return call

    async def noted(self, settlements, now):
        held = await self.settle(settlements, now)
        for each, was_held in zip(settlements, held, strict=True):
            if was_held and each.verdict is Verdict.COMPLETED:
                self.delivered.add(each.claim.task.name)
        return held

    async def send(self, request):
        answer = 200 if self.calm else self.random.choice(ANSWERS)
        if answer is HANG:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        if answer == 200:
            self.answered.add(request.headers["X-CloudTasks-TaskName"])
        return answer if not isinstance(answer, int) else Response(answer)

    async def turn(self, queue):
        world, pick = self.world, self.random.random()
        alive = await self.alive(queue)
        if pick < 0.3:
            names = await world.tasks(queue, self.random.randint(1, 5))
            self.created.update(names)
        elif pick < 0.4 and alive:
            name = self.random.choice(sorted(alive))
            (refused,) = await world.store.delete_tasks([name], world.now)
            self.deleted |= set() if refused else {name}
        elif pick < 0.45 and alive:
            name = self.random.choice(sorted(alive))
            with contextlib.suppress(errors.NotFound):
                await world.store.run_task(name, world.now)
        elif pick < 0.48:
            before = await self.alive(queue)
            await world.store.purge_queue(queue, world.now)
            self.purged |= dict.fromkeys(before, world.now)
        elif pick < 0.51:
            stopping = asyncio.create_task(world.dispatcher.stop(0))
            while not stopping.done():
                await world.store.check()
                world.clock.advance(SECOND)
            await stopping
            world.start(server=f"s{self.random.random()}")
        elif pick < 0.55:
            await world.store.sweep(world.now, 3)
        elif pick < 0.8:
            world.clock.advance(self.random.choice([SECOND // 10, SECOND, MINUTE]))
        await world.dispatcher.step()
        await world.store.check()

    async def settle_down(self, queue):
        """Let everything come to its end."""
        self.calm = True
        while await self.alive(queue) or self.world.dispatcher.in_flight:
            await self.world.dispatcher.step()
            await self.world.store.check()
            await self.world.store.sweep(self.world.now, 100)
            self.world.clock.advance(MINUTE)

    async def alive(self, queue):
        page = await self.world.store.list_tasks(queue, 0, 1000, 1 << 24)
        return {task.name for task in page.tasks}


@pytest.mark.parametrize("seed", range(25))
async def test_no_task_is_lost_and_none_completes_twice(world, seed):
    await world.store.close()
    world.limits = Limits(retention=Retention(3 * MINUTE))
    world.store = await open_store(":memory:", world.limits, world.now)
    chaos = Chaos(world, seed)
    world.start()
    queue = await world.queue(max_attempts=3, min_backoff=SECOND, max_backoff=10 * SECOND)
    for _ in range(120):
        await chaos.turn(queue)
    await chaos.settle_down(queue)
    letters = await world.store.list_dead_letters(queue, 0, 1000)
    dead = {letter.task.name: letter.time for letter in letters}
    assert not dead.keys() & chaos.delivered
    delivered = {f"{queue}/tasks/{task_id}" for task_id in chaos.answered}
    assert not dead.keys() & chaos.deleted
    for name in dead.keys() & chaos.purged.keys():
        assert dead[name] <= chaos.purged[name]
    rest = chaos.created - chaos.deleted - chaos.purged.keys() - dead.keys()
    assert rest <= delivered
    assert dead.keys() | chaos.deleted | chaos.purged.keys() | rest == chaos.created
    assert await world.in_flight() == 0
    assert (await world.store.queue_stats(queue, world.now)).in_flight == 0

"""Connections share the turns of the event loop."""

import asyncio

import pytest
from http2_client import turns as loop_turns

from drayman.edge import limits
from drayman.edge.turns import Turns


class Worker:
    """Work that takes a number of events."""

    def __init__(self, turns, events):
        self._turns = turns
        self.left = events
        self.pieces = 0

    def work(self, limit):
        done = min(self.left, limit)
        self.left -= done
        self.pieces += 1
        if self.left:
            self._turns.wait(self.work)
        return done


@pytest.fixture
async def turns():
    return Turns()


async def test_work_within_the_credit_is_done_at_once(turns):
    workers = [Worker(turns, limits.EVENTS_OF_TURN // 2) for _ in range(2)]
    for worker in workers:
        turns.run(worker.work)
    assert [worker.left for worker in workers] == [0, 0]


async def test_work_beyond_the_credit_waits_for_later_turns(turns):
    worker = Worker(turns, limits.EVENTS_OF_TURN + 3 * limits.WAITING_EVENTS_OF_TURN)
    turns.run(worker.work)
    left = [worker.left]
    while worker.left:
        await loop_turns(1)
        left.append(worker.left)
    assert left[0] == 3 * limits.WAITING_EVENTS_OF_TURN
    assert len(left) > 2


async def test_those_who_wait_take_turns(turns):
    workers = [Worker(turns, 10_000) for _ in range(5)]
    for worker in workers:
        turns.run(worker.work)
    await loop_turns(40)
    pieces = [worker.pieces for worker in workers]
    assert min(pieces) >= max(pieces) - 2


async def test_new_work_does_not_wait_behind_old(turns):
    for _ in range(50):
        turns.run(Worker(turns, 10_000).work)
    await loop_turns(2)
    worker = Worker(turns, 100)
    turns.run(worker.work)
    assert worker.left == 0


async def test_large_messages_are_sent_a_few_in_a_turn(turns):
    sent = []

    async def send(number):
        await turns.turn()
        sent.append(number)

    tasks = [asyncio.ensure_future(send(number)) for number in range(10)]
    await loop_turns(3)
    assert 0 < len(sent) < 10
    await asyncio.gather(*tasks)
    assert sent == list(range(10))

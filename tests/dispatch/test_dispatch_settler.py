"""The settler alone: what a cancellation leaves."""

import asyncio

import pytest

from drayman.core import delivery, lifecycle
from drayman.core.clock import DAY
from drayman.core.delivery import Kind, Response
from drayman.dispatch.settler import Ended, Settler


@pytest.fixture
async def ended(world):
    """The successful ends of two attempts."""
    await world.tasks(await world.queue(), 2)
    claimed = await world.store.claim_due("s", 2, {}, 10, world.now)
    outcome = delivery.outcome(Kind.HTTP, Response(200))
    results = [
        lifecycle.decide(claim, outcome, claim.queue.retry_config, retention=DAY, now=world.now)
        for claim in claimed.claims
    ]
    return [Ended(result, 0, Kind.HTTP, 100) for result in results]


async def test_a_result_is_applied_although_the_one_before_was_dropped_before_it_began(
    world, ended
):
    settled, applied = [], asyncio.Event()

    def settle(number):
        settled.append(number)
        applied.set()

    settler = Settler(world.store, world.clock, world.events.append, settle)
    dropped, kept = ended
    settler.add(dropped)
    await settler.cancel()
    settler.add(kept)
    await applied.wait()
    assert settled == [kept.result.claim.number]

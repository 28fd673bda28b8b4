"""The rules that a check applies hold in every state that the verbs of a store leave behind."""

import pytest
from world import LIMITS, START, World, full

from drayman.core.clock import HOUR, SECOND
from drayman.core.lifecycle import Verdict
from drayman.store import opening
from drayman.store.sqlite import database as sqlite


@pytest.fixture
async def world(tmp_path):
    world = World(await sqlite.open_store(str(tmp_path / "tasks.db"), LIMITS, START))
    yield world
    await world.store.close()


@pytest.fixture
def check(tmp_path):
    """Check the store of the test, and expect no problem."""

    def check():
        report = opening.inspect(f"sqlite:{tmp_path / 'tasks.db'}")
        assert (report.problems, report.warnings, report.in_use) == ([], [], True)
        return report.counts

    return check


async def test_a_store_in_every_state_has_no_problem(world, check):
    for queue_id in ("q", "purged", "deleted"):
        await world.queue(queue_id)
        await world.create("a", None, queue_id=queue_id)
    await world.create("later", after=HOUR)
    await world.create("run", after=HOUR)
    assert check()["tasks"] == 8
    await world.store.purge_queue(full("purged"), world.now)
    await world.store.delete_queue(full("deleted"), world.now)
    assert check()["tasksToSweep"] == 4
    claims = await world.claim()
    assert check()["attemptsInFlight"] == len(claims) == 2
    await world.run(f"{full('q')}/tasks/run")
    assert check()["attemptsGranted"] == 1
    world.advance(SECOND)
    first, second = claims
    await world.settle(first, Verdict.FAILED, reason="it failed")
    await world.settle(second, Verdict.RETRY)
    counts = check()
    assert (counts["deadLetters"], counts["attemptRecords"]) == (1, 2)
    await world.claim()
    await world.store.delete_queue(full("q"), world.now)  # with attempts in flight
    assert check()["queues"] == 1

"""The writer: groups, what is fsynced and what is not, how much may wait."""

import asyncio

import pytest
from sqlite_world import open_world
from world import create_queue, full, queue, set_state

from drayman.core import errors
from drayman.core.batch import Batch, Deletions
from drayman.core.document import Document
from drayman.core.lifecycle import Verdict
from drayman.core.queue import QueueChangedError, State, swap
from drayman.store import group_commit
from drayman.store.verb import Phase, single
from drayman.store.verbs import documents


def commits(statements):
    return statements.count("COMMIT")


async def test_waiting_calls_share_one_transaction(file_world, statements, together):
    await together(*(file_world.create_one(f"t{number}") for number in range(200)))
    assert len(await file_world.listed(page=1_000)) == 200
    assert commits(statements) == 1


async def later(verb, *arguments):
    return await verb(*arguments)


async def test_different_verbs_share_a_transaction_and_each_gets_its_result(
    file_world, statements, together
):
    store, now = file_world.store, file_world.now
    task, claims, name, exists, other = await together(
        file_world.get(f"{full('q')}/tasks/t"),
        later(store.claim_due, "server", 10, {}, 10, now),
        file_world.create_one("t"),
        create_queue(store, queue(), now),
        create_queue(store, queue("other"), now),
    )
    assert task.name == name
    assert [claim.task.name for claim in claims.claims] == [name]
    assert isinstance(exists, errors.AlreadyExists)
    assert other == queue("other")
    assert commits(statements) == 1


async def test_a_call_that_cannot_be_written_does_not_fail_its_group(file_world, together):
    file_world.database.connection.setlimit(0, 10_000)  # SQLITE_LIMIT_LENGTH
    small = [file_world.create_one(f"t{number}") for number in range(5)]
    large = file_world.create_one("large", request=b"x" * 20_000)
    refused, *created = await together(large, *small)
    assert isinstance(refused, errors.InvalidArgument)
    assert refused.message == "Task size too large"
    assert sorted(await file_world.listed()) == sorted(created)


async def test_a_cancelled_caller_does_not_affect_the_others(file_world):
    calls = [asyncio.create_task(file_world.create_one(f"t{number}")) for number in range(10)]
    await asyncio.gather(asyncio.to_thread(lambda: None))
    for call in calls[::2]:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, str) for result in results[1::2])


PROMISES = {
    "create_queue": lambda world: world.queue("other"),
    "update_queue": lambda world: world.store.update_queue(
        full("q"), lambda _: queue(rate=1), world.now
    ),
    "set_state": lambda world: set_state(world.store, full("q"), State.RUNNING, world.now),
    "purge_queue": lambda world: world.store.purge_queue(full("q"), world.now),
    "delete_queue": lambda world: world.store.delete_queue(full("q"), world.now),
    "create_tasks": lambda world: world.create("other"),
    "delete_tasks": lambda world: world.delete(f"{full('q')}/tasks/t"),
    "run_task": lambda world: world.run(f"{full('q')}/tasks/t"),
}
NOTES = {
    "claim_due": lambda world: world.claim(),
    "settle": lambda world: world.settle(world.held, Verdict.RETRY),
    "release": lambda world: world.store.release("server", world.now),
    "sweep": lambda world: world.store.sweep(world.now, 10),
}
FULL, NORMAL = 2, 1  # what PRAGMA synchronous says


async def synchronous(world, verb):
    """Return how the connection commits a verb."""
    await world.create("t")
    world.held = await world.claim_one()
    world.database.levels.clear()
    await verb(world)
    (level,) = world.database.levels
    return level


@pytest.mark.parametrize("verb", PROMISES.values(), ids=PROMISES)
async def test_durable_verbs_are_fsynced_before_they_return(file_world, verb):
    assert await synchronous(file_world, verb) == FULL


@pytest.mark.parametrize("verb", NOTES.values(), ids=NOTES)
async def test_other_verbs_do_not_wait_for_the_disk(file_world, verb):
    assert await synchronous(file_world, verb) == NORMAL


async def test_a_durable_verb_after_another_is_fsynced(file_world):
    await file_world.claim()
    assert await synchronous(file_world, PROMISES["create_tasks"]) == FULL


@pytest.mark.parametrize("verb", PROMISES.values(), ids=PROMISES)
async def test_with_relaxed_durability_no_verb_waits_for_the_disk(tmp_path, verb):
    world = open_world(tmp_path / "relaxed.db", safe=False)
    await world.queue()
    assert await synchronous(world, verb) == NORMAL
    await world.store.close()


async def test_a_check_writes(file_world, tmp_path):
    log = tmp_path / "drayman.db-wal"
    before = log.stat().st_size
    await file_world.store.check()
    assert log.stat().st_size > before


async def test_reading_writes_nothing(file_world, statements):
    await file_world.listed()
    await file_world.store.get_queue(full("q"))
    await file_world.store.queue_stats(full("q"), file_world.now)
    assert commits(statements) == 0


async def test_too_many_waiting_calls_are_refused(file_world, monkeypatch):
    monkeypatch.setattr(group_commit, "MAX_WAITING", 5)
    results = await asyncio.gather(
        *(file_world.create_one(f"t{number}") for number in range(8)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, errors.ResourceExhausted)]
    assert [str(refusal) for refusal in refused] == [
        "Too many calls are waiting for the store."
    ] * 3
    assert len(await file_world.listed()) == 5


async def test_too_many_waiting_bytes_are_refused(file_world, monkeypatch):
    monkeypatch.setattr(group_commit, "MAX_WAITING_BYTES", 1_000)
    results = await asyncio.gather(
        *(file_world.create_one(request=b"x" * 400) for _ in range(4)), return_exceptions=True
    )
    assert [isinstance(result, errors.ResourceExhausted) for result in results] == [
        False, False, True, True,
    ]  # fmt: skip
    await file_world.create_one(request=b"x" * 1_000)


async def test_results_of_attempts_are_never_refused(file_world, monkeypatch):
    await file_world.create("t")
    claim = await file_world.claim_one()
    monkeypatch.setattr(group_commit, "MAX_WAITING", 0)
    assert await file_world.settle(claim)
    assert await file_world.claim() == []
    assert await file_world.store.release("server", file_world.now) == 0


async def test_a_group_is_bounded(file_world, statements, together, monkeypatch):
    monkeypatch.setattr(group_commit, "MAX_GROUP", 10)
    await together(*(file_world.create_one() for _ in range(50)))
    assert commits(statements) == 5


async def test_an_update_of_a_queue_that_has_changed_does_not_break_its_group(
    file_world, statements, together
):
    stale = swap(queue(rate=1), queue(rate=2))
    lost, *names = await together(
        later(file_world.store.update_queue, full("q"), stale, file_world.now),
        *(file_world.create_one() for _ in range(50)),
    )
    assert isinstance(lost, QueueChangedError)
    assert sorted(await file_world.listed()) == sorted(names)
    assert commits(statements) == 1


async def test_names_and_documents_count_as_bytes_that_wait(file_world, monkeypatch):
    monkeypatch.setattr(group_commit, "MAX_WAITING_BYTES", 1_000)
    name, now = f"{full('q')}/tasks/t", file_world.now
    items = Deletions([name] * 100)
    for call in (
        file_world.store.delete_tasks([name] * 100, now),
        file_world.store.put_document(Document("kind", "name", bytes(2_000))),
        file_world.store.run_batch(batch=Batch("o", now + 1, items), now=now),
    ):
        with pytest.raises(errors.ResourceExhausted):
            await call


async def test_an_error_after_a_write_undoes_the_write(file_world):
    def write_then_fail(session):
        documents.put_document(session, Document("kind", "name", b"content"))
        raise errors.Aborted("after a write")

    verb = single(write_then_fail, Phase.TASKS)
    with pytest.raises(errors.Aborted):
        await file_world.store.call(verb, ((), {}), 0)
    assert await file_world.store.get_document("kind", "name", file_world.now) is None


async def test_a_call_that_breaks_its_group_costs_few_transactions(
    file_world, statements, together
):
    def fail(_session):
        raise RuntimeError("a fault of one call")

    verb = single(fail, Phase.UPKEEP)
    *names, fault = await together(
        *(file_world.create_one() for _ in range(64)), file_world.store.call(verb, ((), {}), 0)
    )
    assert str(fault) == "a fault of one call"
    assert sorted(await file_world.listed()) == sorted(names)
    assert commits(statements) <= 7  # halves, quarters … of 65 calls

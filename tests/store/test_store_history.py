"""Attempts and tasks that failed for good are kept, bounded, and can be brought back."""

import dataclasses
import json

import pytest
from world import LIMITS, full, settlement

from drayman.core import errors, history
from drayman.core.clock import DAY
from drayman.core.history import AttemptRecord
from drayman.core.lifecycle import Verdict
from drayman.core.status import Code

QUEUE = full("q")


async def attempts(world, task=None, before=1 << 62, limit=10):
    found = await world.store.list_attempts(QUEUE, task, before, limit)
    return [kept.task[-1] for _, kept in found]


async def dead(world, code=None, after=0):
    return [each.task.name[-1] for each in await world.store.list_dead(QUEUE, code, after, 10)]


async def end(world, verdict, count=1, **fields):
    """Claim and settle ``count`` tasks with records; return their names."""
    found = await world.store.claim_due("s", count, {}, 1000, world.now)
    ended = [of(world, claim, verdict, **fields) for claim in found.claims]
    await world.store.settle(ended, world.now)
    return [claim.task.name for claim in found.claims]


def of(world, claim, verdict, **fields):
    kept = AttemptRecord(
        claim.task.name, "POST https://a.example/", 1, 1, 1, 2, 3, Code.INTERNAL, "words",
        verdict.value, "why", None, "oops",
    )  # fmt: skip
    return settlement(claim, verdict, world.now, record=kept, reason="why", **fields)


async def test_attempts_are_kept_the_latest_first(world):
    await world.queue()
    await world.try_create("a", "b", "c")
    names = await end(world, Verdict.COMPLETED, 3)
    found = await world.store.list_attempts(QUEUE, None, 1 << 62, 10)
    assert [kept.task for _, kept in found] == names[::-1]
    assert found[0][1].code is Code.INTERNAL
    assert found[0][1].answer == "oops"
    assert await attempts(world, before=found[0][0], limit=1) == ["b"]
    assert await attempts(world, "a") == ["a"]


async def test_a_task_that_fails_for_good_is_a_dead_letter(world):
    await world.queue()
    await world.try_create("a", request=b"body")
    (name,) = await end(world, Verdict.FAILED)
    (letter,) = await world.store.list_dead(QUEUE, None, 0, 10)
    assert letter == await world.store.get_dead(name)
    assert (letter.reason, letter.answer, letter.time) == ("why", "oops", world.now)
    assert letter.task.request == b"body"
    assert (letter.task.dispatch_count, letter.task.response_count) == (1, 1)
    assert letter.task.last_attempt.code is Code.INTERNAL
    assert letter.task.last_attempt.response_time == world.now


@pytest.mark.parametrize("verdict", [Verdict.COMPLETED, Verdict.RETRY])
async def test_others_are_not(world, verdict):
    await world.queue()
    await world.try_create("a")
    await end(world, verdict)
    assert await world.store.list_dead(QUEUE, None, 0, 10) == []


@pytest.mark.parametrize("verb", ["delete", "purge", "drop"])
async def test_what_was_deleted_in_flight_is_no_dead_letter(world, verb):
    await world.queue()
    await world.try_create("a")
    found = await world.store.claim_due("s", 1, {}, 1000, world.now)
    if verb == "delete":
        await world.store.delete_tasks([f"{QUEUE}/tasks/a"], world.now)
    elif verb == "purge":
        await world.store.purge_queue(QUEUE, world.now)
    else:
        await world.store.delete_queue(QUEUE, world.now)
    await world.store.settle([of(world, found.claims[0], Verdict.FAILED)], world.now)
    assert await world.store.list_dead(QUEUE, None, 0, 10) == []


async def test_dead_letters_are_listed_by_code_and_page(world):
    await world.queue()
    await world.try_create("a", "b", "c")
    await end(world, Verdict.FAILED, 2)
    await end(world, Verdict.FAILED, 1, code=Code.NOT_FOUND)
    (first,) = await world.store.list_dead(QUEUE, None, 0, 1)
    assert await dead(world, after=first.number) == ["b", "c"]
    assert await dead(world, Code.NOT_FOUND) == ["c"]


async def test_a_replayed_task_begins_anew_under_its_name(world):
    await world.queue()
    await world.try_create("a", None, request=b"body")
    names = await end(world, Verdict.FAILED, 2)
    world.advance(5)
    made = await world.store.replay_dead(names, world.now)
    assert [task.name for task in made] == names
    assert [task.dispatch_count for task in made] == [0, 0]
    assert await world.store.list_dead(QUEUE, None, 0, 10) == []
    assert sorted(await end(world, Verdict.COMPLETED, 2)) == sorted(names)


async def test_each_replay_stands_for_itself(world):
    await world.queue()
    await world.try_create("a")
    (name,) = await end(world, Verdict.FAILED)
    missing, made = await world.store.replay_dead([f"{QUEUE}/tasks/z", name], world.now)
    assert isinstance(missing, errors.NotFound)
    assert made.name == name
    await end(world, Verdict.FAILED)
    await world.store.delete_queue(QUEUE, world.now)
    (refused,) = await world.store.replay_dead([name], world.now)
    assert isinstance(refused, errors.NotFound)
    assert (await world.store.get_dead(name)).task.name == name  # it is still there


async def test_dead_letters_can_be_deleted(world):
    await world.queue()
    await world.try_create("a")
    (name,) = await end(world, Verdict.FAILED)
    none, refused = await world.store.delete_dead([name, name])
    assert none is None
    assert isinstance(refused, errors.NotFound)
    with pytest.raises(errors.NotFound):
        await world.store.get_dead(name)


async def test_old_dead_letters_are_swept(world):
    await world.queue()
    await world.try_create("a")
    await end(world, Verdict.FAILED)
    world.advance(LIMITS.dead_letters - 1)
    await world.store.sweep(world.now, 100)
    assert len(await world.store.list_dead(QUEUE, None, 0, 10)) == 1
    world.advance(1)
    await world.store.sweep(world.now, 100)
    assert await world.store.list_dead(QUEUE, None, 0, 10) == []


async def test_a_task_that_grew_too_old_is_a_dead_letter(world):
    await world.queue()
    await world.try_create("a", after=20 * DAY)
    world.advance(32 * DAY)
    await world.store.sweep(world.now, 100)
    (letter,) = await world.store.list_dead(QUEUE, None, 0, 10)
    assert letter.reason == "it has outlived its retention"
    assert letter.task.last_attempt is None


async def test_both_are_bounded(world, monkeypatch):
    monkeypatch.setattr(history, "ATTEMPTS_KEPT", 2)
    monkeypatch.setattr(history, "DEAD_KEPT", 2)
    await world.queue()
    await world.try_create("a", "b", "c")
    await end(world, Verdict.FAILED, 3)
    while await world.store.sweep(world.now, 1):
        pass
    assert await attempts(world) == ["c", "b"]
    assert await dead(world) == ["b", "c"]


async def test_it_is_rows_that_are_bounded_not_numbers(world, monkeypatch):
    monkeypatch.setattr(history, "DEAD_KEPT", 2)
    await world.queue()
    await world.try_create("a", "b", "c", "d")
    names = await end(world, Verdict.FAILED, 4)
    await world.store.delete_dead(names[1:3])
    await world.store.sweep(world.now, 100)
    assert await dead(world) == ["a", "d"]


async def test_dead_letters_are_bounded_in_bytes(world, monkeypatch):
    monkeypatch.setattr(history, "DEAD_BYTES", 25)
    await world.queue()
    await world.try_create("a", "b", "c", request=b"0123456789")
    names = await end(world, Verdict.FAILED, 3)
    assert await world.store.sweep(world.now, 100) == 1
    assert await dead(world) == ["b", "c"]
    await world.store.replay_dead(names[1:2], world.now)
    await end(world, Verdict.FAILED)
    assert await world.store.sweep(world.now, 100) == 0
    assert await dead(world) == ["c", "b"]


async def test_a_page_of_attempts_is_bounded_in_bytes(world):
    await world.queue()
    await world.try_create("a", "b", "c")
    await end(world, Verdict.COMPLETED, 3)
    whole = await world.store.list_attempts(QUEUE, None, 1 << 62, 10)
    weight = len(history.dumps(whole[0][1]))
    for size, count in ((1, 1), (3 * weight - 1, 2), (3 * weight, 3)):
        assert len(await world.store.list_attempts(QUEUE, None, 1 << 62, 10, size)) == count


async def test_a_page_of_dead_letters_is_bounded_in_bytes(world):
    await world.queue()
    await world.try_create("a", "b", "c", request=b"0123456789")
    await end(world, Verdict.FAILED, 3)
    for size, count in ((1, 1), (10, 1), (29, 2), (30, 3)):
        assert len(await world.store.list_dead(QUEUE, None, 0, 10, size)) == count


async def test_names_of_dead_letters_come_without_their_tasks(world):
    await world.queue()
    await world.try_create("a", "b")
    await end(world, Verdict.FAILED, 1)
    await end(world, Verdict.FAILED, 1, code=Code.NOT_FOUND)
    for code in (None, Code.NOT_FOUND):
        letters = await world.store.list_dead(QUEUE, code, 0, 10)
        expected = [(letter.number, letter.task.name) for letter in letters]
        assert await world.store.dead_names(QUEUE, code, 0, 10) == expected


async def test_a_name_that_dies_twice_is_one_letter_and_counted_once(world, monkeypatch):
    monkeypatch.setattr(history, "DEAD_KEPT", 2)
    await world.queue()
    await world.try_create("a", "b")
    await end(world, Verdict.FAILED, 2)
    world.advance(2 * DAY)
    await world.store.sweep(world.now, 100)
    await world.try_create("a")
    await end(world, Verdict.FAILED)
    assert await world.store.sweep(world.now, 100) == 0
    assert await dead(world) == ["b", "a"]


async def test_a_large_purge_does_not_keep_the_ledger_from_its_bounds(world, monkeypatch):
    monkeypatch.setattr(history, "ATTEMPTS_KEPT", 0)
    await world.queue()
    await world.try_create("a")
    await end(world, Verdict.COMPLETED)
    await world.try_create(*[None] * 50)
    await world.store.purge_queue(QUEUE, world.now)
    assert await world.store.sweep(world.now, 10) == 10
    assert await attempts(world) == []


def test_a_record_is_kept_as_it_is_and_old_ones_can_be_read():
    kept = AttemptRecord("t", "POST u", 1, 1, 1, 2, 3, Code.INTERNAL, "m", "retry", "", 9, "no")
    assert history.loads(history.dumps(kept)) == kept
    assert history.loads(json.dumps(dataclasses.astuple(kept))) == kept
    later = json.dumps(dataclasses.asdict(kept) | {"unheard_of": 1})
    assert history.loads(later) == kept

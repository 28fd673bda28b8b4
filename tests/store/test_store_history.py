"""Recorded attempts and dead letters: bounded, listed, replayed."""

import json

import pytest
from world import LIMITS, attempt_result, full

from drayman.core import errors, history
from drayman.core.clock import DAY
from drayman.core.delivery import Outcome
from drayman.core.history import AttemptRecord
from drayman.core.lifecycle import Verdict
from drayman.core.status import Code

QUEUE = full("q")


async def attempts(world, task=None, before=1 << 62, limit=10):
    page = await world.store.list_attempts(QUEUE, task, before, limit)
    return [attempt.task[-1] for _, attempt in page]


async def dead(world, after=0, **options):
    letters = await world.store.list_dead_letters(QUEUE, after, 10, **options)
    return [letter.task.name[-1] for letter in letters]


async def dead_letter(world, name):
    """Return the dead letter of a task, None if there is none."""
    task = name.rpartition("/")[2]
    letters = await world.store.list_dead_letters(QUEUE, 0, 10, task=task)
    return letters[0] if letters else None


async def end(world, verdict, count=1, **fields):
    """Claim and settle ``count`` tasks as samples; return their names."""
    claims = (await world.store.claim_due("s", count, {}, 1000, world.now)).claims
    await world.store.settle(
        [sample(world, claim, verdict, **fields) for claim in claims], world.now
    )
    return [claim.task.name for claim in claims]


def sample(world, claim, verdict, **fields):
    return attempt_result(
        claim, verdict, world.now, reason="why", target="POST https://a.example/",
        response_body="oops", sampled=True, **fields,
    )  # fmt: skip


async def test_attempts_are_listed_latest_first(world):
    await world.queue()
    await world.try_create("a", "b", "c")
    names = await end(world, Verdict.RETRY, 3)
    attempts_ = await world.store.list_attempts(QUEUE, None, 1 << 62, 10)
    assert [record.task for _, record in attempts_] == names[::-1]
    assert attempts_[0][1].outcome.code is Code.INTERNAL
    assert attempts_[0][1].response_body == "oops"
    assert await attempts(world, before=attempts_[0][0], limit=1) == ["b"]
    assert await attempts(world, "a") == ["a"]


async def test_a_task_that_fails_for_good_becomes_a_dead_letter(world):
    await world.queue()
    await world.try_create("a", request=b"body")
    (name,) = await end(world, Verdict.FAILED)
    (letter,) = await world.store.list_dead_letters(QUEUE, 0, 10)
    assert letter == await dead_letter(world, name)
    assert (letter.reason, letter.response_body, letter.time) == ("why", "oops", world.now)
    assert letter.task.request == b"body"
    assert (letter.task.dispatch_count, letter.task.response_count) == (1, 1)
    assert letter.task.last_attempt.code is Code.INTERNAL
    assert letter.task.last_attempt.response_time == world.now


@pytest.mark.parametrize("verdict", [Verdict.COMPLETED, Verdict.RETRY])
async def test_other_tasks_become_no_dead_letter(world, verdict):
    await world.queue()
    await world.try_create("a")
    await end(world, verdict)
    assert await world.store.list_dead_letters(QUEUE, 0, 10) == []


@pytest.mark.parametrize("verb", ["delete", "purge", "drop"])
async def test_a_task_deleted_in_flight_becomes_no_dead_letter(world, verb):
    await world.queue()
    await world.try_create("a")
    claimed = await world.store.claim_due("s", 1, {}, 1000, world.now)
    if verb == "delete":
        await world.store.delete_tasks([f"{QUEUE}/tasks/a"], world.now)
    elif verb == "purge":
        await world.store.purge_queue(QUEUE, world.now)
    else:
        await world.store.delete_queue(QUEUE, world.now)
    await world.store.settle([sample(world, claimed.claims[0], Verdict.FAILED)], world.now)
    assert await world.store.list_dead_letters(QUEUE, 0, 10) == []


async def test_dead_letters_are_listed_by_code_and_page(world):
    await world.queue()
    await world.try_create("a", "b", "c")
    await end(world, Verdict.FAILED, 2)
    await end(world, Verdict.FAILED, 1, code=Code.NOT_FOUND)
    (first,) = await world.store.list_dead_letters(QUEUE, 0, 1)
    assert await dead(world, after=first.number) == ["b", "c"]
    assert await dead(world, code=Code.NOT_FOUND) == ["c"]


async def test_a_replayed_task_starts_again_under_its_name(world):
    await world.queue()
    await world.try_create("a", None, request=b"body")
    names = await end(world, Verdict.FAILED, 2)
    world.advance(5)
    tasks = await world.store.replay_dead_letters(names, world.now)
    assert [task.name for task in tasks] == names
    assert [task.dispatch_count for task in tasks] == [0, 0]
    assert await world.store.list_dead_letters(QUEUE, 0, 10) == []
    assert sorted(await end(world, Verdict.COMPLETED, 2)) == sorted(names)


async def test_replays_succeed_or_fail_on_their_own(world):
    await world.queue()
    await world.try_create("a")
    (name,) = await end(world, Verdict.FAILED)
    missing, tasks = await world.store.replay_dead_letters([f"{QUEUE}/tasks/z", name], world.now)
    assert isinstance(missing, errors.NotFound)
    assert tasks.name == name
    await end(world, Verdict.FAILED)
    await world.store.delete_queue(QUEUE, world.now)
    (refused,) = await world.store.replay_dead_letters([name], world.now)
    assert isinstance(refused, errors.NotFound)
    assert (await dead_letter(world, name)).task.name == name  # it is still there


async def test_dead_letters_can_be_deleted(world):
    await world.queue()
    await world.try_create("a")
    (name,) = await end(world, Verdict.FAILED)
    none, refused = await world.store.delete_dead_letters([name, name])
    assert none is None
    assert isinstance(refused, errors.NotFound)
    assert await dead_letter(world, name) is None


async def test_old_dead_letters_are_swept(world):
    await world.queue()
    await world.try_create("a")
    await end(world, Verdict.FAILED)
    world.advance(LIMITS.retention.dead_letters - 1)
    await world.store.sweep(world.now, 100)
    assert len(await world.store.list_dead_letters(QUEUE, 0, 10)) == 1
    world.advance(1)
    await world.store.sweep(world.now, 100)
    assert await world.store.list_dead_letters(QUEUE, 0, 10) == []


async def test_a_task_beyond_its_retention_becomes_a_dead_letter(world):
    await world.queue()
    await world.try_create("a", after=20 * DAY)
    world.advance(32 * DAY)
    await world.store.sweep(world.now, 100)
    (letter,) = await world.store.list_dead_letters(QUEUE, 0, 10)
    assert letter.reason == "it has outlived its retention"
    assert letter.task.last_attempt is None


async def test_attempts_and_dead_letters_are_bounded(world, monkeypatch):
    monkeypatch.setattr(history, "MAX_ATTEMPTS", 2)
    monkeypatch.setattr(history, "MAX_DEAD_LETTERS", 2)
    await world.queue()
    await world.try_create("a", "b", "c")
    await end(world, Verdict.FAILED, 3)
    while await world.store.sweep(world.now, 1):
        pass
    assert await attempts(world) == ["c", "b"]
    assert await dead(world) == ["b", "c"]


async def test_the_bound_counts_rows_and_not_numbers(world, monkeypatch):
    monkeypatch.setattr(history, "MAX_DEAD_LETTERS", 2)
    await world.queue()
    await world.try_create("a", "b", "c", "d")
    names = await end(world, Verdict.FAILED, 4)
    await world.store.delete_dead_letters(names[1:3])
    await world.store.sweep(world.now, 100)
    assert await dead(world) == ["a", "d"]


async def test_dead_letters_are_bounded_in_bytes(world, monkeypatch):
    monkeypatch.setattr(history, "MAX_DEAD_LETTER_BYTES", 25)
    await world.queue()
    await world.try_create("a", "b", "c", request=b"0123456789")
    names = await end(world, Verdict.FAILED, 3)
    assert await world.store.sweep(world.now, 100) == 1
    assert await dead(world) == ["b", "c"]
    await world.store.replay_dead_letters(names[1:2], world.now)
    await end(world, Verdict.FAILED)
    assert await world.store.sweep(world.now, 100) == 0
    assert await dead(world) == ["c", "b"]


async def test_a_page_of_attempts_is_bounded_in_bytes(world):
    await world.queue()
    await world.try_create("a", "b", "c")
    await end(world, Verdict.COMPLETED, 3)
    whole = await world.store.list_attempts(QUEUE, None, 1 << 62, 10)
    weight = len(history.encode(whole[0][1]))
    for size, count in ((1, 1), (3 * weight - 1, 2), (3 * weight, 3)):
        assert len(await world.store.list_attempts(QUEUE, None, 1 << 62, 10, size)) == count


async def test_a_page_of_dead_letters_is_bounded_in_bytes(world):
    await world.queue()
    await world.try_create("a", "b", "c", request=b"0123456789")
    await end(world, Verdict.FAILED, 3)
    for size, count in ((1, 1), (10, 1), (29, 2), (30, 3)):
        assert len(await world.store.list_dead_letters(QUEUE, 0, 10, size)) == count


async def test_dead_letters_can_be_listed_without_their_requests(world):
    await world.queue()
    await world.try_create("a", "b", request=b"0123456789")
    await end(world, Verdict.FAILED, 1)
    await end(world, Verdict.FAILED, 1, code=Code.NOT_FOUND)
    for options in ({}, {"code": Code.NOT_FOUND}, {"task": "a"}):
        whole = await world.store.list_dead_letters(QUEUE, 0, 10, **options)
        names = await world.store.list_dead_letters(QUEUE, 0, 10, 1, **options, with_request=False)
        assert [letter.number for letter in names] == [letter.number for letter in whole]
        assert {letter.task.request for letter in names} == {b""}


async def test_two_failures_under_one_name_are_one_dead_letter(world, monkeypatch):
    monkeypatch.setattr(history, "MAX_DEAD_LETTERS", 2)
    await world.queue()
    await world.try_create("a", "b")
    await end(world, Verdict.FAILED, 2)
    world.advance(2 * DAY)
    await world.store.sweep(world.now, 100)
    await world.try_create("a")
    await end(world, Verdict.FAILED)
    assert await world.store.sweep(world.now, 100) == 0
    assert await dead(world) == ["b", "a"]


async def test_the_history_stays_bounded_during_a_large_purge(world, monkeypatch):
    monkeypatch.setattr(history, "MAX_ATTEMPTS", 0)
    await world.queue()
    await world.try_create("a")
    await end(world, Verdict.COMPLETED)
    await world.try_create(*[None] * 50)
    await world.store.purge_queue(QUEUE, world.now)
    assert await world.store.sweep(world.now, 10) == 10
    assert await attempts(world) == []


def test_a_record_is_decoded_as_encoded_and_unknown_fields_are_ignored():
    outcome = Outcome(
        success=False, code=Code.INTERNAL, message="m", responded=True, executed=False,
        previous_response=500,
    )  # fmt: skip
    record = AttemptRecord("t", 1, 1, 1, 2, 3, "POST u", outcome, "retry", "", 9, "no")
    assert history.decode(history.encode(record)) == record
    later = json.loads(history.encode(record))
    later |= {"unknown": 1, "outcome": later["outcome"] | {"unknown": 2}}
    assert history.decode(json.dumps(later)) == record


async def test_a_malformed_name_among_dead_letters_fails_alone(world):
    await world.queue()
    await world.try_create("a", "b")
    names = await end(world, Verdict.FAILED, 2)
    created, error = await world.store.replay_dead_letters([names[0], "garbage"], world.now)
    assert (created.name, type(error)) == (names[0], errors.InvalidArgument)
    error, deleted = await world.store.delete_dead_letters(["garbage", names[1]])
    assert (type(error), deleted) == (errors.InvalidArgument, None)

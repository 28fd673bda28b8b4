"""Backoff, limits, deadlines, counters and headers of attempts (reference 2.8, 3)."""

import pytest
from dispatch_world import HANG

from drayman.core.clock import DAY, MINUTE, SECOND
from drayman.core.delivery import Failure, NoResponse
from drayman.core.lifecycle import Verdict
from drayman.core.status import Code


@pytest.mark.parametrize(
    ("least", "most", "doublings", "delays"),
    [
        (10, 300, 3, [10, 20, 40, 80, 160, 240, 300, 300]),
        (10, 200, 0, [10, 20, 30, 40]),
        (5, 600, 4, [5, 10, 20, 40, 80, 160, 240, 320, 400, 480, 560, 600]),
        (1, 10, 2, [1, 2, 4, 8, 10, 10]),
    ],
)
async def test_delays_double_then_grow_by_a_constant_then_stay(
    world, least, most, doublings, delays
):
    queue = await world.queue(
        min_backoff=least * SECOND, max_backoff=most * SECOND, max_doublings=doublings
    )
    name = await world.task(queue)
    world.targets.otherwise = 500
    await world.run()
    assert [await world.when_due(name) / SECOND for _ in delays] == delays


async def test_a_delay_counts_from_the_end_of_the_failed_attempt(world):
    name = await world.task(await world.queue(min_backoff=60 * SECOND))
    world.targets.will(HANG)
    began = world.now
    await world.step()
    await world.targets.arrived(1)
    world.clock.advance(10 * MINUTE)
    await world.dispatcher.drain()
    assert (await world.get(name)).schedule_time == began + 10 * MINUTE + 60 * SECOND


async def test_a_task_ends_with_its_last_attempt(world):
    name = await world.task(await world.queue(max_attempts=3, min_backoff=0))
    world.targets.otherwise = 500
    assert [await world.run() for _ in range(4)] == [1, 1, 1, 0]
    assert await world.gone(name)
    assert world.last_end.verdict is Verdict.FAILED


async def test_a_task_with_both_limits_fails_when_both_are_reached(world):
    queue = await world.queue(
        max_attempts=2, max_retry_duration=25 * SECOND,
        min_backoff=10 * SECOND, max_backoff=10 * SECOND,
    )  # fmt: skip
    name = await world.task(queue)
    world.targets.otherwise = 500
    await world.run()
    while not await world.gone(name):
        await world.when_due(name)
    assert len(world.requests) == 4  # at 0, 10, 20 s; the one at 30 s is past both


async def test_a_duration_alone_ends_a_task(world):
    queue = await world.queue(
        max_attempts=-1, max_retry_duration=15 * SECOND,
        min_backoff=10 * SECOND, max_backoff=10 * SECOND,
    )  # fmt: skip
    name = await world.task(queue)
    world.targets.otherwise = 500
    await world.run()
    while not await world.gone(name):
        await world.when_due(name)
    assert len(world.requests) == 3


@pytest.mark.parametrize(
    ("max_attempts", "duration", "backoff", "attempts"),
    [(3, 0, (1, 1, 0), [0, 1, 2]), (-1, 3, (2, 2, 0), [0, 2, 4]), (2, 3, (2, 2, 0), [0, 2, 4]),
     (4, 1, (1, 1, 0), [0, 1, 2, 3]), (6, 0, (1, 7, 1), [0, 1, 3, 7, 13, 20])],
)  # fmt: skip
async def test_retries_follow_the_recorded_sequences(
    world, max_attempts, duration, backoff, attempts
):
    """Recorded: retries. The attempts are in seconds after the first."""
    least, most, doublings = backoff
    queue = await world.queue(
        max_attempts=max_attempts, max_retry_duration=duration * SECOND,
        min_backoff=least * SECOND, max_backoff=most * SECOND, max_doublings=doublings,
    )  # fmt: skip
    name, start = await world.task(queue), world.now
    world.targets.otherwise = 500
    await world.run()
    times = [0]
    while not await world.gone(name):
        await world.when_due(name)
        times.append((world.now - start) // SECOND)
    assert times == attempts


async def test_unlimited_retries_end_with_the_retention(world):
    name = await world.task(
        await world.queue(max_attempts=-1, min_backoff=DAY, max_backoff=10 * DAY)
    )
    world.targets.otherwise = 500
    await world.run()
    while not await world.gone(name):
        await world.when_due(name)
    assert world.last_end.reason == "it would outlive its retention"


async def test_nothing_of_the_queue_applies_to_a_task_with_a_policy(world):
    """Recorded: unset fields of a task's retry_config are filled in when it is created."""
    queue = await world.queue(max_backoff=10 * SECOND, max_attempts=1)
    name = await world.task(queue, of_task={"retry_config": {"min_backoff": {"seconds": 100}}})
    world.targets.otherwise = 500
    assert await world.run() == 1
    assert await world.when_due(name) == 100 * SECOND


async def test_a_task_policy_wins_over_the_queue(world):
    queue = await world.queue(max_attempts=100, min_backoff=SECOND)
    name = await world.task(
        queue, of_task={"retry_config": {"max_attempts": 2, "min_backoff": {"seconds": 7}}}
    )
    world.targets.otherwise = 500
    await world.run()
    assert await world.when_due(name) == 7 * SECOND
    assert await world.gone(name)


@pytest.mark.parametrize(
    ("app_engine", "previous", "reason"),
    [(False, "504", ""), (True, "0", "Instance Unavailable")],
)
async def test_a_deadline_ends_an_attempt(world, app_engine, previous, reason):
    world.start(app_engine={"": "http://app.example"})
    queue = await world.queue()
    name = await world.task(
        queue, app_engine=app_engine, url="/x" if app_engine else "https://a.example/",
        of_task={"dispatch_deadline": {"seconds": 15}},
    )  # fmt: skip
    world.targets.will(HANG)
    await world.step()
    await world.targets.arrived(1)
    world.clock.advance(15 * SECOND - 1)
    assert world.dispatcher.in_flight == 1
    world.clock.advance(1)
    await world.dispatcher.drain()
    task = await world.get(name)
    assert task.last_attempt.code is Code.DEADLINE_EXCEEDED
    assert (task.dispatch_count, task.response_count) == (1, 0)
    await world.when_due(name)
    prefix = "X-AppEngine-Task" if app_engine else "X-CloudTasks-Task"
    headers = world.requests[1].headers
    assert headers[prefix + "PreviousResponse"] == previous
    assert headers[prefix + "RetryReason"] == reason
    assert headers[prefix + "ExecutionCount"] == "0"
    assert headers[prefix + "RetryCount"] == "1"


async def sequence(world, queue, answers, **fields):
    name = await world.task(queue, **fields)
    world.targets.will(*answers)
    await world.run()
    for _ in answers:
        await world.when_due(name) if not await world.gone(name) else None
    prefix = "X-AppEngine-Task" if fields.get("app_engine") else "X-CloudTasks-Task"
    words = ("RetryCount", "ExecutionCount", "PreviousResponse", "RetryReason")
    return [tuple(r.headers.get(prefix + word) for word in words) for r in world.requests]


async def test_http_targets_get_the_headers_of_the_real_service(world):
    heard = await sequence(world, await world.queue(), [503, 404, 429, 500, 302])
    assert heard == [
        ("0", "0", None, None),
        ("1", "0", "503", ""),
        ("2", "1", "404", ""),
        ("3", "2", "429", ""),
        ("4", "2", "500", ""),
        ("5", "3", "302", ""),
    ]


async def test_app_engine_targets_get_the_headers_of_the_real_service(world):
    world.start(app_engine={"": "http://app.example"})
    heard = await sequence(
        world, await world.queue(), [503, 404, 429, 500, 302], app_engine=True, url="/x"
    )
    assert heard == [
        ("0", "0", None, None),
        ("1", "1", "503", "App Error"),
        ("2", "2", "404", "App Error"),
        ("3", "3", "429", "App Error"),
        ("4", "4", "500", "App Error"),
        ("5", "5", "302", "App Error"),
    ]


async def test_a_request_names_its_queue_and_task_by_their_short_ids(world):
    queue = await world.queue("mail")
    message_name = f"{queue}/tasks/welcome"
    await world.task(
        queue, of_task={"name": message_name}, body=b"hi",
        headers={"X-Mine": "1", "x-cloudtasks-queuename": "forged", "Host": "forged"},
    )  # fmt: skip
    await world.run()
    (request,) = world.requests
    assert (request.method, request.body) == ("POST", b"hi")
    assert request.url == "https://worker.example/do?it=1"
    assert request.headers == {
        "X-Mine": "1",
        "User-Agent": "Google-Cloud-Tasks",
        "X-CloudTasks-QueueName": "mail",
        "X-CloudTasks-TaskName": "welcome",
        "X-CloudTasks-TaskRetryCount": "0",
        "X-CloudTasks-TaskExecutionCount": "0",
        "X-CloudTasks-TaskETA": "1700000000",
    }


async def test_attempts_are_recorded(world):
    name = await world.task(await world.queue(min_backoff=SECOND), delay=5 * SECOND)
    due = world.now + 5 * SECOND
    world.clock.advance(6 * SECOND)
    world.targets.will(403, NoResponse(Failure.CONNECTION, "refused"))
    await world.run()
    task = await world.get(name)
    assert (task.dispatch_count, task.response_count) == (1, 1)
    assert task.first_dispatch_time == world.now
    assert (task.last_attempt.schedule_time, task.last_attempt.dispatch_time) == (due, world.now)
    assert task.last_attempt.code is Code.PERMISSION_DENIED
    assert task.last_attempt.message == "PERMISSION_DENIED(7): HTTP status code 403"
    first = world.now
    await world.when_due(name)
    task = await world.get(name)
    assert (task.dispatch_count, task.response_count) == (2, 1)
    assert task.first_dispatch_time == first
    assert task.last_attempt.response_time == world.now
    assert task.last_attempt.message == "UNKNOWN(2): HTTP status code 0"


async def test_an_attempt_in_flight_is_included_in_the_dispatch_count(world):
    name = await world.task(await world.queue())
    world.targets.will(HANG)
    await world.step()
    task = await world.get(name)
    assert (task.dispatch_count, task.response_count) == (1, 0)
    assert task.last_attempt.response_time is None


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_any_2xx_is_success(world, status):
    name = await world.task(await world.queue())
    world.targets.will(status)
    await world.run()
    assert await world.gone(name)


@pytest.mark.parametrize("status", [300, 301, 302, 307, 400, 404, 429, 500, 599])
async def test_any_other_status_is_failure(world, status):
    name = await world.task(await world.queue())
    world.targets.will(status)
    await world.run()
    assert not await world.gone(name)

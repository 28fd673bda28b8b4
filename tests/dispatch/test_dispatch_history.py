"""Which attempts are kept, and what of them; dead letters; Google's log lines."""

import asyncio
import json

import pytest
from dispatch_world import HANG

from drayman.core.clock import SECOND
from drayman.core.delivery import Response
from drayman.core.lifecycle import SettleResult
from drayman.core.status import Code
from drayman.encryption.cipher import TaskCipher
from drayman.observe import log
from drayman.observe.activity_log import ActivityLog
from drayman.tasks_v2 import types
from drayman.wire import tasks

Queue = types.Queue.pb()


def sampling(ratio):
    return Queue(stackdriver_logging_config={"sampling_ratio": ratio}).SerializeToString()


async def kept(world, queue):
    return [each for _, each in await world.store.list_attempts(queue, None, 1 << 62, 1000)]


async def activity_entries(world):
    """Return what the activity log writes of the events so far."""
    lines = []

    def write(line):
        lines.append(line)
        return True

    log = ActivityLog(world.store.get_queue, TaskCipher({}), write)
    for event in world.events:
        log.record(event)
    await log.close()
    return [json.loads(line) for line in lines]


async def test_an_attempt_is_recorded_with_its_response(world):
    queue = await world.queue(settings=sampling(1.0), min_backoff=7 * SECOND)
    name = await world.task(queue, url="https://a.example/x?y", http_method="PUT")
    world.targets.will(Response(500, {}, b"stack trace \xff"))
    await world.run()
    (attempt,) = await kept(world, queue)
    assert attempt.task == name
    assert attempt.target == "PUT https://a.example/x?y"
    assert (attempt.number, attempt.response_count, attempt.outcome.code) == (1, 0, Code.INTERNAL)
    assert attempt.response_body == "stack trace \ufffd"
    assert (attempt.result, attempt.retry_time) == ("retry", world.now + 7 * SECOND)


@pytest.mark.parametrize(("ratio", "least", "most"), [(0.0, 0, 0), (0.5, 60, 140), (1.0, 200, 200)])
async def test_the_sampling_ratio_selects_attempts(world, ratio, least, most):
    queue = await world.queue(settings=sampling(ratio), burst=200)
    await world.tasks(queue, 200)
    await world.run()
    assert least <= len(await kept(world, queue)) <= most


async def test_failed_attempts_are_always_recorded(world):
    queue = await world.queue(max_attempts=2, min_backoff=0)
    name = await world.task(queue, body=b"precious")
    world.targets.will(500, Response(404, {}, b"no such thing"))
    await world.run()
    (waits,) = await kept(world, queue)
    assert (waits.task, waits.number, waits.result) == (name, 1, "retry")
    await world.run()
    attempt, _ = await kept(world, queue)
    assert (attempt.number, attempt.result) == (2, "failed")
    letter = await world.dead_letter(name)
    assert letter.reason == "all 2 attempts failed"
    assert letter.response_body == "no such thing"
    assert letter.task.last_attempt.code is Code.NOT_FOUND
    assert letter.task.dispatch_count == 2
    world.targets.otherwise = 200
    await world.store.replay_dead_letters([name], world.now)
    await world.run()
    assert world.requests[-1].body == b"precious"
    assert world.requests[-1].headers["X-CloudTasks-TaskRetryCount"] == "0"
    assert await world.gone(name)


async def test_a_task_refused_by_its_handler_becomes_a_dead_letter(world):
    name = await world.task(await world.queue())
    world.targets.will(Response(400, {"drayman-retry": "never"}))
    await world.run()
    assert (await world.dead_letter(name)).reason == "its handler refused it"


async def test_a_response_body_that_is_not_text_is_recorded(world):
    name = await world.task(await world.queue(max_attempts=1))
    world.targets.will(Response(500, {}, b"a\0b\xff"))
    await world.run()
    assert (await world.dead_letter(name)).response_body == "a\ufffdb\ufffd"


async def test_a_record_says_what_became_of_the_task(world):
    queue = await world.queue(max_attempts=2)
    name = await world.task(queue)
    slow = asyncio.get_running_loop().create_future()

    async def send(request):
        world.requests.append(request)
        return await slow if len(world.requests) == 1 else Response(500)

    world.targets.send = send
    await world.step()
    await world.store.run_task(name, world.now)
    while len(world.events) < 1:
        await world.step()
    slow.set_result(Response(200))
    await world.dispatcher.drain()
    second, first = world.events
    assert (second.settled, first.settled) == (SettleResult.SUPERSEDED, SettleResult.SETTLED)
    (superseded,) = await kept(world, queue)  # of the first no record is asked for
    assert (superseded.result, superseded.reason) == ("superseded", "")
    assert await world.store.list_dead_letters(queue, 0, 10) == []


async def test_a_failed_attempt_of_a_deleted_task_is_recorded_as_gone(world, caplog):
    caplog.set_level("INFO", "drayman")
    queue = await world.queue(settings=sampling(1.0), max_attempts=1)
    name = await world.task(queue)
    answer = asyncio.get_running_loop().create_future()
    world.targets.send = lambda _: answer
    await world.step()
    await world.store.delete_tasks([name], world.now)
    answer.set_result(Response(500))
    await world.dispatcher.drain()
    (gone,) = await kept(world, queue)
    assert (gone.result, gone.reason, gone.retry_time) == ("gone", "", None)
    for event in world.events:
        log.record(event)
    assert "the task has been deleted" in caplog.text
    assert "failed permanently" not in caplog.text


async def test_log_lines_depend_on_the_sampling_ratio_only(world):
    await world.task(await world.queue(max_attempts=1))
    world.targets.will(500)
    await world.run()
    assert await activity_entries(world) == []


async def test_a_log_line_is_written_when_an_attempt_starts(world):
    await world.task(await world.queue(settings=sampling(1.0)))
    world.targets.will(HANG)
    await world.step()
    await world.targets.arrived(1)
    (entry,) = await activity_entries(world)
    assert "attemptDispatchLog" in entry["jsonPayload"]


async def test_log_lines_have_the_format_of_the_real_log(world):
    queue = await world.queue("mail", settings=sampling(1.0), min_backoff=60 * SECOND)
    await world.task(queue, url="https://a.example/", of_task={"name": f"{queue}/tasks/t"})
    world.targets.will(500)
    await world.run()
    dispatch, response = await activity_entries(world)
    began = dispatch["jsonPayload"]["attemptDispatchLog"]
    assert began["targetAddress"] == "POST https://a.example/"
    assert began["dispatchReason"] == "SCHEDULE"
    assert response == {
        "severity": "ERROR",
        "timestamp": "2023-11-14T22:13:20Z",
        "logName": "projects/p/logs/cloudtasks.googleapis.com%2Ftask_operations_log",
        "resource": {
            "type": "cloud_tasks_queue",
            "labels": {"project_id": "p", "location": "l", "queue_id": "mail"},
        },
        "jsonPayload": {
            "@type": "type.googleapis.com/google.cloud.tasks.logging.v1.TaskActivityLog",
            "task": f"{queue}/tasks/t",
            "attemptResponseLog": {
                "attemptDuration": "0.000000s",
                "dispatchCount": "1",
                "maxAttempts": 100,
                "responseCount": "0",
                "retryTime": "2023-11-14T22:14:20Z",
                "scheduleTime": "2023-11-14T22:13:20Z",
                "status": "INTERNAL",
                "targetAddress": "POST https://a.example/",
                "targetType": "HTTP",
            },
        },
    }


async def test_log_lines_show_the_policy_of_the_task_itself(world):
    world.start(app_engine={"": "https://app.example"})
    queue = await world.queue(settings=sampling(1.0), max_attempts=100)
    name = await world.task(
        queue, app_engine=True, url="/x?u=a://b", of_task={"retry_config": {"max_attempts": 3}}
    )
    world.targets.will(500, 500)
    await world.run()
    await world.when_due(name)
    await world.run()
    await world.store.run_task(name, world.now)
    await world.run()
    payloads = [entry["jsonPayload"] for entry in await activity_entries(world)]
    began = [each["attemptDispatchLog"] for each in payloads[::2]]
    ended = [each["attemptResponseLog"] for each in payloads[1::2]]
    assert [each["dispatchReason"] for each in began] == ["SCHEDULE", "RETRY", "RUN_TASK"]
    assert {each["targetType"] for each in began + ended} == {"APP_ENGINE_HTTP"}
    assert {each["maxAttempts"] for each in began + ended} == {3}


async def test_an_encrypted_task_is_replayed_as_it_was(world):
    cipher = TaskCipher({"key": b"k" * 32})
    world.start(cipher=cipher)
    queue = await world.queue(max_attempts=1)
    message = types.Task.pb()(http_request={"url": "https://a.example/", "body": b"secret"})
    new = tasks.parse(queue, message, world.now, world.limits.task)
    sealed = new._replace(request=cipher.seal("key", new.request))
    (created,) = await world.store.create_tasks(queue, [sealed], world.now)
    world.targets.will(500)
    await world.run()
    assert b"secret" not in (await world.dead_letter(created.name)).task.request
    await world.store.replay_dead_letters([created.name], world.now)
    await world.run()
    assert [request.body for request in world.requests] == [b"secret", b"secret"]


async def test_a_task_whose_key_is_missing_is_a_failed_attempt(world):
    cipher = TaskCipher({"key": b"k" * 32})
    queue = await world.queue()
    message = types.Task.pb()(http_request={"url": "https://a.example/", "body": b"secret"})
    new = tasks.parse(queue, message, world.now, world.limits.task)
    sealed = new._replace(request=cipher.seal("key", new.request))
    (created,) = await world.store.create_tasks(queue, [sealed], world.now)
    await world.run()
    assert world.requests == []
    assert "key" in (await world.get(created.name)).last_attempt.message

"""Batches give the futures of google.api_core, with our messages in them."""

import logging
import subprocess
import sys

import grpc
import pytest
from google.api_core import exceptions, operation, operation_async
from google.api_core import retry as retries
from google.cloud import tasks_v2 as google_tasks
from google.longrunning import operations_pb2
from google.rpc import status_pb2
from recording import Failure
from samples import LOCATION, QUEUE, TASK

from drayman import tasks

NAME = f"{LOCATION}/operations/7"


def state(*, done=False, result=None, error=None):
    made = operations_pb2.Operation(name=NAME, done=done)
    made.metadata.Pack(
        google_tasks.BatchCreateTasksMetadata.pb(google_tasks.BatchCreateTasksMetadata(state=2))
    )
    if result is not None:
        made.response.Pack(type(result).pb(result))
    if error is not None:
        made.error.CopyFrom(error)
    return made


DONE = state(done=True, result=google_tasks.BatchCreateTasksResponse(tasks=[{"name": TASK}]))


def test_a_result_is_our_message(client, recorder):
    recorder.answers.extend([state().SerializeToString(), DONE.SerializeToString()])
    future = client.batch_create_tasks(parent=QUEUE, requests=[])
    assert isinstance(future, operation.Operation)
    assert isinstance(future.metadata, tasks.BatchCreateTasksMetadata)
    assert future.metadata.state == 2
    result = future.result()
    assert isinstance(result, tasks.BatchCreateTasksResponse)
    assert result.tasks[0].name == TASK
    assert [one.method for one in recorder.take()] == [
        "/google.cloud.tasks.v2.CloudTasks/BatchCreateTasks",
        "/google.longrunning.Operations/GetOperation",
    ]


async def test_an_async_result_is_our_message(recorder, monkeypatch):
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", recorder.address)
    recorder.answers.extend([state().SerializeToString(), DONE.SerializeToString()])
    async with tasks.CloudTasksAsyncClient() as client:
        future = await client.batch_create_tasks(parent=QUEUE, requests=[])
        assert isinstance(future, operation_async.AsyncOperation)
        assert (await future.result()).tasks[0].name == TASK
        recorder.answers.extend([state().SerializeToString(), b""])
        assert await (await client.batch_delete_tasks(parent=QUEUE, names=[])).cancel()
    assert recorder.take()[-1].method == "/google.longrunning.Operations/CancelOperation"


def test_an_error_is_raised(client, recorder):
    error = status_pb2.Status(code=10, message="nothing was deleted")
    recorder.answers.append(state(done=True, error=error).SerializeToString())
    future = client.batch_delete_tasks(parent=QUEUE, names=[TASK])
    with pytest.raises(exceptions.Aborted, match="nothing was deleted"):
        future.result()


def test_an_operation_can_be_cancelled(client, recorder):
    recorder.answers.extend([state().SerializeToString(), state().SerializeToString(), b""])
    assert client.batch_delete_tasks(parent=QUEUE, names=[]).cancel()
    assert recorder.take()[-1].method == "/google.longrunning.Operations/CancelOperation"


LATER = Failure(grpc.StatusCode.UNAVAILABLE, "later")


def test_a_poll_is_repeated_while_the_server_is_unavailable(client, recorder):
    recorder.answers.extend([state().SerializeToString(), LATER, DONE.SerializeToString()])
    assert client.batch_create_tasks(parent=QUEUE, requests=[]).result().tasks[0].name == TASK
    polls = recorder.take()[1:]
    assert [one.method.rpartition("/")[2] for one in polls] == ["GetOperation"] * 2
    assert all(10 < one.timeout < 21 for one in polls)


async def test_an_async_poll_is_repeated_too(recorder, monkeypatch):
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", recorder.address)
    recorder.answers.extend([state().SerializeToString(), LATER, DONE.SerializeToString()])
    async with tasks.CloudTasksAsyncClient() as client:
        future = await client.batch_create_tasks(parent=QUEUE, requests=[])
        assert (await future.result()).tasks[0].name == TASK
    assert all(10 < one.timeout < 21 for one in recorder.take()[1:])


def test_a_poll_is_repeated_as_the_caller_says(client, recorder):
    recorder.answers.extend([state().SerializeToString(), LATER])
    future = client.batch_create_tasks(parent=QUEUE, requests=[])
    with pytest.raises(exceptions.ServiceUnavailable):
        future.result(retry=retries.Retry(predicate=lambda _: False))


@pytest.fixture
def logged():
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("google.cloud.tasks_v2")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield records
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)


def test_operations_are_logged_with_our_messages_in_them(client, recorder, logged):
    recorder.answers.extend([DONE.SerializeToString()] * 2)
    client.batch_create_tasks(parent=QUEUE, requests=[])
    state = client.get_operation({"name": NAME})
    assert state.response.Is(tasks.BatchCreateTasksResponse.pb().DESCRIPTOR)
    assert [TASK in one.response["payload"] for one in logged if hasattr(one, "response")] == [
        True,
        True,
    ]


def test_what_cannot_be_shown_does_not_fail_the_call(client, recorder, logged):
    strange = operations_pb2.Operation(name=NAME)
    strange.metadata.type_url = "type.googleapis.com/of.another.World"
    recorder.answers.append(strange.SerializeToString())
    assert client.get_operation({"name": NAME}).name == NAME
    assert "of.another.World" in logged[-1].response["payload"]


def as_json(**more):
    packed = "type.googleapis.com/google.cloud.tasks.v2.BatchCreateTasks"
    return {"name": NAME, "metadata": {"@type": f"{packed}Metadata", "state": "RUNNING"}, **more}


def test_over_rest_too(rest_client, rest_recorder):
    packed = "type.googleapis.com/google.cloud.tasks.v2.BatchCreateTasksResponse"
    response = {"@type": packed, "tasks": [{"name": TASK}]}
    rest_recorder.answers.extend([(200, as_json()), (200, as_json(done=True, response=response))])
    future = rest_client.batch_create_tasks(parent=QUEUE, requests=[])
    assert future.metadata.state == 1
    assert future.result().tasks[0].name == TASK
    assert [one.path.split("?")[0] for one in rest_recorder.take()] == [
        f"/v2/{QUEUE}/tasks:batchCreate",
        f"/v2/{NAME}",
    ]


def test_over_rest_an_operation_can_be_cancelled(rest_client, rest_recorder):
    rest_recorder.answers.extend([(200, as_json())] * 2)
    assert rest_client.batch_delete_tasks(parent=QUEUE, names=[]).cancel()
    assert rest_recorder.take()[-1].path.split("?")[0] == f"/v2/{NAME}:cancel"


def test_googles_messages_are_not_needed(recorder):
    """Without Google's package in the process nobody else knows the names in an operation."""
    recorder.answers.append(DONE.SerializeToString())
    script = f"""
import sys
from drayman import tasks
future = tasks.CloudTasksClient().batch_create_tasks(parent={QUEUE!r}, requests=[])
print(future.result().tasks[0].name, "google.cloud.tasks_v2" in sys.modules)
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={"CLOUD_TASKS_EMULATOR_HOST": recorder.address},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == [TASK, "False"]


def test_the_operations_client_is_googles(client, rest_client, recorder, rest_recorder):
    recorder.answers.append(DONE.SerializeToString())
    assert client.transport.operations_client.get_operation(NAME).name == NAME
    assert client.transport.operations_client is client.transport.operations_client
    assert rest_client.transport.operations_client is rest_client.transport.operations_client
    rest_recorder.answers.append((200, {"name": NAME}))
    assert rest_client.transport.operations_client.get_operation(NAME).name == NAME
    assert rest_recorder.take()[0].path == f"/v2/{NAME}"
    assert isinstance(client.transport.grpc_channel, grpc.Channel)

"""Batches return futures of google.api_core with messages of our package."""

import subprocess
import sys

import grpc
import pytest
from google.api_core import exceptions, operation, operation_async
from google.api_core import retry as retries
from google.cloud import tasks_v2 as google_tasks
from google.longrunning import operations_pb2
from google.rpc import status_pb2
from recorders import Failure
from samples import LOCATION, QUEUE, TASK

from drayman import tasks

NAME = f"{LOCATION}/operations/7"


def operation_state(*, done=False, result=None, error=None):
    state = operations_pb2.Operation(name=NAME, done=done)
    state.metadata.Pack(
        google_tasks.BatchCreateTasksMetadata.pb(google_tasks.BatchCreateTasksMetadata(state=2))
    )
    if result is not None:
        state.response.Pack(type(result).pb(result))
    if error is not None:
        state.error.CopyFrom(error)
    return state.SerializeToString()


RUNNING = operation_state()
DONE = operation_state(
    done=True, result=google_tasks.BatchCreateTasksResponse(tasks=[{"name": TASK}])
)


def test_a_result_is_a_message_of_our_package(client, recorder):
    recorder.responses.extend([RUNNING, DONE])
    future = client.batch_create_tasks(parent=QUEUE, requests=[])
    assert isinstance(future, operation.Operation)
    assert isinstance(future.metadata, tasks.BatchCreateTasksMetadata)
    assert future.metadata.state == 2
    result = future.result()
    assert isinstance(result, tasks.BatchCreateTasksResponse)
    assert result.tasks[0].name == TASK
    assert [call.method for call in recorder.take()] == [
        "/google.cloud.tasks.v2.CloudTasks/BatchCreateTasks",
        "/google.longrunning.Operations/GetOperation",
    ]


async def test_an_async_result_is_a_message_of_our_package(async_client, recorder):
    recorder.responses.extend([RUNNING, DONE])
    future = await async_client.batch_create_tasks(parent=QUEUE, requests=[])
    assert isinstance(future, operation_async.AsyncOperation)
    assert (await future.result()).tasks[0].name == TASK


async def test_an_async_operation_can_be_cancelled(async_client, recorder):
    recorder.responses.extend([RUNNING, RUNNING, b""])
    assert await (await async_client.batch_delete_tasks(parent=QUEUE, names=[])).cancel()
    assert recorder.take()[-1].method == "/google.longrunning.Operations/CancelOperation"


def test_the_error_of_an_operation_is_raised(client, recorder):
    error = status_pb2.Status(code=10, message="nothing was deleted")
    recorder.responses.append(operation_state(done=True, error=error))
    future = client.batch_delete_tasks(parent=QUEUE, names=[TASK])
    with pytest.raises(exceptions.Aborted, match="nothing was deleted"):
        future.result()


def test_an_operation_can_be_cancelled(client, recorder):
    recorder.responses.extend([RUNNING, RUNNING, b""])
    assert client.batch_delete_tasks(parent=QUEUE, names=[]).cancel()
    assert recorder.take()[-1].method == "/google.longrunning.Operations/CancelOperation"


UNAVAILABLE = Failure(grpc.StatusCode.UNAVAILABLE, "later")


def test_a_poll_is_retried_while_the_server_is_unavailable(client, recorder):
    recorder.responses.extend([RUNNING, UNAVAILABLE, DONE])
    assert client.batch_create_tasks(parent=QUEUE, requests=[]).result().tasks[0].name == TASK
    polls = recorder.take()[1:]
    assert [poll.method.rpartition("/")[2] for poll in polls] == ["GetOperation"] * 2
    assert all(10 < poll.timeout < 21 for poll in polls)


async def test_an_async_poll_is_retried_while_the_server_is_unavailable(async_client, recorder):
    recorder.responses.extend([RUNNING, UNAVAILABLE, DONE])
    future = await async_client.batch_create_tasks(parent=QUEUE, requests=[])
    assert (await future.result()).tasks[0].name == TASK
    assert all(10 < call.timeout < 21 for call in recorder.take()[1:])


def test_a_poll_is_retried_by_the_retry_of_the_caller(client, recorder):
    recorder.responses.extend([RUNNING, UNAVAILABLE])
    future = client.batch_create_tasks(parent=QUEUE, requests=[])
    with pytest.raises(exceptions.ServiceUnavailable):
        future.result(retry=retries.Retry(predicate=lambda _: False))


def test_operations_are_logged_with_their_contents(client, recorder, log_records):
    recorder.responses.extend([DONE] * 2)
    client.batch_create_tasks(parent=QUEUE, requests=[])
    state = client.get_operation({"name": NAME})
    assert state.response.Is(tasks.BatchCreateTasksResponse.pb().DESCRIPTOR)
    responses = [record.response for record in log_records if hasattr(record, "response")]
    assert [TASK in response["payload"] for response in responses] == [True, True]


def test_contents_of_an_unknown_type_do_not_fail_the_call(client, recorder, log_records):
    state = operations_pb2.Operation(name=NAME)
    state.metadata.type_url = "type.googleapis.com/unknown.Type"
    recorder.responses.append(state.SerializeToString())
    assert client.get_operation({"name": NAME}).name == NAME
    assert "unknown.Type" in log_records[-1].response["payload"]


def operation_json(**fields):
    metadata_type = "type.googleapis.com/google.cloud.tasks.v2.BatchCreateTasksMetadata"
    return {"name": NAME, "metadata": {"@type": metadata_type, "state": "RUNNING"}, **fields}


def test_over_rest_a_result_is_a_message_of_our_package(rest_client, rest_recorder):
    response_type = "type.googleapis.com/google.cloud.tasks.v2.BatchCreateTasksResponse"
    response = {"@type": response_type, "tasks": [{"name": TASK}]}
    rest_recorder.responses.extend(
        [(200, operation_json()), (200, operation_json(done=True, response=response))]
    )
    future = rest_client.batch_create_tasks(parent=QUEUE, requests=[])
    assert future.metadata.state == 1
    assert future.result().tasks[0].name == TASK
    assert [call.path.split("?")[0] for call in rest_recorder.take()] == [
        f"/v2/{QUEUE}/tasks:batchCreate",
        f"/v2/{NAME}",
    ]


def test_over_rest_an_operation_can_be_cancelled(rest_client, rest_recorder):
    rest_recorder.responses.extend([(200, operation_json())] * 2)
    assert rest_client.batch_delete_tasks(parent=QUEUE, names=[]).cancel()
    assert rest_recorder.take()[-1].path.split("?")[0] == f"/v2/{NAME}:cancel"


OLD_PYTHON = "ignore:You are using a Python version:FutureWarning"
"""What some versions of google-api-core warn of, years before they drop a version of Python."""


def test_an_operation_is_read_without_googles_package(recorder):
    """In a process of its own: in this one, Google's package has registered its messages."""
    recorder.responses.append(DONE)
    script = f"""
import sys
from drayman import tasks
future = tasks.CloudTasksClient().batch_create_tasks(parent={QUEUE!r}, requests=[])
print(future.result().tasks[0].name, "google.cloud.tasks_v2" in sys.modules)
"""
    process = subprocess.run(
        [sys.executable, "-W", "error", "-W", OLD_PYTHON, "-c", script],
        env={"CLOUD_TASKS_EMULATOR_HOST": recorder.address},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.split() == [TASK, "False"]


def test_the_operations_client_is_that_of_google_api_core(
    client, rest_client, recorder, rest_recorder
):
    recorder.responses.append(DONE)
    assert client.transport.operations_client.get_operation(NAME).name == NAME
    assert client.transport.operations_client is client.transport.operations_client
    assert rest_client.transport.operations_client is rest_client.transport.operations_client
    rest_recorder.responses.append((200, {"name": NAME}))
    assert rest_client.transport.operations_client.get_operation(NAME).name == NAME
    assert rest_recorder.take()[0].path == f"/v2/{NAME}"
    assert isinstance(client.transport.grpc_channel, grpc.Channel)

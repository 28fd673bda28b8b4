"""Batches and their operations, through Google's own client."""

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import tasks_v2
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from drayman.core.clock import DAY

URL = "http://example.com"
HTTP = {"http_request": {"url": URL, "body": b"x"}}
CreateState = tasks_v2.BatchCreateTasksMetadata.State
DeleteState = tasks_v2.BatchDeleteTasksMetadata.State


def create(client, queue, tasks, **request):
    requests = [{"parent": queue, "task": task} for task in tasks]
    return client.batch_create_tasks(request={"parent": queue, "requests": requests, **request})


def delete(client, queue, ids, **request):
    names = [f"{queue}/tasks/{each}" for each in ids]
    return client.batch_delete_tasks(request={"parent": queue, "names": names, **request})


def named(queue, *ids):
    return [{"name": f"{queue}/tasks/{each}", **HTTP} for each in ids]


def ids(tasks):
    return [task.name.rpartition("/")[2] for task in tasks]


def test_a_batch_is_done_at_once_and_its_result_has_the_created_tasks(client, queue, server):
    operation = create(client, queue, [*named(queue, "a", "b"), HTTP])
    assert operation.done()
    created = operation.result().tasks
    assert ids(created)[:2] == ["a", "b"]
    assert created[0].view is tasks_v2.Task.View.BASIC
    assert list(client.list_tasks(parent=queue)) == list(created)
    assert operation.metadata.state is CreateState.SUCCEEDED
    assert operation.metadata.start_time.timestamp() == server.clock.now() / 1e6
    assert not operation.metadata.failed_requests


def test_each_task_has_the_view_that_its_request_names(client, queue):
    requests = [
        {"parent": queue, "task": HTTP, "response_view": "FULL"},
        {"task": HTTP},
    ]
    created = client.batch_create_tasks(parent=queue, requests=requests).result().tasks
    assert [task.http_request.body for task in created] == [b"x", b""]


def test_each_item_fails_on_its_own(client, queue):
    client.create_task(parent=queue, task=named(queue, "taken")[0])
    operation = create(
        client,
        queue,
        [*named(queue, "a", "taken", "a", "b c"), {}, {"http_request": {"url": "ftp:"}}, HTTP],
    )
    assert operation.metadata.state is CreateState.PARTIALLY_SUCCEEDED
    assert len(operation.result().tasks) == 2
    failed = operation.metadata.failed_requests
    assert {index: status.code for index, status in failed.items()} == {
        1: 6,
        2: 6,
        3: 3,
        4: 3,
        5: 3,
    }
    assert failed[1].message == "Requested entity already exists"
    assert failed[5].message == "HttpTarget.url must start with 'http://' or 'https://'."
    assert failed[3].details[0].type_url == "type.googleapis.com/google.rpc.Help"


def test_a_batch_of_failures_alone_is_aborted(client, queue):
    operation = create(client, queue, [{}, {}])
    with pytest.raises(exceptions.GoogleAPICallError) as caught:
        operation.result()
    assert caught.value.message == (
        "None of the requests succeeded, refer to BatchCreateTasksMetadata.failed_requests for "
        "individual error details"
    )
    assert caught.value.grpc_status_code is grpc.StatusCode.ABORTED
    assert operation.metadata.state is CreateState.PARTIALLY_SUCCEEDED


def test_a_repeated_request_id_creates_nothing_twice(client, queue, refused):
    first = create(client, queue, [HTTP, HTTP], request_id="once-1")
    again = create(client, queue, [HTTP, HTTP], request_id="once-1")
    assert again.operation == first.operation
    assert first.operation.name == f"{queue.partition('/queues')[0]}/operations/once-1"
    assert len(list(client.list_tasks(parent=queue))) == 2
    message = "The request_id was used before, for another request."
    refused("INVALID_ARGUMENT", message, create, client, queue, [HTTP], request_id="once-1")
    refused("INVALID_ARGUMENT", message, delete, client, queue, ["a"], request_id="once-1")
    refused("INVALID_ARGUMENT", None, create, client, queue, [HTTP], request_id="a b")


def test_a_batch_is_deleted_item_by_item(client, queue):
    create(client, queue, named(queue, "a", "b", "c"))
    operation = delete(client, queue, ["a", "none", "c", "a"])
    assert operation.result() == empty_pb2.Empty()
    assert operation.metadata.state is DeleteState.PARTIALLY_SUCCEEDED
    failed = operation.metadata.failed_requests
    assert {index: status.code for index, status in failed.items()} == {1: 5, 3: 5}
    assert failed[1].message == "Requested entity was not found."
    assert ids(client.list_tasks(parent=queue)) == ["b"]
    operation = delete(client, queue, ["b"])
    assert operation.metadata.state is DeleteState.SUCCEEDED
    operation = delete(client, queue, ["b"])
    with pytest.raises(exceptions.GoogleAPICallError, match="BatchDeleteTasksMetadata"):
        operation.result()


def test_batches_are_bounded(client, queue, refused):
    assert len(create(client, queue, [HTTP] * 100).result().tasks) == 100
    message = "requests has 101 items; at most 100 are allowed."
    refused("INVALID_ARGUMENT", message, create, client, queue, [HTTP] * 101)
    refused("INVALID_ARGUMENT", "requests is required.", create, client, queue, [])
    message = "names has 1001 items; at most 1000 are allowed."
    refused("INVALID_ARGUMENT", message, delete, client, queue, ["a"] * 1001)
    refused("INVALID_ARGUMENT", "names is required.", delete, client, queue, [])


def test_a_batch_is_for_one_queue(client, queue, refused):
    other = f"{queue}2"
    requests = [{"parent": queue, "task": HTTP}, {"parent": other, "task": HTTP}]
    message = f"requests[1].parent must be the parent of the batch ('{queue}'), not '{other}'."
    refused("INVALID_ARGUMENT", message, client.batch_create_tasks, parent=queue, requests=requests)
    message = f"names[0] must be the name of a task in {queue}."
    names = [f"{other}/tasks/a"]
    refused("INVALID_ARGUMENT", message, client.batch_delete_tasks, parent=queue, names=names)
    refused("INVALID_ARGUMENT", None, client.batch_delete_tasks, parent=queue, names=["x"])
    refused("NOT_FOUND", None, create, client, other, [HTTP])
    assert list(client.list_tasks(parent=queue)) == []


def test_an_operation_can_be_read_until_it_expires(client, queue, server, refused):
    operation = create(client, queue, [HTTP])
    name = operation.operation.name
    stored = client.get_operation({"name": name})
    assert stored == operation.operation
    assert stored.metadata.type_url == (
        "type.googleapis.com/google.cloud.tasks.v2.BatchCreateTasksMetadata"
    )
    assert stored.response.type_url == (
        "type.googleapis.com/google.cloud.tasks.v2.BatchCreateTasksResponse"
    )
    server.advance(DAY)
    missing = "Requested entity was not found."
    refused("NOT_FOUND", missing, client.get_operation, {"name": name})
    refused("NOT_FOUND", missing, client.get_operation, {"name": f"{name}x"})


def test_a_list_of_operations_ends_before_it_is_too_large(clients, location, operations):
    client, queue = clients["grpc"], f"{location}/queues/q"
    client.create_queue(parent=location, queue={"name": queue})
    client.pause_queue(name=queue)
    large = {"http_request": {"url": URL, "body": b"x" * 1_000_000}}
    requests = [{"task": large, "response_view": "FULL"}] * 2
    for _ in range(3):
        client.batch_create_tasks(parent=queue, requests=requests)
    request = operations_pb2.ListOperationsRequest(name=location)
    listed = []
    for left in (2, 1, 0):
        page = operations("ListOperations", request, operations_pb2.ListOperationsResponse)
        listed += [operation.name for operation in page.operations]
        request.page_token = page.next_page_token
        assert (len(page.operations), bool(page.next_page_token)) == (1, left > 0)
    assert len(set(listed)) == 3


class Operations:
    """The calls of google.longrunning.Operations, as its stub would make them."""

    def __init__(self, channel):
        self.channel = channel

    def __call__(self, name, request, response=empty_pb2.Empty):
        return self.channel.unary_unary(
            f"/google.longrunning.Operations/{name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )(request, timeout=20)


@pytest.fixture(scope="module")
def operations(server):
    with grpc.insecure_channel(server.address) as channel:
        yield Operations(channel)


def test_operations_are_listed_waited_for_cancelled_and_deleted(clients, location, operations):
    client, queue = clients["grpc"], f"{location}/queues/q"
    client.create_queue(parent=location, queue={"name": queue})
    client.pause_queue(name=queue)
    created = [create(client, queue, [HTTP], request_id=each).operation for each in "bca"]
    request = operations_pb2.ListOperationsRequest(name=location, page_size=2)
    first = operations("ListOperations", request, operations_pb2.ListOperationsResponse)
    request.page_token = first.next_page_token
    second = operations("ListOperations", request, operations_pb2.ListOperationsResponse)
    assert [*first.operations, *second.operations] == sorted(created, key=lambda each: each.name)
    assert second.next_page_token == ""
    request = operations_pb2.WaitOperationRequest(name=created[0].name)
    assert operations("WaitOperation", request, operations_pb2.Operation) == created[0]
    operations("CancelOperation", operations_pb2.CancelOperationRequest(name=created[0].name))
    delete_request = operations_pb2.DeleteOperationRequest(name=created[0].name)
    operations("DeleteOperation", delete_request)
    for name, gone in (
        ("WaitOperation", request),
        ("CancelOperation", operations_pb2.CancelOperationRequest(name=created[0].name)),
        ("DeleteOperation", delete_request),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            operations(name, gone)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND

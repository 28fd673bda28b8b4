"""Batches and their operations, through Google's own client (recorded: batches, operations)."""

import datetime

import grpc
import pytest
from google.cloud import tasks_v2
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from drayman.core.clock import DAY, SECOND
from error_details import details_of

URL = "http://example.com"
HTTP = {"http_request": {"url": URL, "body": b"x"}}
CreateState = tasks_v2.BatchCreateTasksMetadata.State
DeleteState = tasks_v2.BatchDeleteTasksMetadata.State

A_TOMB = (
    "The task cannot be created because a task with this name existed too recently. For more "
    "information about task de-duplication see https://cloud.google.com/tasks/docs/reference/rest"
    "/v2/projects.locations.queues.tasks/create#body.request_body.FIELDS.task."
)
YEAR_2100 = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
TOO_FAR = (
    "The Task.scheduleTime, 2099-12-31T16:00:00-08:00, is too far in the future. Schedule time "
    "must be no more than 720h in the future."
)
OAUTH_HOST = (
    "Invalid url for HttpRequest.oauth_token. The hostname in the url must end with "
    '".googleapis.com"'
)
MISSING = "Requested entity was not found."
MISSING_QUEUE = (
    "Queue does not exist. If you just created the queue, wait at least a minute for the queue to "
    "initialize."
)
HELP = "type.googleapis.com/google.rpc.Help"
OTHER_PARENT = (
    "All tasks in a batch request must target the same queue. Found task for queue {parent} in "
    "batch request for queue {queue}."
)
OTHER_QUEUE = (
    "The queue name from request ('{queue}') must be the same as the queue name in the named task "
    "('{queue}2')."
)


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


def texts(operation):
    """Return the code and message of each failed item by its index; no status has details."""
    failed = operation.metadata.failed_requests
    assert not any(status.details for status in failed.values())
    return {index: (status.code, status.message) for index, status in failed.items()}


def result_of(operation):
    """Return which result an operation has: "response", "error" or None."""
    return operation.operation.WhichOneof("result")


def test_a_batch_is_done_at_once_and_its_result_has_the_created_tasks(client, queue, server):
    operation = create(client, queue, [*named(queue, "a", "b"), HTTP])
    assert operation.done()
    created = operation.result().tasks
    assert ids(created)[:2] == ["a", "b"]
    assert created[0].view is tasks_v2.Task.View.BASIC
    assert list(client.list_tasks(parent=queue)) == list(created)
    assert operation.metadata.state is CreateState.SUCCEEDED
    assert operation.metadata.start_time.timestamp() == server.clock.now() / SECOND
    assert operation.metadata.end_time > operation.metadata.start_time
    assert not operation.metadata.failed_requests


def test_each_task_has_the_view_that_its_request_names(client, queue):
    requests = [
        {"parent": queue, "task": HTTP, "response_view": "FULL"},
        {"parent": queue, "task": HTTP},
    ]
    created = client.batch_create_tasks(parent=queue, requests=requests).result().tasks
    assert [task.http_request.body for task in created] == [b"x", b""]


def test_each_item_of_a_creation_fails_on_its_own(client, queue):
    """Recorded: BatchCreateTasks, errors of items."""
    for name in ("live", "gone"):
        client.create_task(parent=queue, task=named(queue, name)[0])
    client.delete_task(name=f"{queue}/tasks/gone")
    email = {"service_account_email": "a@b"}
    items = [
        (HTTP, None),
        (None, (3, "Payload type must be set.")),
        ({}, (3, "Payload type must be set.")),
        (
            {"http_request": {"url": "ftp:"}},
            (3, "HttpTarget.url must start with 'http://' or 'https://'."),
        ),
        (
            {"http_request": {"url": URL, "http_method": "GET", "body": b"x"}},
            (3, "Body can only be set if the http_method is POST, PUT, or PATCH."),
        ),
        (
            HTTP | {"dispatch_deadline": datetime.timedelta(seconds=14)},
            (3, "Task.dispatchDeadline must be between [15s, 30m]."),
        ),
        (
            HTTP | {"schedule_time": datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)},
            (3, TOO_FAR),
        ),
        ({"http_request": {"url": "https://example.com", "oauth_token": email}}, (3, OAUTH_HOST)),
        (named(queue, "live")[0], (6, "Requested entity already exists")),
        (named(queue, "gone")[0], (6, A_TOMB)),
        (named(queue, "new")[0], None),
    ]
    operation = create(client, queue, [task for task, _ in items])
    assert operation.metadata.state is CreateState.PARTIALLY_SUCCEEDED
    assert len(operation.result().tasks) == 2
    expected = {index: error for index, (_, error) in enumerate(items) if error}
    assert texts(operation) == expected


def test_a_creation_of_which_all_items_failed_has_neither_response_nor_error(client, queue):
    """Recorded: batches, all failed."""
    operation = create(client, queue, [{}, {}])
    assert operation.operation.done
    assert result_of(operation) is None
    assert operation.metadata.state is CreateState.FAILED
    assert texts(operation) == dict.fromkeys((0, 1), (3, "Payload type must be set."))


def test_a_deletion_of_which_all_items_failed_is_aborted(client, queue):
    """Recorded: batches, all failed; the state is not FAILED."""
    operation = delete(client, queue, ["a"])
    assert operation.operation.done
    assert result_of(operation) == "error"
    assert operation.metadata.state is DeleteState.PARTIALLY_SUCCEEDED
    error = operation.operation.error
    assert (error.code, list(error.details)) == (10, [])
    assert error.message == (
        "None of the requests succeeded, refer to BatchDeleteTasksMetadata.failed_requests for "
        "individual error details"
    )
    assert texts(operation) == {0: (5, MISSING)}


def test_all_items_of_a_batch_for_a_missing_queue_fail(client, location):
    """Recorded: batches, missing queue."""
    queue = f"{location}/queues/none"
    operation = create(client, queue, [HTTP, HTTP])
    assert result_of(operation) is None
    assert operation.metadata.state is CreateState.FAILED
    assert texts(operation) == dict.fromkeys((0, 1), (5, MISSING_QUEUE))
    operation = delete(client, queue, ["a", "b"])
    assert result_of(operation) == "error"
    assert texts(operation) == dict.fromkeys((0, 1), (5, MISSING))


def test_the_id_of_a_request_is_used_once(client, queue, refused):
    """Recorded: batches, request_id; by both calls, and when the first batch failed as a whole."""
    location = queue.partition("/queues")[0]
    pairs = [
        lambda: create(client, queue, [HTTP], request_id="one"),
        lambda: create(client, queue, [{}], request_id="two"),
        lambda: delete(client, queue, ["none"], request_id="three"),
    ]
    for request_id, first in zip(("one", "two", "three"), pairs, strict=True):
        assert first().operation.name == f"{location}/operations/{request_id}"
        message = f"Duplicate operation id in the batch request: {request_id}"
        for again in (
            lambda: create(client, queue, named(queue, "new"), request_id=request_id),  # noqa: B023 - called at once
            lambda: delete(client, queue, ["none"], request_id=request_id),  # noqa: B023 - called at once
            first,
        ):
            error = refused("INVALID_ARGUMENT", message, again)
            assert details_of(error) == []
    assert len(list(client.list_tasks(parent=queue))) == 1


def test_a_call_that_is_refused_does_not_use_its_id(client, queue, refused):
    refused("INVALID_ARGUMENT", None, create, client, queue, [], request_id="id")
    create(client, queue, [HTTP], request_id="id")
    refused("INVALID_ARGUMENT", None, create, client, queue, [HTTP], request_id="a b")


def test_a_batch_is_deleted_item_by_item(client, queue):
    create(client, queue, named(queue, "a", "b", "c"))
    operation = delete(client, queue, ["a", "none", "c", "a"])
    assert operation.result() == empty_pb2.Empty()
    assert operation.metadata.state is DeleteState.PARTIALLY_SUCCEEDED
    assert texts(operation) == {1: (5, MISSING), 3: (5, MISSING)}
    assert ids(client.list_tasks(parent=queue)) == ["b"]
    operation = delete(client, queue, ["b"])
    assert operation.metadata.state is DeleteState.SUCCEEDED
    assert operation.operation.response.type_url == "type.googleapis.com/google.protobuf.Empty"
    created = create(client, queue, named(queue, "b"))
    assert texts(created) == {0: (6, A_TOMB)}


def creation(parent, *items):
    requests = [{"parent": of_item, "task": {"name": name, **HTTP}} for of_item, name in items]
    return {"parent": parent, "requests": requests}


@pytest.mark.parametrize(
    ("request_of", "message"),
    [
        (creation, "Request must contain at least one task."),
        (
            lambda queue: creation(queue, *[("x", "bad")] * 101),
            "A maximum of 100 tasks can be created in a single batch, but got 101 tasks.",
        ),
        (
            lambda queue: creation(queue, (queue, ""), (f"{queue}2", "bad")),
            OTHER_PARENT.replace("{parent}", "{queue}2"),
        ),
        (
            lambda queue: creation(queue, ("", "")),
            OTHER_PARENT.replace("{parent}", ""),
        ),
        (
            lambda queue: creation(queue, *[(queue, f"{queue}/tasks/a")] * 2),
            "Duplicate task name in the batch request: {queue}/tasks/a",
        ),
        (
            lambda queue: creation(queue, (queue, f"{queue}2/tasks/a")),
            OTHER_QUEUE,
        ),
    ],
    ids=["empty", "101", "other parent", "no parent", "duplicate", "other queue"],
)
def test_a_creation_is_refused_as_a_whole(client, queue, refused, request_of, message):
    """Recorded: BatchCreateTasks, refused as a whole."""
    message = message.format(queue=queue)
    error = refused(
        "INVALID_ARGUMENT", message, client.batch_create_tasks, request=request_of(queue)
    )
    assert details_of(error) == []
    assert list(client.list_tasks(parent=queue)) == []


def test_a_malformed_name_refuses_a_batch_as_a_whole(client, queue, refused):
    """Recorded for creations: the error has a Help link, as that of CreateTask."""
    message = (
        'Task ID "not valid" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), '
        "or underscores (_). Task ID must between 1 and 500 characters."
    )
    tasks = [HTTP, *named(queue, "not valid")]
    for call, items in ((create, tasks), (delete, ["a", "not valid"])):
        error = refused("INVALID_ARGUMENT", message, call, client, queue, items)
        assert [each["@type"] for each in details_of(error)] == [HELP]
    assert list(client.list_tasks(parent=queue)) == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "Request contains an invalid argument."),
        (
            ["{queue}/tasks/a"] * 1001,
            "A maximum of 1000 tasks can be handled in a batch, but 1001 were requested.",
        ),
        (
            ["{queue}/tasks/a", "{queue}2/tasks/a"],
            OTHER_QUEUE,
        ),
    ],
    ids=["empty", "1001", "other queue"],
)
def test_a_deletion_is_refused_as_a_whole(client, queue, refused, names, message):
    """Recorded: BatchDeleteTasks; the name in another queue as for creations."""
    create(client, queue, named(queue, "a"))
    names = [name.format(queue=queue) for name in names]
    error = refused(
        "INVALID_ARGUMENT",
        message.format(queue=queue),
        client.batch_delete_tasks,
        parent=queue,
        names=names,
    )
    assert details_of(error) == []
    assert ids(client.list_tasks(parent=queue)) == ["a"]


def test_batches_may_have_a_hundred_creations_and_a_thousand_deletions(client, queue):
    assert len(create(client, queue, [HTTP] * 100).result().tasks) == 100
    assert len(texts(delete(client, queue, ["a"] * 1000))) == 1000


def test_a_batch_is_answered_over_rest_as_recorded(server, location):
    queue = f"{location}/queues/none"
    request = {"requests": [{"parent": queue, "task": {}}], "requestId": "r"}
    _, answer = server.request("POST", f"/v2/{queue}/tasks:batchCreate", request)
    assert answer["metadata"].pop("startTime") != answer["metadata"].pop("endTime")
    assert answer == {
        "name": f"{location}/operations/r",
        "metadata": {
            "@type": "type.googleapis.com/google.cloud.tasks.v2.BatchCreateTasksMetadata",
            "state": "FAILED",
            "failedRequests": {"0": {"code": 3, "message": "Payload type must be set."}},
        },
        "done": True,
    }
    status, again = server.request("POST", f"/v2/{queue}/tasks:batchCreate", request)
    message = "Duplicate operation id in the batch request: r"
    error = {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}
    assert (status, again) == (400, {"error": error})


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
    requests = [{"parent": queue, "task": large, "response_view": "FULL"}] * 2
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

"""What Google's client cannot send over gRPC: bytes that are no message, calls that are none."""

import re

import grpc
import pytest
from google.api_core import exceptions, operations_v1
from google.protobuf import json_format
from grpc_status import rpc_status

from drayman.api import calls
from drayman.core import errors
from drayman.core.clock import SECOND
from drayman.edge.methods import check_deadline
from drayman.tasks_v2 import rpcs, types


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.address) as channel:
        yield channel


def refusal(channel, method, body):
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(method)(body, timeout=20)
    return caught.value.code(), caught.value.details()


@pytest.mark.parametrize("name", sorted(calls.HANDLERS))
@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\x7f", b"\x0a\x01\xff"])
def test_bytes_that_cannot_be_decoded_are_an_invalid_argument(channel, name, body):
    code, details = refusal(channel, rpcs.BY_NAME[name].full_name, body)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.endswith(" message.")


@pytest.mark.parametrize("name", sorted(calls.HANDLERS))
def test_an_empty_message_is_an_invalid_argument(channel, name):
    code, details = refusal(channel, rpcs.BY_NAME[name].full_name, b"")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details


@pytest.mark.parametrize(
    "method", [f"/{rpcs.SERVICE}/Nothing", "/google.cloud.tasks.v1.CloudTasks/GetQueue", "/a/b"]
)
def test_an_unknown_method_is_unimplemented(channel, method):
    assert refusal(channel, method, b"")[0] is grpc.StatusCode.UNIMPLEMENTED


def test_unknown_fields_count_for_the_size_of_a_queue(channel, location):
    target = types.HttpTarget.pb()(http_method=1)
    unknown = b"\xfa\x7f\x80\x80\x08" + bytes(1 << 17)  # field 2047, 128 KB
    target.MergeFromString(unknown)
    queue = types.Queue.pb()(name=f"{location}/queues/q", http_target=target)
    request = types.CreateQueueRequest.pb()(parent=location, queue=queue)
    code, details = refusal(
        channel, rpcs.BY_NAME["CreateQueue"].full_name, request.SerializeToString()
    )
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details == "The settings of a queue must be at most 128 KB in total."


def repr_of(value):
    return getattr(value, "name", None) or ascii(value)[:12]


def details_of(error):
    """Return the details of a gRPC error as JSON."""
    status = rpc_status.from_call(error)
    packed = status.details if status else []
    return [json_format.MessageToDict(each) for each in packed]


def send(channel, rpc, name):
    """Call a method with a name alone; return code, message and details of its refusal."""
    request = calls.message_class(rpc.request)()
    *parents, last = rpc.routing.split(".")
    message = getattr(request, parents[0]) if parents else request
    setattr(message, last, name)
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(rpc.full_name)(request.SerializeToString(), timeout=20)
    return caught.value.code().name, caught.value.details(), details_of(caught.value)


INFO = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "googleapis.com"}
LOCALIZED = {"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US"}
HELP = {"@type": "type.googleapis.com/google.rpc.Help"}
SERVED = [rpcs.BY_NAME[name] for name in calls.HANDLERS]
each_call = pytest.mark.parametrize("rpc", SERVED, ids=lambda rpc: rpc.name)


@each_call
def test_a_call_without_a_resource_is_refused_by_its_name(channel, rpc):
    """Recorded: common errors, empty resource field."""
    metadata = {"method": f"{rpc.service}.{rpc.name}", "service": "cloudtasks.googleapis.com"}
    info = INFO | {"reason": "RESOURCE_PROJECT_INVALID", "metadata": metadata}
    assert send(channel, rpc, "") == (
        "INVALID_ARGUMENT", "Invalid resource field value in the request.", [info]
    )  # fmt: skip
    code, message = refusal(channel, rpc.full_name, b"")
    assert (code.name, message) == (
        "INVALID_ARGUMENT",
        "Invalid resource field value in the request.",
    )


@each_call
@pytest.mark.parametrize("name", ["not-a-valid-name", "projects", "/" * 9, "a\0b"])
def test_a_resource_outside_of_all_projects_is_refused(channel, rpc, name):
    """Recorded: common errors, resource field that names no project."""
    text = f"Permission denied on resource project {name}."
    metadata = {
        "consumer": f"projects/{name}",
        "containerInfo": name,
        "service": "cloudtasks.googleapis.com",
    }
    link = {
        "description": "Google developers console",
        "url": "https://console.developers.google.com",
    }
    assert send(channel, rpc, name) == (
        "PERMISSION_DENIED",
        text,
        [
            INFO | {"reason": "CONSUMER_INVALID", "metadata": metadata},
            LOCALIZED | {"message": text},
            HELP | {"links": [link]},
        ],
    )


PERMISSIONS = {  # recorded: common errors, the permission that each call names
    "CreateQueue": "queues.create",
    "ListQueues": "queues.list",
    "GetQueue": "queues.get",
    "UpdateQueue": "queues.update",
    "DeleteQueue": "queues.delete",
    "PauseQueue": "queues.pause",
    "ResumeQueue": "queues.resume",
    "PurgeQueue": "queues.purge",
    "CreateTask": "tasks.create",
    "ListTasks": "tasks.list",
    "GetTask": "tasks.get",
    "DeleteTask": "tasks.delete",
    "RunTask": "tasks.run",
    "GetIamPolicy": "queues.list",
    "SetIamPolicy": "queues.list",
    "TestIamPermissions": "queues.list",
    "GetOperation": "operations.get",
    # Not recorded: those of Google's list of permissions that belong to the call.
    "BatchCreateTasks": "tasks.create",
    "BatchDeleteTasks": "tasks.delete",
    "GetLocation": "locations.get",
    "ListLocations": "locations.list",
    "ListOperations": "operations.list",
    "WaitOperation": "operations.get",
    "CancelOperation": "operations.cancel",
    "DeleteOperation": "operations.delete",
}


@pytest.mark.parametrize("call", PERMISSIONS)
def test_a_name_with_other_segments_is_refused_by_permission(channel, call):
    """Recorded: common errors, too few or too many segments."""
    rpc = rpcs.BY_NAME[call]
    parent = rpc.pattern.replace("*", "x").rpartition("/")[0]
    for name in (parent, f"{rpc.pattern.replace('*', 'x')}/extra"):
        if name != "projects":
            text = (
                "The principal (user or service account) lacks IAM permission "
                f'"cloudtasks.{PERMISSIONS[call]}" for the resource "{name}" '
                "(or the resource may not exist)."
            )
            assert send(channel, rpc, name) == ("PERMISSION_DENIED", text, [])


def test_a_deadline_of_more_than_thirty_seconds_is_refused(channel, queue_name):
    request = types.GetQueueRequest.pb()(name=queue_name).SerializeToString()
    call = channel.unary_unary(f"/{rpcs.SERVICE}/GetQueue")
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=40)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert re.fullmatch(
        r"The request deadline is \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\. "
        r"The deadline cannot be more than 30s in the future\.",
        caught.value.details(),
    )
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=29)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_timeout_of_thirty_seconds_is_never_refused(clients, location):
    for _ in range(200):
        list(clients["grpc"].list_queues(parent=location, timeout=30, retry=None))


def micros(seconds):
    return None if seconds is None else round(seconds * SECOND)


@pytest.mark.parametrize(
    ("limit", "remaining"),
    [(30, None), (30, 0.0), (30, 30.0), (30, 30.1), (30, 30.3), (300, 301.0), (100, 101.0),
     (0, 600.0), (0, 1e12)],
)  # fmt: skip
def test_a_deadline_may_be_as_late_as_clients_round_it(limit, remaining):
    check_deadline(limit * SECOND, 0, micros(remaining))


@pytest.mark.parametrize(("limit", "remaining"), [(30, 30.4), (30, 1e12), (300, 304), (1, 1.02)])
def test_a_later_deadline_is_refused(limit, remaining):
    with pytest.raises(errors.InvalidArgument, match=f"cannot be more than {limit}s in the"):
        check_deadline(limit * SECOND, 0, micros(remaining))


@pytest.mark.parametrize("rpc", rpcs.SERVED, ids=lambda rpc: rpc.name)
def test_the_limit_of_deadlines_is_that_of_cloud_tasks_own_calls(channel, rpc):
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(rpc.full_name)(b"", timeout=600)
    refused = "The request deadline is" in caught.value.details()
    assert refused == (rpc.service == "google.cloud.tasks.v2.CloudTasks")


def test_googles_operations_client_waits_as_long_as_it_likes(channel, location):
    client = operations_v1.OperationsClient(channel)
    with pytest.raises(exceptions.NotFound):
        client.get_operation(f"{location}/operations/none")
    assert list(client.list_operations(location, "")) == []


@pytest.fixture
def queue_name(location):
    return f"{location}/queues/none"


@pytest.mark.parametrize("name", ["x" * 20_000, "\u4e16" * 20_000], ids=["ascii", "wide"])
def test_messages_quote_no_more_than_a_part_of_long_values(channel, location, name):
    request = types.CreateTaskRequest.pb()(parent=f"{location}/queues/q")
    request.task.name = f"{location}/queues/q/tasks/{name}"
    request.task.http_request.url = "https://example.com"
    code, details = refusal(channel, f"/{rpcs.SERVICE}/CreateTask", request.SerializeToString())
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert name[:100] in details
    assert len(details.encode()) <= errors.MESSAGE_SIZE


def test_a_burst_of_calls_is_queued(channel, location):
    request = types.ListQueuesRequest.pb()(parent=location).SerializeToString()
    call = channel.unary_unary(f"/{rpcs.SERVICE}/ListQueues")
    burst = [call.future(request, timeout=25) for _ in range(3_000)]
    assert {each.code() for each in burst} == {grpc.StatusCode.OK}

"""Requests whose size or number of values would stop other callers. The limits are ours."""

import base64
import gzip

import grpc
import pytest

from drayman.core.limits import PLAIN_REQUEST_SIZE, REQUEST_SIZE
from drayman.tasks_v2 import rpcs, types

TOO_MANY = "The request has more than 50000 values."
TOO_LARGE = "Task size too large"
EMPTY_ITEM = b"\x12\x00"


@pytest.fixture
def grpc_error(server):
    """Make a gRPC call with a serialized request, and return code and message of its error."""

    def call(rpc, body):
        with grpc.insecure_channel(server.address) as channel:
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(rpcs.BY_NAME[rpc].full_name)(body, timeout=20)
            return caught.value.code().name, caught.value.details()

    return call


@pytest.fixture
def rest_error(server, location):
    """Send an HTTP request for a queue, and return status and message of its error."""

    def call(method, path, content):
        status, body = server.request(method, f"/v2/{location}/queues/q{path}", content)
        assert status == 400
        return body["error"]["status"], body["error"]["message"]

    return call


def test_a_list_that_is_far_too_long_is_refused_before_it_is_parsed(grpc_error, rest_error):
    body = b'{"requests":[' + b"{}," * 5_000_000 + b"{}]}"
    assert rest_error("POST", "/tasks:batchCreate", body) == ("INVALID_ARGUMENT", TOO_MANY)
    code = grpc_error("BatchCreateTasks", EMPTY_ITEM * (8 << 20 - 1))
    assert code == ("INVALID_ARGUMENT", TOO_MANY)


def test_a_list_that_is_somewhat_too_long_is_refused_by_its_own_rule(
    grpc_error, rest_error, location
):
    expected = "A maximum of 100 tasks can be created in a single batch, but got 20000 tasks."
    body = b'{"requests":[' + b"{}," * 19_999 + b"{}]}"
    assert rest_error("POST", "/tasks:batchCreate", body) == ("INVALID_ARGUMENT", expected)
    batch = types.BatchCreateTasksRequest.pb()(parent=f"{location}/queues/q")
    code = grpc_error("BatchCreateTasks", batch.SerializeToString() + EMPTY_ITEM * 20_000)
    assert code == ("INVALID_ARGUMENT", expected)


def test_a_malformed_large_message_is_refused_like_a_small_one(grpc_error):
    expected = ("INVALID_ARGUMENT", "The request is not a valid CreateTaskRequest message.")
    assert grpc_error("CreateTask", b"\x12\x7f") == expected
    assert grpc_error("CreateTask", b"\x12\x7f" * 50_000) == expected


def test_a_task_that_must_be_too_large_is_refused_unread(grpc_error, rest_error):
    expected = ("INVALID_ARGUMENT", TOO_LARGE)
    assert grpc_error("CreateTask", bytes(4 << 20)) == expected
    assert rest_error("POST", "/tasks", b"{" * (4 << 20)) == expected


def test_an_item_that_must_be_too_large_fails_alone(client, queue):
    large = {"http_request": {"url": "http://a" + "a" * (4 << 20)}}
    small = {"http_request": {"url": "http://a"}}
    requests = [{"parent": queue, "task": task} for task in (large, small)]
    operation = client.batch_create_tasks(parent=queue, requests=requests)
    failed = operation.metadata.failed_requests
    assert {index: error.message for index, error in failed.items()} == {0: TOO_LARGE}


def test_requests_that_create_no_tasks_have_a_lower_limit(grpc_error, rest_error):
    size = PLAIN_REQUEST_SIZE + 1
    code, message = grpc_error("SetIamPolicy", bytes(size))
    assert (code, f"({size} vs. {PLAIN_REQUEST_SIZE})" in message) == ("RESOURCE_EXHAUSTED", True)
    expected = f"Request payload size exceeds the limit: {PLAIN_REQUEST_SIZE} bytes."
    assert rest_error("POST", ":setIamPolicy", bytes(size)) == ("INVALID_ARGUMENT", expected)


@pytest.mark.parametrize("number", ["1" * 401, f"0.{'1' * 400}", f"-1e{'1' * 400}"])
def test_numbers_have_a_limited_length(rest_error, number):
    body = b'{"x": ' + number.encode() + b"}"
    message = rest_error("POST", "/tasks", body)[1]
    assert message == "Invalid JSON payload received. It contains a number of too many digits."


@pytest.mark.parametrize("shift", [-1, 1])
def test_gzip_that_claims_another_size_is_refused(server, queue, shift):
    content = b"{}" * 100
    body = gzip.compress(content)[:-4] + (len(content) + shift).to_bytes(4, "little")
    head = (
        f"POST /v2/{queue}/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with server.connect() as connection:
        connection.sendall(head.encode() + body)
        with connection.makefile("rb") as answer:
            assert b"The body is not valid gzip" in answer.read()


def test_a_batch_of_the_largest_size_is_created_and_shown(client, queue):
    body = bytes(range(256)) * 400
    task = {"http_request": {"url": "http://a", "body": body}}
    size = len(base64.b64encode(body)) * 100
    assert size < REQUEST_SIZE
    requests = [{"parent": queue, "task": task, "response_view": "FULL"} for _ in range(100)]
    created = client.batch_create_tasks(parent=queue, requests=requests).result().tasks
    assert [each.http_request.body for each in created] == [body] * 100

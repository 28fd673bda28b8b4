"""What Google's client cannot send over gRPC: bytes that are no message, calls that are none."""

import grpc
import pytest

from drayman.api import calls
from drayman.tasks_v2 import rpcs


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
def test_bytes_that_are_no_message_are_an_invalid_argument(channel, name, body):
    code, details = refusal(channel, f"/{rpcs.SERVICE}/{name}", body)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.endswith(" message.")


@pytest.mark.parametrize("name", sorted(calls.HANDLERS))
def test_an_empty_message_is_an_invalid_argument(channel, name):
    code, details = refusal(channel, f"/{rpcs.SERVICE}/{name}", b"")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details


@pytest.mark.parametrize(
    "method", [f"/{rpcs.SERVICE}/Nothing", "/google.cloud.tasks.v1.CloudTasks/GetQueue", "/a/b"]
)
def test_an_unknown_method_is_unimplemented(channel, method):
    assert refusal(channel, method, b"")[0] is grpc.StatusCode.UNIMPLEMENTED


def repr_of(value):
    return getattr(value, "name", None) or ascii(value)[:12]


NAMED = [
    (rpc, name)
    for rpc in rpcs.RPCS
    if rpc.name in calls.HANDLERS
    for name in ("", "x", "projects", "projects//locations/l/queues/q", "/" * 9, "é" * 300, "a\0b")
]


@pytest.mark.parametrize(("rpc", "name"), NAMED, ids=repr_of)
def test_a_name_that_is_none_is_an_invalid_argument(channel, rpc, name):
    request = calls.message_class(rpc.request)()
    message, *rest = rpc.routing.split(".")
    if rest:
        setattr(getattr(request, message), rest[0], name)
    else:
        setattr(request, message, name)
    code, details = refusal(channel, rpc.full_name, request.SerializeToString())
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert name[:100] in details
    assert "must be formatted" in details

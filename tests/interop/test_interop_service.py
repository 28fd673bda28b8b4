"""The service of the interoperability tests, called through gRPC's Python client."""

import grpc
import grpc.aio
import pytest

from interop import grpc_messages as messages
from interop import grpc_service

SIZES = (31_415, 9, 2_653, 58_979)


@pytest.fixture
async def channel():
    events = []
    async with (
        grpc_service.serve(events.append) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield channel
    assert events == []


@pytest.fixture
def call(channel):
    """Return a method as a callable of its messages."""

    def call(kind, name, response_class):
        return getattr(channel, kind)(
            grpc_service.SERVICE + name,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response_class.FromString,
        )

    return call


@pytest.fixture
def unary(call):
    return call("unary_unary", "UnaryCall", messages.SimpleResponse)


@pytest.fixture
def duplex(call):
    return call("stream_stream", "FullDuplexCall", messages.StreamingOutputCallResponse)


async def output(*sizes):
    for size in sizes:
        parameters = [messages.ResponseParameters(size=size)]
        yield messages.StreamingOutputCallRequest(response_parameters=parameters)


@pytest.mark.parametrize("compression", list(grpc.Compression))
async def test_a_large_unary_call_is_answered_whatever_its_compression(unary, compression):
    request = messages.SimpleRequest(
        response_size=314_159,
        payload=messages.Payload(body=bytes(271_828)),
        fill_server_id=True,
    )
    response = await unary(request, compression=compression, timeout=20)
    assert response.payload.body == bytes(314_159)
    assert response.server_id == grpc_service.SERVER_ID


@pytest.mark.parametrize("message", ["test status message", "\t\ntext\r\nand ☺ and 😈\t\n"])
async def test_the_status_of_a_request_is_returned(unary, message):
    status = messages.EchoStatus(code=2, message=message)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await unary(messages.SimpleRequest(response_status=status), timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert caught.value.details() == message


async def test_a_duplex_stream_returns_what_each_message_requests(duplex):
    responses = duplex(output(*SIZES), timeout=20)
    assert [len(response.payload.body) async for response in responses] == list(SIZES)


async def test_a_client_stream_is_summed_up(call):
    method = call("stream_unary", "StreamingInputCall", messages.StreamingInputCallResponse)
    payloads = (messages.Payload(body=bytes(size)) for size in SIZES)
    requests = [messages.StreamingInputCallRequest(payload=payload) for payload in payloads]
    response = await method(iter(requests), timeout=20)
    assert response.aggregated_payload_size == sum(SIZES)


@pytest.mark.parametrize("path", ["grpc.testing.TestService/X", "grpc.testing.X/UnaryCall"])
async def test_a_method_that_is_not_there_is_unimplemented(channel, path):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(f"/{path}")(b"", timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

"""The service of gRPC's interoperability tests (grpc.testing.TestService) on Drayman's edge.

Its methods do what gRPC's "Interoperability Test Case Descriptions" define. What no case of
grpc-go's client reaches is left out: CacheableUnaryCall, HalfDuplexCall and response intervals.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from drayman.access.control import Fields
from drayman.core.clock import Micros, SystemClock
from drayman.core.errors import ServiceError
from drayman.core.events import Emit
from drayman.core.status import Code
from drayman.edge.connection import GrpcConnection
from drayman.edge.listening import listen
from drayman.edge.methods import Messages, Methods, Streaming, Unary
from drayman.edge.shared import Shared
from interop import grpc_messages as messages

SERVICE = "/grpc.testing.TestService/"
SERVER_ID = "drayman"
_MESSAGE_SIZE = 4 << 20


class _EchoedError(ServiceError):
    """The status that a request asks for."""

    def __init__(self, status: messages.EchoStatus) -> None:
        super().__init__(status.message)
        self.code = Code(status.code)


def _check_status(status: messages.EchoStatus) -> None:
    if status.code:
        raise _EchoedError(status)


def _payload(size: int) -> messages.Payload:
    return messages.Payload(body=bytes(size))


async def _empty_call(_body: bytes, _remaining: Micros | None, _fields: Fields) -> bytes:
    return messages.Empty().SerializeToString()


async def _unary_call(body: bytes, _remaining: Micros | None, _fields: Fields) -> bytes:
    request = messages.SimpleRequest.FromString(body)
    _check_status(request.response_status)
    server_id = SERVER_ID if request.fill_server_id else ""
    response = messages.SimpleResponse(payload=_payload(request.response_size), server_id=server_id)
    return response.SerializeToString()


async def _streaming_input_call(stream: Messages, _fields: Fields) -> None:
    size = 0
    while (body := await stream.receive()) is not None:
        size += len(messages.StreamingInputCallRequest.FromString(body).payload.body)
    response = messages.StreamingInputCallResponse(aggregated_payload_size=size)
    await stream.send(response.SerializeToString())


async def _streaming_output_calls(stream: Messages, _fields: Fields) -> None:
    while (body := await stream.receive()) is not None:
        request = messages.StreamingOutputCallRequest.FromString(body)
        _check_status(request.response_status)
        for parameters in request.response_parameters:
            response = messages.StreamingOutputCallResponse(payload=_payload(parameters.size))
            await stream.send(response.SerializeToString())


_METHODS = {
    "EmptyCall": Unary(_empty_call),
    "UnaryCall": Unary(_unary_call),
    "StreamingInputCall": Streaming(_streaming_input_call, _MESSAGE_SIZE),
    "StreamingOutputCall": Streaming(_streaming_output_calls, _MESSAGE_SIZE),
    "FullDuplexCall": Streaming(_streaming_output_calls, _MESSAGE_SIZE),
}


def methods() -> Methods:
    """Return the methods of the service by their path."""
    return {(SERVICE + name).encode(): method for name, method in _METHODS.items()}


@contextlib.asynccontextmanager
async def serve(emit: Emit) -> AsyncIterator[int]:
    """Serve on a free port of this machine, which is the value of the context."""
    shared = Shared(methods(), SystemClock(), emit)
    (sock,) = listen("127.0.0.1", 0, "port")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: GrpcConnection(shared), sock=sock)
    try:
        yield sock.getsockname()[1]
    finally:
        server.close()
        await _close(shared)


async def _close(shared: Shared) -> None:
    shared.closed.clear()
    for connection in list(shared.connections):
        connection.abort()
    if shared.connections:
        await shared.closed.wait()

"""The answer to a client that speaks another protocol than the port it has connected to.

The answer names the right port or scheme, in the protocol of the client as far as it can be read
there: HTTP, gRPC, or a response of HTTP for a client that begins a TLS handshake.
"""

import asyncio

from drayman.api.responses import error_response
from drayman.core import errors
from drayman.core.clock import Clock
from drayman.core.status import Code
from drayman.edge import grpc_requests, grpc_status, h2, limits
from drayman.edge.budget import ConnectionLimit
from drayman.edge.grpc_status import CallError
from drayman.edge.port import BoundedProtocol, PortProtocol

TLS_REFUSED = (
    "This port speaks no TLS: call http:// instead of https://, gRPC without TLS credentials, or "
    "start the server with --tls-cert."
)
TLS_REQUIRED = "This port speaks TLS: call https:// instead of http://, gRPC with TLS credentials."


def http2_refused(address: str) -> str:
    """Return the message of a port for HTTP/1.1 alone; gRPC is served at ``address``."""
    return f"This port (--http-port) serves HTTP/1.1 alone; gRPC is served on {address} (--port)."


class _Refusal(BoundedProtocol):
    """Writes an answer, and closes the connection when the client does, within a limited time.

    A connection that is closed while the client still sends would be reset, and the answer lost.
    """

    def __init__(self, message: str, clock: Clock, connection_limit: ConnectionLimit) -> None:
        super().__init__(clock, connection_limit)
        self._message = message

    def _end(self) -> None:
        """Write no more."""
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()


class Http1Refusal(_Refusal):
    """Answers a request of HTTP/1.1, or what cannot be read."""

    _answered = False

    def data_received(self, _data: bytes) -> None:
        """Answer the first bytes."""
        if self._answered:
            return
        self._answered = True
        body = _body(self._message)
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        self._end()


class Http2Refusal(_Refusal):
    """Answers every request of a connection, as gRPC or as plain HTTP, and takes no more."""

    def __init__(self, message: str, clock: Clock, connection_limit: ConnectionLimit) -> None:
        super().__init__(message, clock, connection_limit)
        self._engine = h2.Engine()

    def data_received(self, data: bytes) -> None:
        """Answer the requests that have arrived."""
        requests = [
            event
            for event in self._engine.receive(memoryview(data))
            if isinstance(event, h2.RequestReceived)
        ]
        for request in requests:
            self._answer(request)
        if requests:
            self._engine.goaway(h2.NO_ERROR)
        while output := self._engine.output(limits.OUTPUT_SIZE):
            self._transport.write(output)
        if requests or self._engine.finished:
            self._end()

    def _answer(self, request: h2.RequestReceived) -> None:
        content_type = dict(request.headers).get(b"content-type", b"")
        if grpc_requests.is_grpc(content_type):
            error = CallError(Code.UNIMPLEMENTED, self._message)
            headers = grpc_status.HEADERS + grpc_status.trailers(error)
            self._engine.send_headers(request.stream_id, headers, end=True)
        else:
            headers = ((b":status", b"400"), (b"content-type", b"application/json"))
            self._engine.send_headers(request.stream_id, headers)
            self._engine.send_data(request.stream_id, _body(self._message), end=True)


def _body(message: str) -> bytes:
    """Return the body of a response: an error of the API, whose message clients show."""
    return error_response(errors.FailedPrecondition(message)).body


def plain_on_tls(clock: Clock, connection_limit: ConnectionLimit) -> asyncio.Protocol:
    """Return the protocol of a connection without TLS to a port with TLS."""

    def refuse(protocol: type[_Refusal]) -> asyncio.Protocol:
        return protocol(TLS_REQUIRED, clock, connection_limit)

    return PortProtocol(
        clock,
        connection_limit,
        http2=lambda: refuse(Http2Refusal),
        http1=lambda: refuse(Http1Refusal),
        tls=lambda: refuse(Http1Refusal),
    )

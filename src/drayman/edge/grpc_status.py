"""How a call ends in gRPC: status, message and details as header fields (gRPC over HTTP/2)."""

import base64
import re
import urllib.parse

from drayman.core.errors import ServiceError
from drayman.core.status import Code
from drayman.wire import details

Headers = tuple[tuple[bytes, bytes], ...]

HEADERS: Headers = ((b":status", b"200"), (b"content-type", b"application/grpc"))
OK: Headers = ((b"grpc-status", b"0"),)
_KEPT = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


class CallError(Exception):
    """A call that the server ends before or beside its handler, with a status gRPC defines."""

    def __init__(self, code: Code, message: str, metadata: Headers = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.metadata = metadata


class HttpError(Exception):
    """A request that is not gRPC and gets an HTTP status."""

    body = b"Over HTTP/2 this port serves gRPC alone; REST is served over HTTP/1.1.\n"

    def __init__(self, status: int, headers: Headers = ()) -> None:
        super().__init__(status)
        self.headers: Headers = (
            (b":status", b"%d" % status),
            (b"content-type", b"text/plain"),
            (b"content-length", b"%d" % len(self.body)),
            *headers,
        )


def percent_encode(message: str) -> bytes:
    """Encode a message for ``grpc-message``: printable ASCII but ``%`` stays as it is.

    A blank at either end is encoded: HTTP/2 forbids it there, and some messages end with one.
    """
    return re.sub("^ | $", "%20", urllib.parse.quote(message, safe=_KEPT)).encode()


def encode_binary(value: bytes) -> bytes:
    """Encode the value of a ``-bin`` field: base64 without padding."""
    return base64.b64encode(value).rstrip(b"=")


def trailers(error: ServiceError | CallError) -> Headers:
    """Return the trailers of a call that failed."""
    fields = (
        (b"grpc-status", b"%d" % error.code),
        (b"grpc-message", percent_encode(error.message)),
    )
    if isinstance(error, CallError):
        return (*fields, *error.metadata)
    if error.details:
        status = details.status(error).SerializeToString()
        return (*fields, (b"grpc-status-details-bin", encode_binary(status)))
    return fields

"""What the header fields of a request say, by the rules of gRPC over HTTP/2."""

import re
from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

from drayman.core.clock import HOUR, MILLISECOND, MINUTE, SECOND, Micros
from drayman.core.status import Code
from drayman.edge import grpc_messages, limits
from drayman.edge.grpc_messages import Decompress
from drayman.edge.grpc_status import CallError, Headers, HttpError

_FIELD_OVERHEAD = 32
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS = {b"H": HOUR, b"M": MINUTE, b"S": SECOND, b"m": MILLISECOND, b"u": 1}
_NANOSECONDS = 1_000


class Request(NamedTuple):
    """A call that begins.

    Attributes:
        path: ``/SERVICE/METHOD``.
        timeout: How long the caller waits; None for as long as it takes.
        decompress: How compressed messages are read; None if there are none.
        fields: All header fields; of several with one name, the last.
    """

    path: bytes
    timeout: Micros | None
    decompress: Decompress | None
    fields: Mapping[bytes, bytes]


def parse(headers: Headers) -> Request:
    """Read the header fields of a request. HttpError if it is not gRPC, CallError if wrong."""
    fields = dict(headers)
    if fields.get(b":method") != b"POST":
        raise HttpError(405, ((b"allow", b"POST"),))
    if not is_grpc(fields.get(b"content-type", b"")):
        raise HttpError(415)
    size = len(b"".join(chain.from_iterable(headers))) + _FIELD_OVERHEAD * len(headers)
    if size > limits.METADATA_SIZE:
        message = f"Received metadata larger than max ({size} vs. {limits.METADATA_SIZE})"
        raise CallError(Code.RESOURCE_EXHAUSTED, message)
    timeout, encoding = fields.get(b"grpc-timeout"), fields.get(b"grpc-encoding")
    return Request(
        fields.get(b":path", b""),
        None if timeout is None else parse_timeout(timeout),
        None if encoding is None else grpc_messages.find_decompress(encoding),
        fields,
    )


def is_grpc(content_type: bytes) -> bool:
    """Return whether a content type is ``application/grpc``, with or without a suffix."""
    return content_type == b"application/grpc" or content_type.startswith(
        (b"application/grpc+", b"application/grpc;")
    )


def parse_timeout(value: bytes) -> Micros:
    """Read a ``grpc-timeout``: at most eight digits and a unit. CallError."""
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise CallError(Code.INTERNAL, "The grpc-timeout is malformed.")
    digits, unit = match.groups()
    if unit == b"n":
        return int(digits) // _NANOSECONDS
    return int(digits) * _UNITS[unit]

"""The body of an HTTP request, read within the limit and decompressed."""

import zlib
from collections.abc import Mapping

from starlette.types import Receive

from drayman.core import errors
from drayman.core.limits import REQUEST_SIZE

_PLAIN = frozenset({"", "identity"})
_GZIP = frozenset({"gzip", "x-gzip"})
_GZIP_FORMAT = 16 + zlib.MAX_WBITS
"""zlib's code for gzip's header and checksum."""
_NOT_GZIP = "The body is not valid gzip, which its Content-Encoding names."


class TruncatedBody(errors.InvalidArgument):
    """A body that ended before its Content-Length: what follows on the connection is unknown."""


async def read(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """Return the whole body, decompressed.

    InvalidArgument, before it is read, for one that is too large; TruncatedBody for one of fewer
    bytes than the Content-Length; InvalidArgument for one that cannot be decompressed; Unavailable
    if the caller disconnects.
    """
    length = int(headers.get(b"content-length", b"0"))  # the HTTP library has checked it
    body, more = bytearray(), True
    while more:
        if max(length, len(body)) > REQUEST_SIZE:
            raise _too_large(REQUEST_SIZE)
        event = await receive()
        if event["type"] == "http.disconnect":
            raise errors.Unavailable("The caller went away.")
        body += event.get("body", b"")
        more = event.get("more_body", False)
    if len(body) < length:
        raise TruncatedBody(f"The body has {len(body)} bytes, its Content-Length is {length}.")
    encoding = headers.get(b"content-encoding", b"").decode("latin-1")
    return decompress(bytes(body), encoding, REQUEST_SIZE)


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """Return a body without its content coding (RFC 9110, section 8.4), gzip or none.

    Args:
        body: The body as it was sent.
        encoding: The value of ``Content-Encoding``, empty if there is none.
        limit: The most bytes of the result; decompression stops one byte beyond it.

    InvalidArgument for another coding, for a body that is not exactly one gzip member, and for a
    result above the limit. An empty body is valid in every coding.
    """
    encoding = encoding.strip().lower()
    if not body or encoding in _PLAIN:
        return body
    if encoding not in _GZIP:
        raise errors.InvalidArgument(
            f'The Content-Encoding "{encoding[:100]}" is not supported, gzip is.'
        )
    decompressor = zlib.decompressobj(_GZIP_FORMAT)
    try:
        content = decompressor.decompress(body, limit + 1)
    except zlib.error:
        raise errors.InvalidArgument(_NOT_GZIP) from None
    if len(content) > limit:
        raise _too_large(limit)
    # Several members are valid gzip, but clients send one, and a million empty ones cost seconds.
    if not decompressor.eof or decompressor.unused_data:
        raise errors.InvalidArgument(_NOT_GZIP)
    return content


def _too_large(limit: int) -> errors.InvalidArgument:
    """Return the error for a body above the limit."""
    return errors.InvalidArgument(f"Request payload size exceeds the limit: {limit} bytes.")

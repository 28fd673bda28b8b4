"""The body of an HTTP request, read within the limit, and its content coding."""

import zlib
from collections.abc import Mapping
from typing import NamedTuple

from starlette.types import Receive

from drayman.core import errors
from drayman.core.limits import REQUEST_SIZE

_PLAIN = frozenset({"", "identity"})
_GZIP = frozenset({"gzip", "x-gzip"})
_GZIP_FORMAT = 16 + zlib.MAX_WBITS
"""zlib's code for gzip's header and checksum."""
_NOT_GZIP = "The body is not valid gzip, which its Content-Encoding names."


class Body(NamedTuple):
    """A body as it was sent.

    Attributes:
        content: The bytes.
        encoding: The value of ``Content-Encoding``, empty if there is none.
    """

    content: bytes
    encoding: str = ""

    @property
    def size(self) -> int:
        """The bytes of the decompressed body; at most so many are decompressed."""
        if _coding(self.encoding) in _PLAIN:
            return len(self.content)
        return min(_claimed_size(self.content), REQUEST_SIZE)

    def decompress(self, limit: int = REQUEST_SIZE) -> bytes:
        """Return the decompressed body. InvalidArgument, see ``decompress``."""
        return decompress(self.content, self.encoding, limit)


class TruncatedBody(errors.InvalidArgument):
    """A body that ended before its Content-Length: what follows on the connection is unknown."""


async def read(headers: Mapping[bytes, bytes], receive: Receive, limit: int = REQUEST_SIZE) -> Body:
    """Return the whole body, of at most ``limit`` bytes.

    InvalidArgument, before it is read, for one that is too large; TruncatedBody for one of fewer
    bytes than the Content-Length; Unavailable if the caller disconnects.
    """
    length = int(headers.get(b"content-length", b"0"))  # the HTTP library has checked it
    body, more = bytearray(), True
    while more:
        check_size(max(length, len(body)), limit)
        event = await receive()
        if event["type"] == "http.disconnect":
            raise errors.Unavailable("The caller went away.")
        body += event.get("body", b"")
        more = event.get("more_body", False)
    if len(body) < length:
        raise TruncatedBody(f"The body has {len(body)} bytes, its Content-Length is {length}.")
    return Body(bytes(body), headers.get(b"content-encoding", b"").decode("latin-1"))


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """Return a body without its content coding (RFC 9110, section 8.4), gzip or none.

    Args:
        body: The body as it was sent.
        encoding: The value of ``Content-Encoding``, empty if there is none.
        limit: The most bytes of the result; decompression stops one byte beyond it.

    InvalidArgument for another coding, for a body that is not exactly one gzip member, and for a
    result above the limit. An empty body is valid in every coding.
    """
    coding = _coding(encoding)
    if not body or coding in _PLAIN:
        return body
    if coding not in _GZIP:
        raise errors.InvalidArgument(
            f'The Content-Encoding "{coding[:100]}" is not supported, gzip is.'
        )
    decompressor = zlib.decompressobj(_GZIP_FORMAT)
    claimed = _claimed_size(body)
    try:
        content = decompressor.decompress(body, min(limit, claimed) + 1)
    except zlib.error:
        raise errors.InvalidArgument(_NOT_GZIP) from None
    check_size(min(len(content), claimed), limit)
    # Several members are valid gzip, but clients send one, and a million empty ones cost seconds.
    if not decompressor.eof or decompressor.unused_data:
        raise errors.InvalidArgument(_NOT_GZIP)
    return content


def check_size(size: int, limit: int) -> None:
    """Check that a body has at most ``limit`` bytes. InvalidArgument."""
    if size > limit:
        raise errors.InvalidArgument(f"Request payload size exceeds the limit: {limit} bytes.")


def _coding(encoding: str) -> str:
    return encoding.strip().lower()


def _claimed_size(body: bytes) -> int:
    """Return the decompressed size that stands at the end of a gzip member (RFC 1952)."""
    return int.from_bytes(body[-4:], "little")

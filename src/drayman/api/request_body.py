"""The body of an HTTP request: the limit of its size, and its content coding."""

import zlib
from typing import NamedTuple

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
    def is_plain(self) -> bool:
        """Whether the content is the body without a content coding."""
        return not self.encoding or _coding(self.encoding) in _PLAIN

    @property
    def size(self) -> int:
        """The bytes of the decompressed body; at most so many are decompressed."""
        if self.is_plain:
            return len(self.content)
        return min(_claimed_size(self.content), REQUEST_SIZE)

    def decompress(self, limit: int = REQUEST_SIZE) -> bytes:
        """Return the decompressed body. InvalidArgument, see ``decompress``."""
        return decompress(self.content, self.encoding, limit)


class TruncatedBody(errors.InvalidArgument):
    """A body that ended before its Content-Length: what follows on the connection is unknown."""

    def __init__(self, size: int, length: int) -> None:
        super().__init__(f"The body has {size} bytes, its Content-Length is {length}.")


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
        raise too_large(limit)


def too_large(limit: int) -> errors.InvalidArgument:
    """Return the error for a body of more than ``limit`` bytes."""
    return errors.InvalidArgument(f"Request payload size exceeds the limit: {limit} bytes.")


def _coding(encoding: str) -> str:
    return encoding.strip().lower()


def _claimed_size(body: bytes) -> int:
    """Return the decompressed size that stands at the end of a gzip member (RFC 1952)."""
    return int.from_bytes(body[-4:], "little")

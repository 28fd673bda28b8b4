"""The content coding of a request's body (RFC 9110, section 8.4): gzip or none."""

import zlib

from drayman.core import errors

_PLAIN = frozenset({"", "identity"})
_GZIP = frozenset({"gzip", "x-gzip"})
_GZIP_FORMAT = 16 + zlib.MAX_WBITS
"""Tells zlib to expect gzip's header and checksum."""
_NOT_GZIP = "The body is not valid gzip, which its Content-Encoding names."


def decode(body: bytes, encoding: str, limit: int) -> bytes:
    """Return a body without its coding.

    Args:
        body: The body as it was sent.
        encoding: The value of ``Content-Encoding``, empty if there is none.
        limit: The most bytes of the result; decompression stops one byte beyond it.

    InvalidArgument for another coding, for a body that is not exactly one gzip member, and for a
    result beyond the limit. An empty body is returned as it is, whatever the header names.
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
        raise too_large(limit)
    # Several members are valid gzip, but clients send one, and a million empty ones take seconds.
    if not decompressor.eof or decompressor.unused_data:
        raise errors.InvalidArgument(_NOT_GZIP)
    return content


def too_large(limit: int) -> errors.InvalidArgument:
    """Return the refusal of a body beyond the limit."""
    return errors.InvalidArgument(f"Request payload size exceeds the limit: {limit} bytes.")

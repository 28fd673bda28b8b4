"""Messages on the wire of gRPC: five bytes of prefix (compressed or not, length), then the message.

The status of each error is the one that gRPC's documents define: "Status codes and their use in
gRPC" and "gRPC Compression".
"""

import zlib
from collections.abc import Callable, Mapping

from drayman.core.status import Code
from drayman.edge.grpc_status import CallError

PREFIX = 5
_WINDOW_BITS: Mapping[bytes, int] = {b"gzip": zlib.MAX_WBITS | 16, b"deflate": zlib.MAX_WBITS}
ACCEPTED = (b"grpc-accept-encoding", b"identity,deflate,gzip")

EXPANSION = 1_032
"""The most bytes that one byte of deflate stands for."""

Decompress = Callable[[bytes, int], bytes]
"""Takes a compressed message and the most bytes it may have; returns the message. CallError."""


def frame(message: bytes) -> bytes:
    """Return a message with its prefix, not compressed."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def unframe(data: bytes, limit: int) -> bytes | None:
    """Return the message if the data is exactly one, not compressed and not too large."""
    size = len(data) - PREFIX
    if 0 <= size <= limit and data[:PREFIX] == b"\0" + size.to_bytes(4, "big"):
        return data[PREFIX:]
    return None


def find_decompress(encoding: bytes) -> Decompress | None:
    """Return how messages of a ``grpc-encoding`` are read; None for ``identity``. CallError."""
    if encoding == b"identity":
        return None
    bits = _WINDOW_BITS.get(encoding)
    if bits is None:
        name = encoding[:100].decode("ascii", "replace")
        message = f'Compression algorithm "{name}" is not supported.'
        raise CallError(Code.UNIMPLEMENTED, message, (ACCEPTED,))
    return lambda data, limit: _inflate(data, bits, limit)


def _inflate(data: bytes, bits: int, limit: int) -> bytes:
    inflating = zlib.decompressobj(bits)
    try:
        message = inflating.decompress(data, limit + 1)
    except zlib.error:
        raise CallError(Code.INTERNAL, "A compressed message cannot be read.") from None
    if len(message) > limit:
        raise too_large(len(message), limit)
    if not inflating.eof or inflating.unused_data:
        raise CallError(Code.INTERNAL, "A compressed message cannot be read.")
    return message


def too_large(size: int, limit: int) -> CallError:
    """Return the error of a message that is too large, in the words of gRPC."""
    return CallError(
        Code.RESOURCE_EXHAUSTED, f"Received message larger than max ({size} vs. {limit})"
    )


class Compressed(bytes):
    """A message as it was sent, still compressed."""

    __slots__ = ()


def defer(data: bytes, _limit: int) -> bytes:
    """Leave a message compressed: to decompress a large one takes longer than others may wait."""
    return Compressed(data)


class MessageReader:
    """Takes the data of a stream as it arrives and returns the messages that are complete."""

    def __init__(self, decompress: Decompress | None, limit: int) -> None:
        self._decompress = decompress
        self._limit = limit
        self._buffer = bytearray()
        self._needed = PREFIX

    @property
    def partial(self) -> bool:
        """Whether a message has begun that is not complete."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that are complete with this data. CallError."""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return []
            data = bytes(self._buffer)
            self._buffer.clear()
        return self._split(data)

    def _split(self, data: bytes) -> list[bytes]:
        messages, start = [], 0
        while True:
            self._needed = PREFIX
            if len(data) - start < PREFIX:
                break
            end = start + PREFIX + self._length(data, start)
            if len(data) < end:
                self._needed = end - start
                break
            messages.append(self._message(data[start], data[start + PREFIX : end]))
            start = end
        self._buffer += data[start:]
        return messages

    def _length(self, data: bytes, start: int) -> int:
        length = int.from_bytes(data[start + 1 : start + PREFIX], "big")
        if length > self._limit:
            raise too_large(length, self._limit)
        return length

    def _message(self, flag: int, data: bytes) -> bytes:
        if flag == 0:
            return data
        if flag == 1 and self._decompress is not None:
            return self._decompress(data, self._limit)
        if flag == 1:
            message = "A message is compressed, but the call has no grpc-encoding."
            raise CallError(Code.INTERNAL, message)
        raise CallError(Code.INTERNAL, f"A message begins with the invalid flags {flag}.")

"""Messages on the wire of gRPC: prefix, compression, limits."""

import contextlib
import gzip
import zlib

import pytest
from http2_client import message
from hypothesis import given
from hypothesis import strategies as st

from drayman.core.status import Code
from drayman.edge import grpc_messages
from drayman.edge.grpc_messages import MessageReader, find_decompress
from drayman.edge.grpc_status import CallError

LIMIT = 1_000


def refusal(call, *args):
    with pytest.raises(CallError) as caught:
        call(*args)
    return caught.value.code, caught.value.message


@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_messages_are_the_same_however_their_bytes_arrive(bodies, data):
    stream = b"".join(map(grpc_messages.frame, bodies))
    reader, received = MessageReader(None, LIMIT), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        received += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert received == bodies
    assert not reader.partial


@pytest.mark.parametrize("encoding", [None, b"identity", b"gzip", b"deflate"])
def test_messages_that_are_not_compressed_are_read_under_any_encoding(encoding):
    decompress = None if encoding is None else find_decompress(encoding)
    assert MessageReader(decompress, LIMIT).feed(message(b"x")) == [b"x"]


@pytest.mark.parametrize(
    ("encoding", "compress"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)]
)
def test_compressed_messages_are_read(encoding, compress):
    reader = MessageReader(find_decompress(encoding), LIMIT)
    data = message(compress(b"one"), 1) + message(compress(b""), 1)
    assert reader.feed(data) == [b"one", b""]


def test_an_unknown_encoding_is_unimplemented_and_says_which_are_known():
    with pytest.raises(CallError) as caught:
        find_decompress(b"snappy")
    assert caught.value.code is Code.UNIMPLEMENTED
    assert caught.value.message == 'Compression algorithm "snappy" is not supported.'
    assert caught.value.metadata == ((b"grpc-accept-encoding", b"identity,deflate,gzip"),)


@pytest.mark.parametrize("size", [LIMIT + 1, 2**32 - 1])
def test_a_message_that_is_too_large_is_refused_by_its_prefix(size):
    reader = MessageReader(None, LIMIT)
    prefix = b"\0" + size.to_bytes(4, "big")
    expected = f"Received message larger than max ({size} vs. {LIMIT})"
    assert refusal(reader.feed, prefix) == (Code.RESOURCE_EXHAUSTED, expected)


def test_a_message_may_be_as_large_as_the_limit():
    assert MessageReader(None, LIMIT).feed(message(bytes(LIMIT))) == [bytes(LIMIT)]
    compressed = message(gzip.compress(bytes(LIMIT)), 1)
    assert MessageReader(find_decompress(b"gzip"), LIMIT).feed(compressed) == [bytes(LIMIT)]


@pytest.mark.parametrize(
    ("encoding", "compress"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)]
)
def test_a_message_that_grows_beyond_the_limit_is_refused(encoding, compress):
    bomb = message(compress(bytes(LIMIT * 50)), 1)
    code, text = refusal(MessageReader(find_decompress(encoding), LIMIT).feed, bomb)
    assert code is Code.RESOURCE_EXHAUSTED
    assert text.endswith(f"vs. {LIMIT})")


@pytest.mark.parametrize(
    "data",
    [b"", b"x", gzip.compress(b"x", mtime=0)[:-1], gzip.compress(b"x", mtime=0) + b"y",
     zlib.compress(b"x"), gzip.compress(b"x", mtime=0)[:-8] + bytes(8)],
)  # fmt: skip
def test_what_cannot_be_decompressed_is_an_internal_error(data):
    reader = MessageReader(find_decompress(b"gzip"), LIMIT)
    words = (Code.INTERNAL, "A compressed message cannot be read.")
    assert refusal(reader.feed, message(data, 1)) == words


@pytest.mark.parametrize("encoding", [None, b"identity"])
def test_a_compressed_message_without_an_encoding_is_an_internal_error(encoding):
    decompress = None if encoding is None else find_decompress(encoding)
    code, text = refusal(MessageReader(decompress, LIMIT).feed, message(b"x", 1))
    assert (code, text) == (
        Code.INTERNAL,
        "A message is compressed, but the call has no grpc-encoding.",
    )


@pytest.mark.parametrize("flag", [2, 3, 255])
def test_unknown_flags_are_an_internal_error(flag):
    code, text = refusal(MessageReader(None, LIMIT).feed, message(b"x", flag))
    assert (code, text) == (Code.INTERNAL, f"A message begins with the invalid flags {flag}.")


@given(st.binary(), st.sampled_from([None, b"gzip", b"deflate"]))
def test_no_bytes_cause_any_other_error(data, encoding):
    reader = MessageReader(None if encoding is None else find_decompress(encoding), LIMIT)
    with contextlib.suppress(CallError):
        reader.feed(data)

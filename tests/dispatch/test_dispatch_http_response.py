"""Responses from bytes: whatever the pieces they arrive in, and whatever the bytes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core.delivery import MAX_RESPONSE_SIZE, RECORDED_BODY_SIZE, NoResponse, Response
from drayman.dispatch.http import failures
from drayman.dispatch.http.response import (
    MAX_HEAD_FIELDS,
    MAX_HEAD_SIZE,
    MAX_INTERIM_RESPONSES,
    MAX_RECEIVED_SIZE,
    ResponseReader,
)

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"Content-Length: 0\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
INCOMPLETE = failures.failure(failures.INCOMPLETE)
CLOSED = failures.failure(failures.CLOSED)


def read(*pieces, method="POST", error=None):
    """Return the result of a response in pieces, then the end; and whether to go on."""
    reader = ResponseReader()
    reader.begin(method)
    results = (reader.feed(piece) for piece in pieces)
    result = next((each for each in results if each is not None), None)
    if result is None:
        result = reader.end(error)
    reader.close()
    return result, reader.reusable


RESPONSES = {
    "length": (OK + b"Content-Length: 2\r\n\r\nok", Response(200, body=b"ok"), True),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Response(200), True),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx", Response(200, {}, b"x"), True),
    "chunks": (
        CHUNKED + b"2;ext=1\r\nok\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n",
        Response(200, body=b"ok!"), True,
    ),
    "trailers do not count": (
        CHUNKED + b"0\r\nRetry-After: 9\r\nDrayman-Retry: never\r\n\r\n", Response(200), True,
    ),
    "by close": (OK + b"\r\nbody", Response(200, body=b"body"), False),
    "coded, by close": (
        OK + b"Transfer-Encoding: gzip\r\n\r\nbody", Response(200, body=b"body"), False,
    ),
    "chunked, then coded again": (
        OK + b"Transfer-Encoding: chunked, gzip\r\n\r\nbody", Response(200, body=b"body"), False,
    ),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", Response(200, {}, b"x"), False),
    "HTTP/1.0, kept": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        Response(200), True,
    ),
    "close": (OK + b"Connection: close\r\nContent-Length: 0\r\n\r\n", Response(200), False),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", Response(204), True),
    "304": (b"HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", Response(304), True),
    "interim": (
        b"HTTP/1.1 103 Hints\r\nRetry-After: 1\r\n\r\n" * MAX_INTERIM_RESPONSES + EMPTY,
        Response(200),
        True,
    ),
    "101": (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nmore", Response(101), False),
    "hints": (
        (b"HTTP/1.1 503 Busy\r\nretry-after: 5\r\nRetry-After: 6\r\n"
         b"DRAYMAN-RETRY: \xe9\r\nContent-Length: 0\r\n\r\n"),
        Response(503, {"retry-after": "5", "drayman-retry": "\xe9"}), True,
    ),
    "folded": (
        b"HTTP/1.1 503 Busy\r\nRetry-After:\r\n 5\r\nContent-Length: 0\r\n\r\n",
        Response(503, {"retry-after": "5"}), True,
    ),
    "garbage after": (EMPTY + b"HTTP/1.1 500 No\r\n\r\n", Response(200), False),
    "no response": (b"", CLOSED, False),
    "half a head": (OK + b"X: ", CLOSED, False),
    "interim alone": (b"HTTP/1.1 100 Continue\r\n\r\n", CLOSED, False),
    "half a body": (OK + b"Content-Length: 9\r\n\r\nhalf", INCOMPLETE, False),
    "half a chunk": (CHUNKED + b"5\r\nhal", INCOMPLETE, False),
    "no last chunk": (CHUNKED + b"1\r\nx\r\n", INCOMPLETE, False),
}  # fmt: skip


@pytest.mark.parametrize(("data", "result", "reusable"), RESPONSES.values(), ids=RESPONSES)
def test_a_response_is_the_same_however_it_is_cut(data, result, reusable):
    assert read(data) == (result, reusable)
    assert read(*(data[n : n + 1] for n in range(len(data))))[0] == result
    for cut in range(len(data)):
        assert read(data[:cut], data[cut:])[0] == result


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("status", [204, 304])
def test_what_follows_a_response_without_a_body_spoils_the_connection(method, status):
    data = b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok" % status
    assert read(data, method=method) == (Response(status), False)


@pytest.mark.parametrize(
    ("fields", "more", "reusable"),
    [
        (b"Content-Length: 9\r\n", b"", True),
        (b"Content-Length: 9\r\n", b"unexpected", False),
        (b"Content-Length: 0\r\n", b"HTTP/1.1 200 OK\r\n\r\n", False),
        (b"Transfer-Encoding: chunked\r\n", b"", False),
        (b"", b"", False),
    ],
)
def test_a_response_to_head_ends_with_its_head(fields, more, reusable):
    data = OK + fields + b"\r\n" + more
    assert read(data, method="HEAD") == (Response(200), reusable)


def test_a_reader_goes_on_after_head():
    reader = ResponseReader()
    reader.begin("HEAD")
    assert reader.feed(OK + b"Content-Length: 9\r\n\r\n") == Response(200)
    reader.begin("POST")
    assert reader.feed(OK + b"Content-Length: 2\r\n\r\nok") == Response(200, body=b"ok")
    reader.close()


def test_a_connection_that_is_lost_by_an_error_says_so():
    error = ConnectionResetError(104, "Connection reset by peer")
    broken = failures.failure(failures.BROKEN, "Connection reset by peer")
    assert read(OK, error=error)[0] == broken
    assert read(OK + b"\r\nbody", error=error)[0] == INCOMPLETE


@pytest.mark.parametrize("size", [MAX_HEAD_SIZE - 1, MAX_HEAD_SIZE, MAX_HEAD_SIZE + 1])
@pytest.mark.parametrize("step", [1_000, 8_192, 200_000])
def test_a_head_is_bounded_to_the_byte(size, step):
    start, end = OK + b"X: ", b"\r\nContent-Length: 0\r\n\r\n"
    data = start + b"x" * (size - len(start) - len(end)) + end
    result, _ = read(*(data[n : n + step] for n in range(0, len(data), step)))
    if size <= MAX_HEAD_SIZE:
        assert result == Response(200)
    else:
        assert result.reason.endswith("is not HTTP: Too large a head (over 65536 bytes)")


def test_interim_heads_and_the_final_one_share_a_bound():
    interim = b"HTTP/1.1 103 Hints\r\nX: " + b"x" * (MAX_HEAD_SIZE // 2) + b"\r\n\r\n"
    assert isinstance(read(interim * 2 + OK)[0], NoResponse)


@pytest.mark.parametrize("fields", [MAX_HEAD_FIELDS, MAX_HEAD_FIELDS + 1])
def test_fields_are_bounded(fields):
    head = OK + b"X: y\r\n" * (fields - 1) + b"Content-Length: 0\r\n\r\n"
    trailers = CHUNKED + b"0\r\n" + b"X: y\r\n" * (fields - 1) + b"\r\n"
    for data in (head, trailers):
        result, _ = read(data)
        assert isinstance(result, Response) == (fields <= MAX_HEAD_FIELDS)


@pytest.mark.parametrize("extra", [0, 1])
def test_what_is_received_is_bounded_to_the_byte(extra):
    end = b"1\r\nx\r\n0\r\n\r\n"
    start = CHUNKED + b"1;"
    filler = MAX_RECEIVED_SIZE - len(start) - len(end) - len(b"\r\nx\r\n") + extra
    data = start + b"e" * filler + b"\r\nx\r\n" + end
    result, reusable = read(data)
    if extra:
        assert result == failures.failure(failures.ENDLESS)
    else:
        assert (result, reusable) == (Response(200, body=b"xx"), True)


@pytest.mark.parametrize("size", [MAX_RESPONSE_SIZE - 1, MAX_RESPONSE_SIZE, MAX_RESPONSE_SIZE + 1])
def test_a_body_is_read_to_the_bound_and_its_beginning_kept(size):
    data = OK + b"Content-Length: %d\r\n\r\n" % size + b"x" * size
    assert read(data) == (Response(200, body=b"x" * RECORDED_BODY_SIZE), size < MAX_RESPONSE_SIZE)


def test_more_interim_responses_than_allowed_are_a_failure():
    data = (
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM_RESPONSES + 1)
        + OK
        + b"Content-Length: 0\r\n\r\n"
    )
    assert read(data)[0] == failures.failure(failures.ENDLESS_INTERIM)


PARTS = st.sampled_from([
    OK, b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0 204 No\r\n", b"HTTP/1.1 101 X\r\n",
    b"Content-Length: 3\r\n", b"Content-Length: 9999999999999999999999\r\n",
    b"Connection: close\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Upgrade: h2c\r\n",
    b"Connection: upgrade\r\n", b"Retry-After: 1\r\n", b"\r\n", b"\n", b"\r", b"3\r\nabc\r\n",
    b"0\r\n\r\n", b"ffffffffffffffffffff\r\n", b"3;x=y\r\n", b" ", b"\0", b"abc",
])  # fmt: skip


@given(st.lists(PARTS | st.binary(max_size=20), max_size=15), st.data())
def test_any_bytes_cut_anywhere_have_one_result(parts, data):
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    method = data.draw(st.sampled_from(["POST", "HEAD"]))
    pieces = [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]
    whole, _ = read(stream, method=method)
    assert isinstance(whole, Response | NoResponse)
    assert read(*pieces, method=method)[0] == whole

"""The sender against real sockets: every fault is a bounded failure that says what it was."""

import asyncio
import socket

import pytest
from peers import OK, STARTS, Peer, answering, post, self_signed

from drayman.core import delivery
from drayman.core.clock import SECOND, ManualClock
from drayman.core.delivery import (
    MAX_RESPONSE_SIZE,
    RECORDED_BODY_SIZE,
    Failure,
    NoResponse,
    Request,
)
from drayman.dispatch.http.response import MAX_INTERIM_RESPONSES, MAX_RECEIVED_SIZE
from drayman.dispatch.sender import HttpSender


@pytest.fixture
async def sender():
    sender = HttpSender()
    yield sender
    await sender.close()


async def failure(sender, url, **headers):
    result = await sender.send(post(url, **headers))
    assert isinstance(result, NoResponse)
    assert result.failure is Failure.CONNECTION
    assert len(result.reason) <= 500
    return result.reason


async def test_a_request_is_sent_unchanged(sender):
    async with Peer() as peer:
        headers = {"X-Mine": "é", "User-Agent": "Google-Cloud-Tasks"}
        request = Request("PUT", peer.url + "a%20b/%zz?q=%C3%A9&r=1", headers, b"\0\xff")
        assert (await sender.send(request)).status == 200
    head, body = peer.requests[0]
    lines = head.rstrip("\r\n").split("\r\n")
    assert lines[0] == "PUT /a%20b/%zz?q=%C3%A9&r=1 HTTP/1.1"
    assert sorted(line.split(":")[0] for line in lines[1:]) == [
        "Content-Length", "Host", "User-Agent", "X-Mine",
    ]  # fmt: skip
    assert "X-Mine: é" in head.encode("latin-1").decode()
    assert body == b"\0\xff"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_an_empty_body_has_a_length(sender, method):
    async with Peer() as peer:
        await sender.send(Request(method, peer.url, {}, b""))
    assert "content-length: 0\r\n" in peer.requests[0][0].lower()


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
async def test_all_methods_are_sent(sender, method):
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as peer:
        assert (await sender.send(Request(method, peer.url, {}, b""))).status == 200
    assert peer.requests[0][0].startswith(f"{method} / ")


async def test_connections_are_reused(sender):
    async with Peer() as peer:
        for _ in range(3):
            assert (await sender.send(post(peer.url))).status == 200
    assert peer.connections == 1


async def test_the_sender_itself_follows_no_redirects(sender):
    async with Peer() as elsewhere:
        content = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n"
        async with answering(content.encode()) as peer:
            response = await sender.send(post(peer.url))
    assert (response.status, response.headers) == (302, {"location": elsewhere.url})
    assert elsewhere.requests == []


async def test_cookies_are_ignored(sender):
    content = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )
    async with answering(content) as peer:
        await sender.send(post(peer.url))
        await sender.send(post(peer.url))
    assert "cookie" not in peer.requests[1][0].lower()


async def test_a_refused_connection_is_a_failure(sender):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "no connection to the target" in await failure(sender, f"http://127.0.0.1:{port}/")


async def test_a_name_that_does_not_resolve_is_a_failure(sender):
    reason = await failure(sender, "http://nowhere.invalid/")
    assert "host name cannot be resolved" in reason


async def test_a_connection_reset_is_a_failure(sender):
    class Resetting(Peer):
        async def serve(self, reader, writer):
            await self.read(reader)
            linger = socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, *linger)

    async with Resetting() as peer:
        assert "connection to the target broke" in await failure(sender, peer.url)


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
async def test_a_request_is_not_repeated_when_a_reused_connection_breaks(sender, method):
    class Once(Peer):
        async def serve(self, reader, writer):
            await self.read(reader)
            writer.write(OK)
            await writer.drain()
            await self.read(reader)

    async with Once() as peer:
        request = Request(method, peer.url, {}, b"")
        assert (await sender.send(request)).status == 200
        assert isinstance(await sender.send(request), NoResponse)
        assert len(peer.requests) == 2


async def test_a_connection_closed_without_a_response_is_a_failure(sender):
    async with answering(b"") as peer:
        assert "closed the connection without an answer" in await failure(sender, peer.url)


@pytest.mark.parametrize(
    "content",
    [
        b"\0\1\2\3 not http at all \xff\xff\r\n\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"220 smtp.example ESMTP\r\n",
    ],
    ids=["bytes", "status", "header", "length", "huge header", "another protocol"],
)
async def test_a_response_that_is_not_http_is_a_failure(sender, content):
    async with answering(content) as peer:
        assert "answer is not HTTP" in await failure(sender, peer.url)


FIELDS = b"".join(b"X%d: y\r\n" % number for number in range(900))


@pytest.mark.parametrize("fields", [b"X: " + b"x" * 60_000 + b"\r\n", FIELDS], ids=["long", "many"])
async def test_large_headers_are_accepted(sender, fields):
    content = b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 0\r\n\r\n"
    async with answering(content) as peer:
        assert (await sender.send(post(peer.url))).status == 200


async def test_too_large_headers_are_a_failure(sender):
    async with answering(b"HTTP/1.1 200 OK\r\n" + 2 * FIELDS + b"\r\n") as peer:
        assert "Too many headers" in await failure(sender, peer.url)


@pytest.mark.parametrize(
    "content",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nbanana\r\n",
    ],
    ids=["length", "chunks", "bad chunk"],
)
async def test_an_incomplete_response_is_a_failure(sender, content):
    async with answering(content) as peer:
        assert "the target's answer" in await failure(sender, peer.url)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nContent-Length: 999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 999999999999\r\n\r\n",
    ],
)
async def test_an_endless_response_is_read_up_to_the_limit(sender, head):
    class Endless(Peer):
        async def serve(self, reader, writer):
            await self.read(reader)
            writer.write(head)
            await self.forever(writer, b"x" * 4096)

    async with Endless() as peer:
        assert (await sender.send(post(peer.url))).status == int(head[9:12])
        await peer.closed.wait()
        assert peer.sent < MAX_RESPONSE_SIZE + 8_000_000  # the rest is what the sockets hold


async def test_endless_headers_are_a_failure(sender):
    class Endless(Peer):
        async def serve(self, reader, writer):
            await self.read(reader)
            writer.write(b"HTTP/1.1 200 OK\r\n")
            await self.forever(writer, b"X-More: y\r\n" * 6_000)

    async with Endless() as peer:
        assert "the target's answer" in await failure(sender, peer.url)


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = [
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "interim answers (1xx) without end"),
    (b"", b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n", "interim answers (1xx) without end"),
    (HEAD, b"5;" + b"x" * 4000 + b"\r\nhello\r\n", "without end and without content"),
    (HEAD + b"5;", b"x" * 4096, "the target's answer"),
    (HEAD + b"0\r\n", b"X-More: y\r\n", "the target's answer"),
]


@pytest.mark.parametrize(
    ("start", "chunk", "words"), ENDLESS,
    ids=["continue", "hints", "extensions", "an extension", "trailers"],
)  # fmt: skip
async def test_endless_framing_without_content_is_a_failure(sender, start, chunk, words):
    class Endless(Peer):
        async def serve(self, reader, writer):
            await self.read(reader)
            writer.write(start)
            await self.forever(writer, chunk * (65_536 // len(chunk)))

    async with Endless() as peer:
        assert words in await failure(sender, peer.url)
        await peer.closed.wait()
        assert peer.sent < 8_000_000  # what the sockets hold


async def test_interim_responses_are_counted_for_each_request(sender):
    class Hinting(Peer):
        async def answer(self):
            return b"HTTP/1.1 103 Hints\r\n\r\n" * MAX_INTERIM_RESPONSES + OK

    async with Hinting() as peer:
        for _ in range(3):
            assert (await sender.send(post(peer.url))).body == b"ok"
        assert peer.connections == 1


async def test_received_bytes_are_counted_for_each_request(sender):
    class Wordy(Peer):
        async def answer(self):
            return b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000

    async with Wordy() as peer:
        for _ in range(3 * MAX_RECEIVED_SIZE // 60_000):
            assert (await sender.send(post(peer.url))).status == 200
        assert peer.connections == 1


@pytest.mark.parametrize(
    "size", [MAX_RESPONSE_SIZE - 1, MAX_RESPONSE_SIZE, MAX_RECEIVED_SIZE, 8 * MAX_RECEIVED_SIZE]
)
@pytest.mark.parametrize("chunk", [100, 50_000])
async def test_a_long_response_is_cut_without_a_failure(sender, size, chunk):
    one = b"%x\r\n%b\r\n" % (chunk, b"x" * chunk)
    async with answering(HEAD + one * (size // chunk) + b"0\r\n\r\n") as peer:
        result = await sender.send(post(peer.url))
    assert (result.status, result.body) == (200, b"x" * RECORDED_BODY_SIZE)


async def test_a_response_before_the_request_body_was_read_counts(sender):
    class Hasty(Peer):
        async def serve(self, reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            self.arrived.set()
            await asyncio.Event().wait()

    async with Hasty() as peer:
        assert (await sender.send(post(peer.url, b"x" * 1_000_000))).status == 413


@pytest.mark.parametrize("start", STARTS)
async def test_a_slow_or_hanging_response_ends_at_the_deadline(sender, start):
    class Hanging(Peer):
        async def serve(self, reader, writer):
            await self.read(reader)
            writer.write(start)
            await writer.drain()
            await reader.read()

    clock = ManualClock()
    async with Hanging() as peer:

        async def attempt():
            async with clock.timeout(clock.now() + 15 * SECOND):
                return await sender.send(post(peer.url))

        attempt = asyncio.create_task(attempt())
        await peer.arrived.wait()
        clock.advance(15 * SECOND)
        with pytest.raises(TimeoutError):
            await attempt
        await peer.closed.wait()  # the connection is not kept


@pytest.mark.parametrize(
    "url",
    ["http://[", "http://", "http://a:99999/", "http://a:65536/", "http://a b/", "http:///x", "http://a\0b/",
     "http://%zz/"],
)  # fmt: skip
async def test_an_unusable_url_is_a_failure_of_the_request(sender, url):
    result = await sender.send(post(url))
    assert result.failure is Failure.REQUEST
    assert result.reason.startswith("the URL cannot be used: ")


async def test_a_host_that_is_no_name_is_a_failure(sender):
    assert await failure(sender, "http://" + "x" * 64 + "/")


def test_a_host_name_that_is_not_ascii_is_encoded_for_the_dns():
    url = "https://b\u00fccher.example:8443/\u00fc?q=\u00fc"
    assert delivery.encode_url(url) == "https://xn--bcher-kva.example:8443/%C3%BC?q=%C3%BC"
    assert delivery.encode_url("http://\u00fc" + "x" * 70 + ".example/").startswith("http://%C3%BC")


@pytest.mark.parametrize(
    ("path", "travels"),
    [
        ("é", "%C3%A9"),
        ("a b?c d", "a%20b?c%20d"),
        ("a\r\nX-Evil: 1\r\n\r\n", "a%0D%0AX-Evil:%201%0D%0A%0D%0A"),
        ("\u2028\t<>", "%E2%80%A8%09%3C%3E"),
        ("%zz%C3%A9", "%zz%C3%A9"),
    ],
)
async def test_special_characters_of_a_url_are_sent_percent_encoded(sender, path, travels):
    async with Peer() as peer:
        assert (await sender.send(post(delivery.encode_url(peer.url + path)))).status == 200
    assert peer.requests[0][0].split("\r\n")[0] == f"POST /{travels} HTTP/1.1"


@pytest.mark.parametrize("headers", [{"X-Mine": "a\r\nX-Evil: 1"}, {"a b": "c"}, {"X": "a\0b"}])
async def test_a_header_cannot_inject_another_header(sender, headers):
    async with Peer() as peer:
        result = await sender.send(Request("POST", peer.url, headers, b""))
    assert isinstance(result, NoResponse) or "X-Evil: 1\r\n" not in peer.requests[0][0]


async def test_an_untrusted_certificate_is_a_failure(sender, tmp_path):
    class Plain(Peer):
        async def serve(self, reader, writer):
            writer.write(OK)
            await reader.read()

    async with Plain() as plain:
        reason = await failure(sender, plain.url.replace("http:", "https:"))
        assert "no TLS connection" in reason
    peer = Peer()
    peer.tls, _ = self_signed(tmp_path)
    async with peer:
        assert "certificate is not accepted" in await failure(sender, peer.url)

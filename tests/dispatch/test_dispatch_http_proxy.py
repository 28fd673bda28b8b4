"""Proxies, by the convention of the environment."""

import asyncio
import contextlib
import ssl

import pytest
from peers import OK, Peer, post, self_signed

from drayman.core.clock import SECOND, ManualClock
from drayman.core.delivery import Failure, NoResponse
from drayman.core.target_policy import DefaultRule, TargetPolicy, TargetSet
from drayman.dispatch.http.request import InvalidUrlError
from drayman.dispatch.sender import HttpSender


class Proxy(Peer):
    """A proxy that opens tunnels, and answers other requests itself."""

    def __init__(self, answer=b"HTTP/1.1 200 Connected\r\n\r\n"):
        super().__init__()
        self._answer = answer

    async def serve(self, reader, writer):
        await self.read(reader)
        first = self.requests[-1][0]
        if not first.startswith("CONNECT "):
            writer.write(OK)
            await reader.read()
            return
        writer.write(self._answer)
        await writer.drain()
        host, _, port = first.split()[1].rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
        finally:
            far_writer.close()
            with contextlib.suppress(OSError):
                await far_writer.wait_closed()


async def copy(source, sink):
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
    sink.close()


@pytest.fixture
async def new_sender():
    senders = []

    def new(**kwargs):
        senders.append(HttpSender(**kwargs))
        return senders[-1]

    yield new
    for sender in senders:
        await sender.close()


async def test_a_target_without_tls_is_requested_by_its_whole_url(new_sender):
    async with Proxy() as proxy:
        url = proxy.url.replace("http://", "http://me:a%2Fb@")
        sender = new_sender(proxies={"http": url})
        assert (await sender.send(post("http://Work.test:81/a%20b?c", b"x"))).status == 200
    lines = proxy.requests[0][0].split("\r\n")
    assert lines[:3] == [
        "POST http://work.test:81/a%20b?c HTTP/1.1",
        "Host: work.test:81",
        "Proxy-Authorization: Basic bWU6YS9i",
    ]


async def test_a_target_with_tls_is_reached_through_a_tunnel(new_sender, tmp_path):
    peer = Peer()
    peer.tls, certificate = self_signed(tmp_path)
    async with peer, Proxy() as proxy:
        url = proxy.url.replace("http://", "me:you@").rstrip("/")
        sender = new_sender(
            proxies={"all": url}, tls=ssl.create_default_context(cafile=certificate)
        )
        for _ in range(2):
            assert (await sender.send(post(peer.url))).status == 200
        assert peer.connections == 1
        authority = peer.url.removeprefix("https://").rstrip("/")
        assert [head for head, _ in proxy.requests] == [
            (
                f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"
                "Proxy-Authorization: Basic bWU6eW91\r\n\r\n"
            )
        ]
        await sender.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n",
            "the proxy answered with the HTTP status code 407",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "the proxy's answer is not HTTP"),
        (b"SSH-2.0-x\r\n\r\n", "the proxy's answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "the proxy's answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n", "the proxy's answer is not HTTP"),
        (b"", "the proxy's answer is not HTTP"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_is_a_failure(new_sender, answer, reason):
    class Refusing(Peer):
        async def serve(self, reader, writer):
            await self.read(reader)
            writer.write(answer)
            await writer.drain()

    async with Refusing() as proxy:
        sender = new_sender(proxies={"https": proxy.url})
        result = await sender.send(post("https://work.test/"))
    assert result.reason == f"no connection to the target: {reason}"


async def test_a_tunnel_that_hangs_ends_with_the_deadline(new_sender):
    class Hanging(Peer):
        async def answer(self):
            return await asyncio.Event().wait()

    clock = ManualClock()
    async with Hanging() as proxy:
        sender = new_sender(proxies={"https": proxy.url})

        async def attempt():
            async with clock.timeout(clock.now() + 15 * SECOND):
                await sender.send(post("https://work.test/"))

        attempt = asyncio.create_task(attempt())
        await proxy.arrived.wait()
        clock.advance(15 * SECOND)
        with pytest.raises(TimeoutError):
            await attempt


@pytest.mark.parametrize("no", ["127.0.0.1", "*", "example.test, 127.0.0.1"])
async def test_hosts_may_be_exempt(new_sender, no):
    async with Peer() as peer:
        sender = new_sender(proxies={"http": "http://127.0.0.1:1", "no": no})
        assert (await sender.send(post(peer.url))).status == 200


async def test_the_environment_alone_switches_no_proxy_on(new_sender, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with Peer() as peer:
        assert (await new_sender().send(post(peer.url))).status == 200


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://169.254.169.254/",
         "169.254.169.254 is a link-local address, or one of a metadata server"),
        ("http://metadata.google.internal./", "metadata.google.internal is a metadata server"),
        ("http://10.0.0.1/", "10.0.0.1 is not a public address"),
        ("http://LOCALHOST/", "127.0.0.1 is not a public address"),
        ("http://a.localhost/", "127.0.0.1 is not a public address"),
        ("http://denied.test/", "denied.test is denied"),
        ("http://a~b/", "a~b is not a host name"),
    ],
)  # fmt: skip
async def test_what_can_be_judged_without_the_proxy_is_refused(new_sender, url, reason):
    policy = TargetPolicy(DefaultRule.PUBLIC, deny=TargetSet(hosts=("denied.test",)))
    async with Proxy() as proxy:
        sender = new_sender(proxies={"http": proxy.url}, policy=policy)
        assert (await sender.send(post("http://work.test/"))).status == 200
        result = await sender.send(post(url))
        assert len(proxy.requests) == 1
    assert result == NoResponse(Failure.FORBIDDEN, f"the target is not allowed: {reason}")


async def test_by_default_none_a_proxy_gets_the_allowed_names_only(new_sender):
    policy = TargetPolicy(DefaultRule.NONE, allow=TargetSet(hosts=("work.test",)))
    async with Proxy() as proxy:
        sender = new_sender(proxies={"http": proxy.url}, policy=policy)
        assert (await sender.send(post("http://work.test/"))).status == 200
        result = await sender.send(post("http://other.test/"))
    assert result.reason == "the target is not allowed: other.test is not allowed"


@pytest.mark.parametrize("url", ["https://proxy.test:3128", "http://", "socks5://proxy.test"])
async def test_a_proxy_that_cannot_be_used_is_refused_at_the_start(url):
    with pytest.raises(InvalidUrlError):
        HttpSender(proxies={"https": url})

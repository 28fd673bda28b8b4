"""Connecting: which addresses are tried, who may refuse them, and whose fault a failure is."""

import asyncio
import contextlib
import errno
import os
import resource
import socket
import ssl

import pytest
from peers import OK, Peer, answering, post, self_signed

from drayman.core.clock import SECOND, ManualClock
from drayman.core.delivery import Failure, NoResponse, Response
from drayman.dispatch.http import failures
from drayman.dispatch.http.connect import MAX_ADDRESSES, STAGGER
from drayman.dispatch.sender import HttpSender


class Names:
    """A getaddrinfo that knows one name, and its addresses."""

    def __init__(self, *addresses):
        self._addresses = addresses

    def __call__(self, *_, **__):
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "",
             (each, 0, 0, 0) if ":" in each else (each, 0))
            for each in self._addresses
        ]  # fmt: skip


class Policy:
    """A policy that remembers the addresses that it was asked about."""

    def __init__(self, *refused):
        self._refused = refused
        self.asked = []
        self.event = asyncio.Event()

    def refuse_host(self, host):
        pass

    def refuse_address(self, host, ip, port):  # noqa: ARG002 - the form of it
        self.asked.append((ip, port))
        self.event.set()
        return f"{ip} is private" if ip in self._refused else None


@pytest.fixture
async def new_sender():
    senders = []

    def new(*args, **kwargs):
        senders.append(HttpSender(*args, **kwargs))
        return senders[-1]

    yield new
    for sender in senders:
        await sender.close()


def named(peer):
    return peer.url.replace("127.0.0.1", "many.test")


@pytest.mark.parametrize("last", [MAX_ADDRESSES, MAX_ADDRESSES + 1])
async def test_a_name_with_a_hundred_addresses_costs_eight_connects(new_sender, last):
    silent = [f"127.0.1.{number}" for number in range(1, 101)]
    sender = new_sender(getaddrinfo=Names(*silent[: last - 1], "127.0.0.1", *silent[last:]))
    async with Peer() as peer:
        result = await sender.send(post(named(peer)))
    if last <= MAX_ADDRESSES:
        assert isinstance(result, Response)
    else:
        assert result.reason.startswith("no connection to the target: ")
        assert "127.0.1.1" in result.reason


async def test_families_take_turns(new_sender):
    policy = Policy()
    names = Names("127.0.1.1", "127.0.1.1", "127.0.1.2", "::1", "127.0.1.3")
    sender = new_sender(getaddrinfo=names, policy=policy)
    async with Peer() as peer:
        await sender.send(post(named(peer)))
    assert [ip for ip, _ in policy.asked] == ["127.0.1.1", "::1", "127.0.1.2", "127.0.1.3"]


async def test_an_address_that_swallows_packets_does_not_hold_up_the_next(new_sender):
    clock, policy = ManualClock(), Policy()
    sender = new_sender(clock, Names("127.0.1.1", "127.0.0.1"), policy=policy)
    async with Peer() as peer:
        port = int(peer.url.rpartition(":")[2].strip("/"))
        with socket.create_server(("127.0.1.1", port), backlog=0) as full:
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            sending = asyncio.create_task(sender.send(post(named(peer))))
            await policy.event.wait()
            while not sending.done():
                clock.advance(STAGGER)
                await asyncio.get_running_loop().run_in_executor(None, int)
            for filler in fillers:
                filler.close()
    assert (await sending).status == 200


async def test_a_connect_that_hangs_ends_with_the_deadline(new_sender):
    clock, policy = ManualClock(), Policy()
    sender = new_sender(clock, Names("127.0.1.1", "127.0.1.2"), policy=policy)
    with socket.create_server(("127.0.1.1", 0), backlog=0) as full:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())

        async def attempt():
            async with clock.timeout(clock.now() + 15 * SECOND):
                await sender.send(post(f"http://many.test:{full.getsockname()[1]}/"))

        attempt = asyncio.create_task(attempt())
        await policy.event.wait()
        clock.advance(15 * SECOND)
        with pytest.raises(TimeoutError):
            await attempt
        for filler in fillers:
            filler.close()


async def test_an_address_that_the_policy_refuses_is_not_connected_to(new_sender):
    sender = new_sender(policy=Policy("127.0.0.1"))
    async with Peer() as peer:
        result = await sender.send(post(peer.url))
        assert peer.connections == 0
    reason = "the target is not allowed: 127.0.0.1 is private"
    assert result == NoResponse(Failure.FORBIDDEN, reason)


async def test_the_policy_is_asked_about_every_address_of_a_name(new_sender):
    policy = Policy("127.0.1.1")
    sender = new_sender(getaddrinfo=Names("127.0.1.1", "127.0.0.1"), policy=policy)
    async with Peer() as peer:
        port = int(peer.url.rpartition(":")[2].strip("/"))
        assert (await sender.send(post(named(peer)))).status == 200
    assert policy.asked == [("127.0.1.1", port), ("127.0.0.1", port)]


@contextlib.contextmanager
def no_files():
    """Let this process open no more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.dup(0)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_lack_of_files_is_this_servers_failure(new_sender):
    sender = new_sender()
    async with Peer() as peer:
        assert (await sender.send(post(peer.url))).status == 200
        with no_files():
            result = await sender.send(post("http://127.0.0.2:1/"))
        await peer.closed.wait()  # idle connections hold files
    assert result.failure is Failure.RESOURCES
    assert result.reason == (
        "this server has no files, memory, ports or threads left: Too many open files; raise its "
        "limit of open files (ulimit -n), or lower --max-in-flight"
    )


async def test_a_lookup_without_files_is_this_servers_failure(new_sender):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    sender = new_sender(getaddrinfo=unknown)
    with no_files():
        result = await sender.send(post("http://work.test/"))
    assert result.failure is Failure.RESOURCES
    result = await sender.send(post("http://work.test/"))  # the lack was not cached
    assert result.failure is Failure.CONNECTION


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL]
)
def test_a_lack_of_any_resource_is_this_servers_failure(number):
    error = OSError(number, os.strerror(number))
    for failure in (failures.connecting(error), failures.resolving(error)):
        assert failure.failure is Failure.RESOURCES
        assert failure.reason.endswith(", or lower --max-in-flight")


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EHOSTUNREACH])
def test_other_errors_are_the_targets_failure(number):
    failure = failures.connecting(OSError(number, os.strerror(number)))
    assert failure == NoResponse(
        Failure.CONNECTION, f"no connection to the target: {os.strerror(number)}"
    )


def test_a_lookup_without_a_thread_is_this_servers_failure():
    error = socket.gaierror(socket.EAI_MEMORY, "can't start new thread")
    assert failures.resolving(error).failure is Failure.RESOURCES
    later = socket.gaierror(socket.EAI_AGAIN, "later")
    assert failures.resolving(later).failure is Failure.CONNECTION


def test_an_address_that_could_not_be_tried_outweighs_those_that_refused():
    refused = failures.failure(failures.UNREACHABLE, "refused")
    lacking = failures.connecting(OSError(errno.EMFILE, "no files"))
    assert failures.worst([refused, lacking]) is lacking
    assert failures.worst([refused]) is refused


async def test_a_certificate_of_a_given_authority_is_accepted(new_sender, tmp_path):
    peer, protocols = Peer(), []
    peer.tls, certificate = self_signed(tmp_path)
    peer.tls.set_alpn_protocols(["h2", "http/1.1"])
    peer.tls.sni_callback = lambda _, name, __: protocols.append(name)
    trusting = ssl.create_default_context(cafile=certificate)
    trusting.set_alpn_protocols(["http/1.1"])
    sender = new_sender(getaddrinfo=Names("127.0.0.1"), tls=trusting)
    async with peer:
        for url in (peer.url, peer.url, peer.url.replace("127.0.0.1", "localhost")):
            assert (await sender.send(post(url))).status == 200
        assert peer.connections == 2
        result = await sender.send(post(named(peer)))
    assert protocols == [None, "localhost", "many.test"]
    assert result.reason.startswith("the target's certificate is not accepted: ")
    assert "mismatch" in result.reason


async def test_a_certificate_that_signs_itself_is_refused(new_sender, tmp_path):
    peer = Peer()
    peer.tls, _ = self_signed(tmp_path)
    async with peer:
        result = await new_sender().send(post(peer.url))
        assert peer.requests == []
    assert result.reason.startswith("the target's certificate is not accepted: ")
    assert "self-signed" in result.reason


@pytest.fixture
def tls_peer(tmp_path):
    """Return a function that returns a peer of a class, and the TLS settings that trust it."""

    def new(kind):
        peer = kind()
        peer.tls, certificate = self_signed(tmp_path)
        return peer, ssl.create_default_context(cafile=certificate)

    return new


async def test_over_tls_a_body_may_end_with_the_connection(new_sender, tls_peer):
    peer, tls = tls_peer(lambda: answering(b"HTTP/1.1 200 OK\r\n\r\nbody"))
    async with peer:
        assert await new_sender(tls=tls).send(post(peer.url)) == Response(200, body=b"body")


async def test_over_tls_a_connection_that_the_peer_closed_meanwhile_is_replaced(
    new_sender, tls_peer
):
    class Closing(Peer):
        async def serve(self, reader, writer):
            await self.read(reader)
            writer.write(OK)
            writer.close()
            await writer.wait_closed()  # the sender has closed its end

    peer, tls = tls_peer(Closing)
    sender = new_sender(tls=tls)
    async with peer:
        for number in (1, 2, 3):
            peer.closed.clear()
            assert (await sender.send(post(peer.url))).status == 200
            await peer.closed.wait()
            assert peer.connections == number


@pytest.mark.parametrize("host", [".work.test", "work..test", "x" * 70 + ".test"])
async def test_a_name_that_tls_does_not_know_is_a_failure(new_sender, host):
    async with Peer() as peer:
        port = peer.url.rpartition(":")[2]
        sender = new_sender(getaddrinfo=Names("127.0.0.1"))
        result = await sender.send(post(f"https://{host}:{port}"))
    assert result.reason.startswith("no connection to the target: ")


async def test_a_name_without_an_address_is_a_failure(new_sender):
    result = await new_sender(getaddrinfo=Names()).send(post("http://work.test/"))
    assert result.reason == "the target's host name cannot be resolved: it has no address"


@pytest.mark.parametrize("url", ["http://[fe80::1%25nowhere]/", "http://[::1]:1/"])
async def test_an_ipv6_address_may_be_out_of_reach(new_sender, url):
    result = await new_sender().send(post(url))
    assert isinstance(result, NoResponse)
    assert result.failure is Failure.CONNECTION


def test_what_may_have_been_sent_is_no_lack_of_resources():
    failure = failures.exchanging(OSError(errno.ENOBUFS, "no buffers"))
    assert failure == NoResponse(
        Failure.CONNECTION, "the connection to the target broke: no buffers"
    )


async def test_a_handshake_that_hangs_ends_with_the_deadline(new_sender):
    class Mute(Peer):
        async def serve(self, reader, writer):  # noqa: ARG002 - the form of it
            self.arrived.set()
            await reader.read()

    clock = ManualClock()
    sender = new_sender(clock)
    async with Mute() as peer:

        async def attempt():
            async with clock.timeout(clock.now() + 15 * SECOND):
                await sender.send(post(peer.url.replace("http:", "https:")))

        attempt = asyncio.create_task(attempt())
        await peer.arrived.wait()
        clock.advance(15 * SECOND)
        with pytest.raises(TimeoutError):
            await attempt
        await peer.closed.wait()

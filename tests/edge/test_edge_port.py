"""One port for both protocols: what decides, and what a connection that says nothing costs."""

import asyncio
import functools
import json

import pytest
import requests

from drayman import tasks
from drayman.core.clock import ManualClock
from drayman.edge import limits
from drayman.edge.budget import ConnectionLimit
from drayman.edge.port import PortProtocol
from live import LiveServer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REQUEST = b"POST /v2/x HTTP/1.1\r\nhost: a\r\n\r\n"


class Recorder(asyncio.Protocol):
    """A protocol that records what it is given."""

    def __init__(self, name):
        self.name = name
        self.received = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data


class Transport(asyncio.Transport):
    """A transport that knows its protocol."""

    def __init__(self, address):
        super().__init__({"peername": (address, 1)})
        self.protocol = None
        self.aborted = False

    def set_protocol(self, protocol):
        self.protocol = protocol

    def abort(self):
        self.aborted = True


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def connect(clock):
    limit = ConnectionLimit(total=3, per_address=2)

    def connect(address="192.0.2.1"):
        transport = Transport(address)
        names = ("http2", "http1", "tls")
        factories = {name: functools.partial(Recorder, name) for name in names}
        port = PortProtocol(clock, limit, **factories)
        transport.set_protocol(port)
        port.connection_made(transport)
        return transport

    return connect


def receive(transport, *pieces):
    for piece in pieces:
        transport.protocol.data_received(piece)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (PREFACE, "http2"),
        (REQUEST, "http1"),
        (b"PUT / HTTP/1.1\r\n", "http1"),
        (b"PROPFIND / HTTP/1.1\r\n", "http1"),
        (b"PRI-ORITY / HTTP/1.1\r\n", "http1"),
        (b"GET / HTTP/1.1\r\n", "http1"),
        (b"\x16\x03\x01 a TLS hello", "tls"),
    ],
)
def test_the_first_bytes_decide_however_they_are_cut(connect, data, name):
    for cut in range(1, len(data)):
        transport = connect()
        receive(transport, data[:cut], data[cut:])
        assert (transport.protocol.name, transport.protocol.received) == (name, data)
        assert transport.protocol.transport is transport


def test_a_connection_that_sends_nothing_ends_in_time(connect, clock):
    transport = connect()
    receive(transport, b"PR")
    clock.advance(limits.PREFACE_TIMEOUT)
    assert transport.aborted


def test_connections_count_before_they_send_anything(connect, clock):
    silent = [connect(each) for each in ("a", "a", "a", "b", "c")]
    assert [each.aborted for each in silent] == [False, False, True, False, True]
    silent[2].protocol.connection_lost(None)  # it was not counted
    assert connect("a").aborted
    silent[0].protocol.connection_lost(None)
    assert not connect("a").aborted
    clock.advance(limits.PREFACE_TIMEOUT)
    assert all(each.aborted for each in silent[1:])


def test_the_protocol_that_takes_over_counts_the_connection_itself(connect):
    receive(connect("a"), REQUEST)
    receive(connect("a"), PREFACE)
    assert [connect("a").aborted for _ in range(3)] == [False, False, True]


def test_a_connection_that_was_handed_over_or_lost_has_no_timer(connect, clock):
    handed_over, lost = connect(), connect()
    receive(handed_over, REQUEST)
    lost.protocol.connection_lost(None)
    assert clock.pending_timers == 0
    clock.advance(limits.PREFACE_TIMEOUT)
    assert not handed_over.aborted
    assert not lost.aborted


@pytest.fixture(scope="module")
def server():
    live = LiveServer()
    yield live
    live.stop()


def test_grpc_rest_and_health_share_the_port(server):
    assert server.server.http_port == server.server.port
    assert f"http=http://{server.address} " in server.server.ready_line
    queue = {"name": "projects/p/locations/l/queues/one-port"}
    with server.client("grpc") as client:
        client.create_queue(parent="projects/p/locations/l", queue=queue)
    with server.client("rest") as client:
        assert client.get_queue(name=queue["name"]).name == queue["name"]
    assert requests.get(f"{server.url}/healthz", timeout=10).json() == {"status": "alive"}


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_our_client_uses_one_variable_for_both_transports(server, monkeypatch, transport):
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", server.address)
    with tasks.CloudTasksClient(transport=transport) as client:
        assert list(client.list_queues(parent="projects/p/locations/none")) == []


def test_a_second_port_may_serve_http_alone():
    live = LiveServer(http_port="0")
    try:
        assert live.server.http_port != live.server.port
        for address in (live.address, f"127.0.0.1:{live.server.http_port}"):
            answer = requests.get(f"http://{address}/readyz", timeout=10)
            assert json.loads(answer.text) == {"status": "ready"}
    finally:
        live.stop()

"""TLS on both ports: versions, protocols, client certificates, reloads, hanging clients."""

import asyncio
import contextlib
import http.client
import os
import re
import resource
import socket
import ssl
from pathlib import Path

import grpc
import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport
from http2_client import Client, turns

from certificates import Authority
from drayman import tasks
from drayman.api.responses import Response
from drayman.core.clock import ManualClock
from drayman.core.events import HandshakeFailed, Reloaded, ReloadFailed
from drayman.edge import limits
from drayman.edge.budget import Capacity, ConnectionLimit
from drayman.edge.http1 import Connections, HttpProtocol
from drayman.edge.listening import listen
from drayman.edge.tls import CLIENT_NAMES, HTTP, TlsFiles, TlsListener, client_fields
from drayman.settings import SettingsError
from drayman.tasks_v2.services.cloud_tasks import transports
from live import PATIENCE, LiveServer

PARENT = "projects/p/locations/l"


class Files:
    """The files of a server's TLS, and of its clients."""

    def __init__(self, directory):
        self._directory = directory
        self.authority = Authority()
        self.ca = self.write("ca.pem", self.authority.certificate)
        self.renew()
        self.client_identity = self.authority.issue("client", names=())
        self.client = self.write("client.pem", self.client_identity.certificate)
        self.client_key = self.write("client-key.pem", self.client_identity.key)

    def write(self, name, content):
        path = self._directory / name
        path.write_bytes(content)
        return str(path)

    def renew(self):
        """Write a new certificate of the server; return its serial number."""
        identity = self.authority.issue()
        self.cert = self.write("cert.pem", identity.certificate)
        self.key = self.write("key.pem", identity.key)
        return identity.serial_number

    def settings(self, **others):
        return {"tls_cert": self.cert, "tls_key": self.key, **others}


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


@pytest.fixture
def start(files):
    started = []

    def start(**settings):
        live = LiveServer(**files.settings(**settings))
        started.append(live)
        return live

    yield start
    for live in started:
        live.stop()


@contextlib.contextmanager
def connect(files, port, alpn=None, client_certificate=False, version=None):
    """Return a TLS connection whose handshake is complete."""
    context = ssl.create_default_context(cafile=files.ca)
    if version is not None:
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    if alpn:
        context.set_alpn_protocols(alpn)
    if client_certificate:
        context.load_cert_chain(files.client, files.client_key)
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as sock,
        context.wrap_socket(sock, server_hostname="127.0.0.1") as connection,
    ):
        yield connection


def exchange(connection):
    """Ask for the health over a connection and return the status."""
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    response = http.client.HTTPResponse(connection)
    response.begin()
    response.read()
    return response.status


def serial_number(connection):
    return int(connection.getpeercert()["serialNumber"], 16)


def ports(live):
    return live.server.port, live.server.http_port


@contextlib.contextmanager
def grpc_client(live, files, *, certificate=False):
    """Return Google's own client over gRPC."""
    identity = files.client_identity if certificate else (None, None)
    credentials = grpc.ssl_channel_credentials(files.authority.certificate, *reversed(identity))
    with grpc.secure_channel(live.address, credentials) as channel:
        yield tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))


def rest_client(live):
    """Return Google's own client over REST."""
    return tasks_v2.CloudTasksClient(
        transport="rest",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": f"https://127.0.0.1:{live.server.http_port}"},
    )


@pytest.fixture(autouse=True)
def trust(files, monkeypatch):
    """Have Google's client trust the authority over REST."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", files.ca)


@pytest.mark.parametrize("http_port", [None, "0"])
def test_googles_client_is_served_over_tls(start, files, http_port):
    live = start(http_port=http_port)
    assert f" http=https://127.0.0.1:{live.server.http_port} " in live.server.ready_line
    queue = f"{PARENT}/queues/q"
    with grpc_client(live, files) as client:
        client.create_queue(parent=PARENT, queue={"name": queue})
    with rest_client(live) as client:
        assert client.get_queue(name=queue).name == queue


def test_our_client_is_served_over_tls(start, files):
    live = start()
    credentials = grpc.ssl_channel_credentials(files.authority.certificate)
    transport = transports.CloudTasksGrpcTransport(
        host=live.address, credentials=AnonymousCredentials(), ssl_channel_credentials=credentials
    )
    with tasks.CloudTasksClient(transport=transport) as client:
        assert list(client.list_queues(parent=PARENT)) == []


def test_our_client_is_served_over_rest_and_tls(start):
    live = start()
    with tasks.CloudTasksClient(
        transport="rest",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": f"https://{live.address}"},
    ) as client:
        assert list(client.list_queues(parent=PARENT)) == []


def test_the_issuer_of_tokens_is_an_https_url(start, files):
    live = start()
    url = f"https://{live.address}"
    document = requests.get(f"{url}/.well-known/openid-configuration", verify=files.ca, timeout=10)
    assert document.json()["issuer"] == url


@pytest.mark.parametrize(
    ("port", "offered", "selected"),
    [
        (0, ["h2"], "h2"),
        (0, ["h2", "http/1.1"], "http/1.1"),  # as browsers have it
        (0, ["grpc-exp", "h2"], "h2"),  # as gRPC's C core had it
        (0, ["spdy/3"], None),
        (0, None, None),
        (1, ["h2"], None),
        (1, ["h2", "http/1.1"], "http/1.1"),
    ],
)
def test_clients_that_offer_both_protocols_get_http1(start, files, port, offered, selected):
    live = start(http_port="0")
    with connect(files, ports(live)[port], alpn=offered) as connection:
        assert connection.selected_alpn_protocol() == selected
        if selected != "h2":
            assert exchange(connection) == 200


@pytest.mark.parametrize(
    ("version", "accepted"),
    [
        (ssl.TLSVersion.TLSv1, False),
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_old_versions_of_tls_are_refused(start, files, version, accepted):
    live = start(http_port="0")
    for port in ports(live):
        if accepted:
            with connect(files, port, version=version) as connection:
                assert exchange(connection) == 200
        else:
            with pytest.raises(OSError), connect(files, port, version=version):  # noqa: PT011
                pass
            assert "protocol" in live.next_event(HandshakeFailed).message.lower()


def test_plain_text_is_refused(start):
    live = start(http_port="0")
    for port in ports(live):
        response = requests.get(f"http://127.0.0.1:{port}/healthz", timeout=10)
        assert response.status_code == 400
        assert "This port speaks TLS" in response.text


def test_a_client_with_another_authority_does_not_trust_the_server(start):
    live = start()
    other = grpc.ssl_channel_credentials(Authority("other").certificate)
    with grpc.secure_channel(live.address, other) as channel:
        client = tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
        with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
            client.get_queue(name=f"{PARENT}/queues/q", timeout=10, retry=None)


def test_with_a_client_authority_a_client_certificate_is_needed(start, files):
    live = start(tls_client_ca=files.ca, http_port="0")
    with grpc_client(live, files, certificate=True) as client:
        assert list(client.list_queues(parent=PARENT)) == []
    for port in ports(live):
        with pytest.raises(OSError), connect(files, port) as connection:  # noqa: PT011
            exchange(connection)  # TLS 1.3: the client learns of it afterwards
        assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in live.next_event(HandshakeFailed).message
        with connect(files, port, client_certificate=True) as connection:
            assert exchange(connection) == 200


def test_a_client_certificate_of_another_authority_is_refused(start, files):
    live = start(tls_client_ca=files.write("other.pem", Authority("other").certificate))
    with (
        pytest.raises(OSError),  # noqa: PT011
        connect(files, live.server.port, client_certificate=True) as connection,
    ):
        exchange(connection)
    assert "CERTIFICATE_VERIFY_FAILED" in live.next_event(HandshakeFailed).message


def test_new_certificates_are_for_new_connections_and_old_ones_stay(start, files):
    live = start(http_port="0")
    with contextlib.ExitStack() as stack:
        before = [stack.enter_context(connect(files, port)) for port in ports(live)]
        number = files.renew()
        live.run(live.server.reload())
        assert live.next_event(Reloaded).subject == "0 queues, TLS certificates"
        for connection, port in zip(before, ports(live), strict=True):
            assert serial_number(connection) != number
            assert exchange(connection) == 200
            with connect(files, port) as after:
                assert serial_number(after) == number
                assert exchange(after) == 200


def test_a_client_authority_that_is_gone_after_a_reload_is_trusted_no_more(start, files):
    live = start(tls_client_ca=files.ca)
    with connect(files, live.server.port, client_certificate=True) as connection:
        files.write("ca.pem", Authority("successor").certificate)
        live.run(live.server.reload())
        assert exchange(connection) == 200
    files.write("ca.pem", files.authority.certificate)
    with (
        pytest.raises(OSError),  # noqa: PT011
        connect(files, live.server.port, client_certificate=True) as connection,
    ):
        exchange(connection)


@pytest.mark.parametrize(
    ("file", "content"),
    [("cert.pem", b"nonsense"), ("key.pem", Authority().issue().key), ("ca.pem", b"")],
)
def test_files_that_cannot_be_used_change_nothing(start, files, file, content):
    live = start(tls_client_ca=files.ca, http_port="0")
    good = files.authority.certificate
    number = live_number(files, live)
    files.write(file, content)
    live.run(live.server.reload())
    (problem,) = live.next_event(ReloadFailed).problems
    assert file in problem
    files.write("ca.pem", good)
    assert live_number(files, live) == number


def live_number(files, live):
    """Return the serial number of the server's certificate, the same on both ports."""
    numbers = set()
    for port in ports(live):
        with connect(files, port, client_certificate=True) as connection:
            assert exchange(connection) == 200
            numbers.add(serial_number(connection))
    (number,) = numbers
    return number


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tls_key": "key.pem"}, "--tls-key is given without --tls-cert"),
        ({"tls_client_ca": "ca.pem"}, "--tls-client-ca is given without --tls-cert"),
        (
            {"tls_cert": "/nowhere/cert.pem"},
            "--tls-cert: /nowhere/cert.pem cannot be read: No such file or directory",
        ),
    ],
)
def test_settings_that_cannot_be_used_stop_the_start(settings, message):
    with pytest.raises(SettingsError) as caught:
        LiveServer(**settings)
    assert str(caught.value) == message


def test_certificate_and_key_may_be_in_one_file(files):
    identity = files.authority.issue()
    both = files.write("both.pem", identity.key + identity.certificate)
    live = LiveServer(tls_cert=both)
    with connect(files, live.server.port) as connection:
        assert serial_number(connection) == identity.serial_number
    live.stop()


def test_a_handshake_that_does_not_end_is_ended(start):
    live = start(http_port="0")
    for port in ports(live):
        for beginning in (b"", b"\x16\x03\x01\x02\x00"):
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as hanging:
                hanging.sendall(beginning)
                wait_for_handshake(live, port)
                live.advance(limits.HANDSHAKE_TIMEOUT)
                event = live.next_event(HandshakeFailed)
                assert event == HandshakeFailed("127.0.0.1", "the handshake took too long")
                assert ended(hanging)


def wait_for_handshake(live, port):
    """Wait until the server has accepted all connections to a port: it takes them in order."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as last:
        last.sendall(b"no TLS")
        live.next_event(HandshakeFailed)


def ended(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_the_oldest_handshake_ends_when_there_are_too_many(start, files, monkeypatch):
    monkeypatch.setattr(limits, "HANDSHAKES", 2)
    live = start()
    with contextlib.ExitStack() as stack:
        hanging = [
            stack.enter_context(socket.create_connection(("127.0.0.1", live.server.port), PATIENCE))
            for _ in range(3)
        ]
        event = live.next_event(HandshakeFailed)
        assert event.message == "too many handshakes are in progress"
        assert ended(hanging[0])
        with connect(files, live.server.port) as connection:  # and ends the second
            assert exchange(connection) == 200
        assert ended(hanging[1])


def free(connection_limit):
    """Return how many more connections there may be."""
    count = 0
    while connection_limit.enter("192.0.2.1"):
        count += 1
    for _ in range(count):
        connection_limit.leave("192.0.2.1")
    return count


class Counted(asyncio.Protocol):
    """The protocol after the handshake, which counts its connection as those of the server do."""

    def __init__(self, connection_limit):
        self._limit = connection_limit

    def connection_made(self, transport):
        self._transport = transport
        assert self._limit.enter("127.0.0.1")
        transport.write(b"%d" % free(self._limit))

    def eof_received(self):
        self._transport.close()

    def connection_lost(self, _error):
        self._limit.leave("127.0.0.1")


@pytest.fixture
async def counted(files):
    """A port with TLS for at most five connections, and what counts them."""
    limit = ConnectionLimit(total=5, per_address=5)
    paths = TlsFiles(files.cert, files.key)
    listener = TlsListener(paths, HTTP, ManualClock(), limit, lambda _: None)
    (sock,) = listen("127.0.0.1", 0, "--port")
    listener.start([sock], lambda: Counted(limit))
    yield sock.getsockname()[1], limit
    listener.close()


@contextlib.contextmanager
def no_more_files():
    """Take all files that the process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        highest = stack.enter_context(Path(os.devnull).open("rb")).fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 50, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with contextlib.suppress(OSError):
            while True:
                stack.enter_context(Path(os.devnull).open("rb"))
        yield


async def test_without_files_nothing_is_accepted_for_a_while(files):
    limit, clock = ConnectionLimit(total=5, per_address=5), ManualClock()
    listener = TlsListener(TlsFiles(files.cert, files.key), HTTP, clock, limit, lambda _: None)
    (sock,) = listen("127.0.0.1", 0, "--port")
    listener.start([sock], lambda: Counted(limit))
    with socket.socket() as client:
        with no_more_files():
            client.connect(sock.getsockname())
            while clock.pending_timers == 0:
                await turns(1)
            assert free(limit) == 5
        clock.advance(limits.ACCEPT_PAUSE)
        while free(limit) == 5:
            await turns(1)
    await all_free(limit)
    listener.close()


@contextlib.asynccontextmanager
async def stream(port, trust=None):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
    yield reader, writer
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def all_free(limit):
    while free(limit) < 5:
        await turns(1)


async def test_a_connection_counts_once_during_and_after_its_handshake(files, counted):
    port, limit = counted
    trust = ssl.create_default_context(cafile=files.ca)
    async with stream(port), stream(port, trust) as (reader, _):
        assert await reader.read(1) == b"3"
    await all_free(limit)


@pytest.mark.parametrize("beginning", [b"", b"\x16\x03\x01\x02\x00", b"no TLS at all"])
async def test_a_failed_handshake_counts_no_more(counted, beginning):
    port, limit = counted
    async with stream(port) as (_, writer):
        writer.write(beginning)
    await all_free(limit)


async def test_connections_beyond_the_limit_are_closed_before_their_handshake(counted):
    port, limit = counted
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(stream(port))
        reader, _ = await stack.enter_async_context(stream(port))
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert free(limit) == 0
    await all_free(limit)


def test_a_stop_does_not_wait_for_handshakes(files):
    live = LiveServer(**files.settings(http_port="0"))
    with contextlib.ExitStack() as stack:
        hanging = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
            for port in ports(live)
        ]
        for port in ports(live):
            wait_for_handshake(live, port)
        live.stop()
        assert all(map(ended, hanging))


def test_large_bodies_arrive_in_both_directions(start, files):
    live = start()
    queue = f"{PARENT}/queues/large"
    body = bytes(range(256)) * 300
    task = {"http_request": {"url": "http://a.test", "body": body}}
    with grpc_client(live, files) as over_grpc, rest_client(live) as over_rest:
        over_grpc.create_queue(parent=PARENT, queue={"name": queue})
        over_grpc.pause_queue(name=queue)
        for client in (over_grpc, over_rest) * 10:
            client.create_task(parent=queue, task=task)
        for client in (over_grpc, over_rest):
            listed = list(client.list_tasks(request={"parent": queue, "response_view": "FULL"}))
            assert [task.http_request.body for task in listed] == [body] * 20


CERTIFICATE = {
    "subject": ((("organizationName", "o"),), (("commonName", "worker"),)),
    "subjectAltName": (("DNS", "worker.test"), ("URI", "spiffe://test/worker")),
}
NAMES = b'["CN:worker", "DNS:worker.test", "URI:spiffe://test/worker"]'


class Peer(asyncio.Transport):
    """The transport of a client with a certificate, or with none."""

    def __init__(self, certificate):
        super().__init__({"peercert": certificate})


@pytest.mark.parametrize(
    ("certificate", "fields"),
    [
        (CERTIFICATE, ((CLIENT_NAMES, NAMES),)),
        (
            {"subject": ((("commonName", 'a", "CN:admin'),),)},
            ((CLIENT_NAMES, b'["CN:a\\", \\"CN:admin"]'),),
        ),
        ({"subject": ()}, ((CLIENT_NAMES, b"[]"),)),
        ({}, ()),
        (None, ()),
    ],
)
def test_the_names_of_a_client_certificate_are_a_header_field(certificate, fields):
    assert client_fields(Peer(certificate)) == fields


async def test_a_rest_request_has_the_names_of_the_client_certificate(files):
    received = asyncio.get_running_loop().create_future()

    class App:
        def refuse(self, request):
            received.set_result(request.fields)
            return Response(200, b"")

        def body_limit(self, _request):
            return 0

    paths = TlsFiles(files.cert, files.key, files.ca)
    clock, capacity = ManualClock(), Capacity()
    listener = TlsListener(paths, HTTP, clock, capacity.connection_limit, lambda _: None)
    connections = Connections()
    (sock,) = listen("127.0.0.1", 0, "--port")
    listener.start([sock], lambda: HttpProtocol(App(), connections, clock=clock, capacity=capacity))
    trust = ssl.create_default_context(cafile=files.ca)
    trust.load_cert_chain(files.client, files.client_key)
    async with stream(sock.getsockname()[1], trust) as (_, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
        assert (await received)[CLIENT_NAMES] == b'["CN:client"]'
    listener.close()


async def test_a_grpc_request_has_the_names_of_the_client_certificate(shared):
    """They count in its size, which the refusal of one that is too large shows."""
    sizes = []
    for certificate in (None, CERTIFICATE):
        client = Client(shared, certificate)
        stream_id = client.begin(extra=[(b"x-fill", b"x" * limits.METADATA_SIZE)])
        await client.run()
        sizes.append(int(re.search(r"\((\d+) vs", client.responses[stream_id].message)[1]))
    assert sizes[1] - sizes[0] == len(CLIENT_NAMES) + len(NAMES) + 32


@pytest.mark.parametrize("name", [CLIENT_NAMES, b" " + CLIENT_NAMES])
async def test_no_client_can_send_the_names_of_a_certificate(start, files, name):
    live = start()
    with connect(files, live.server.port) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + name + b": x\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 400"


async def test_no_grpc_client_can_send_the_names_of_a_certificate(client):
    stream_id = client.begin(end=True, extra=[(CLIENT_NAMES, b'["CN:admin"]')])
    await client.run()
    assert client.responses[stream_id].reset is not None


async def test_a_browser_gets_no_permission_over_http2_either(client):
    """A page cannot send application/grpc without asking, and the question is not answered."""
    stream_id = client.begin(
        end=True, method=b"OPTIONS", origin=b"http://evil.test", content_type=None,
        access_control_request_method=b"POST",
    )  # fmt: skip
    await client.run()
    answer = client.responses[stream_id]
    assert answer.http_status == b"405"
    assert [name for name in answer.headers if name.startswith(b"access-control-")] == []

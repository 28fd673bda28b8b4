"""The server on a real port, with gRPC's own client."""

import asyncio
import socket

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from http2_client import turns

from drayman.api.context import Context
from drayman.core.clock import ManualClock
from drayman.core.limits import Limits
from drayman.edge.budget import Capacity
from drayman.edge.grpc_server import GrpcServer
from drayman.edge.listening import PortError, listen
from drayman.encryption.cipher import TaskCipher
from drayman.encryption.locations import LocationKeys
from drayman.encryption.tasks import TaskEncryption
from drayman.store.sqlite import database
from drayman.tasks_v2 import rpcs, types

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LOCATION = "projects/p/locations/l"


@pytest.fixture
async def context():
    clock, limits = ManualClock(), Limits()
    store = await database.open_store(database.MEMORY, limits, clock.now(), safe=False)
    cipher = TaskCipher({})
    encryption = TaskEncryption(cipher, LocationKeys(store, clock, cipher))
    yield Context(store, clock, limits, encryption, lambda _: None)
    await store.close()


@pytest.fixture
async def start(context):
    """Start a server on a free port."""
    started = []

    async def call():
        server = GrpcServer(context, listen("127.0.0.1", 0, "--port"), Capacity())
        started.append(server)
        await server.start()
        return server

    yield call
    for server in started:
        await server.stop(1)


async def list_queues(channel):
    request = types.ListQueuesRequest.pb()(parent=LOCATION).SerializeToString()
    return await channel.unary_unary(rpcs.BY_NAME["ListQueues"].full_name)(request, timeout=20)


async def test_a_client_of_grpc_is_answered(start):
    server = await start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        assert await list_queues(channel) == b""


async def test_compressed_requests_of_grpc_clients_are_read(start):
    server = await start()
    request = types.ListQueuesRequest.pb()(parent=LOCATION, filter="x" * 10_000)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.unary_unary(rpcs.BY_NAME["ListQueues"].full_name)
        for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(request.SerializeToString(), timeout=20, compression=compression)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_deadline_may_be_as_far_away_as_the_wire_can_say(start):
    server = await start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert await call(b"", timeout=1e9) == b"\x08\x01"


async def test_all_addresses_of_ipv6_are_those_of_ipv4_too(context):
    if not socket.has_dualstack_ipv6():
        pytest.skip("the system has no IPv6")
    server = GrpcServer(context, listen("::", 0, "--port"), Capacity())
    await server.start()
    for host in ("127.0.0.1", "[::1]"):
        async with grpc.aio.insecure_channel(f"{host}:{server.port}") as channel:
            assert await list_queues(channel) == b""
    await server.stop(1)


async def test_requests_up_to_the_limit_pass(start):
    server = await start()
    name, mb = f"{LOCATION}/queues/q", 1 << 20
    batch = types.BatchCreateTasksRequest.pb()(parent=name, request_id="x" * (15 * mb))
    deletion = types.BatchDeleteTasksRequest.pb()(parent=name, request_id="x" * (mb - 1000))

    async def code_of(channel, rpc, body):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(rpcs.BY_NAME[rpc].full_name)(body, timeout=20)
        return caught.value.code()

    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        for rpc, request in (("BatchCreateTasks", batch), ("BatchDeleteTasks", deletion)):
            code = await code_of(channel, rpc, request.SerializeToString())
            assert code is grpc.StatusCode.INVALID_ARGUMENT
        for rpc, size in (("BatchCreateTasks", 17 * mb), ("BatchDeleteTasks", mb + 1)):
            code = await code_of(channel, rpc, bytes(size))
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_stopping_server_ends_watches_and_answers_what_is_in_progress(start):
    server = await start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        await server.stop(1)
        assert (await watch.read()).status == NOT_SERVING
        assert await watch.code() is grpc.StatusCode.OK


async def test_a_server_that_stops_listens_no_more(start):
    server = await start()
    await server.stop(1)
    await turns()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), 1)


def test_a_port_in_use_is_an_error_that_names_the_option():
    (sock,) = listen("127.0.0.1", 0, "--port")
    with sock as taken:
        port = taken.getsockname()[1]
        words = rf"cannot listen on 127.0.0.1:{port} \(--port\): Address already in use"
        with pytest.raises(PortError, match=words):
            listen("127.0.0.1", port, "--port")


@pytest.fixture
def hosts(monkeypatch):
    """Give a name any addresses."""

    def resolve(*addresses):
        infos = [socket.getaddrinfo(each, 0, type=socket.SOCK_STREAM)[0] for each in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)

    return resolve


async def test_a_name_is_listened_on_at_all_of_its_addresses(context, hosts):
    hosts("127.0.0.1", "127.0.0.2", "127.0.0.1")
    sockets = listen("a.test", 0, "--port")
    addresses = [sock.getsockname() for sock in sockets]
    port = addresses[0][1]
    assert addresses == [("127.0.0.1", port), ("127.0.0.2", port)]
    server = GrpcServer(context, sockets, Capacity())
    await server.start()
    for host, _ in addresses:
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
        await writer.wait_closed()
    await server.stop(1)
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, 1)


def test_addresses_that_the_system_lacks_are_left_out_unless_it_lacks_all(hosts):
    hosts("192.0.2.1", "127.0.0.1")
    (sock,) = listen("a.test", 0, "--port")
    sock.close()
    hosts("192.0.2.1")
    with pytest.raises(PortError, match="Cannot assign requested address"):
        listen("a.test", 0, "--port")


def test_no_address_is_listened_on_if_the_port_of_one_is_taken(hosts):
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        hosts("127.0.0.1", "127.0.0.2")
        with pytest.raises(PortError, match="Address already in use"):
            listen("a.test", port, "--port")
        socket.create_server(("127.0.0.1", port)).close()

"""What one connection may ask of the server: frames, silence, unread responses."""

import ngh2
import pytest
from http2_client import STREAM, Client, Pipe, message, turns

from drayman.core.clock import SECOND
from drayman.core.status import Code
from drayman.edge import limits
from drayman.edge.budget import Budget, ConnectionLimit
from drayman.edge.connection import GrpcConnection

CALM = int(ngh2.ErrorCode.ENHANCE_YOUR_CALM)


def frame(kind, payload=b"", flags=0, stream=0):
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


async def test_pings_within_the_bound_are_answered_with_calls_or_without(client, service):
    for number in range(20):
        client.h2.ping(b"%08d" % number)
        await client.run()
        assert client.pongs == number + 1
        service.clock.advance(limits.PING_INTERVAL)
    assert client.goaway is None


async def test_a_client_that_floods_with_pings_is_sent_away(client):
    for _ in range(20):
        client.h2.ping(bytes(8))
    await client.run()
    assert client.goaway == (CALM, b"too_many_pings")
    assert client.pipe.closed


async def test_pings_that_follow_answers_are_not_counted(client):
    for _ in range(20):
        await client.call(message(b"x"))
        client.h2.ping(bytes(8))
        await client.run()
    assert (client.pongs, client.goaway) == (20, None)


async def test_a_client_may_ping_for_each_part_of_an_answer(shared):
    client = Client(shared, INITIAL_WINDOW_SIZE=100)
    stream = client.request(message(b"size 5000"))
    await client.run(consume=False)
    while not client.responses[stream].ended:
        client.h2.ping(bytes(8))
        client.h2.acknowledge_received_data(100, stream)
        await client.run(consume=False)
    assert client.pongs >= 50
    assert client.goaway is None


async def test_a_client_may_ping_for_each_frame_of_an_answer_that_was_written_at_once(client):
    await client.call(message(b"size 60000"))
    for _ in range(20):
        client.h2.ping(bytes(8))
    await client.run()
    assert (client.pongs, client.goaway) == (20, None)


def test_the_pings_of_go_clients_every_ten_seconds_are_within_the_bound():
    assert 2 * limits.PING_INTERVAL <= 10 * SECOND


async def reset_calls(client, count):
    for _ in range(count):
        stream = client.request(message(b"wait"))
        client.flush()
        client.h2.reset_stream(stream, 8)
        client.flush()
        if client.pipe.closed:
            return


async def test_a_client_that_resets_calls_without_end_is_sent_away(client, service):
    await reset_calls(client, limits.RESETS[0] + 1)
    await client.run()
    assert client.goaway == (CALM, b"too_many_resets")
    assert client.pipe.closed
    assert len(service.started) == len(service.cancelled)


async def test_a_client_may_cancel_many_calls_now_and_then(client, service):
    for _ in range(5):
        await reset_calls(client, limits.RESETS[0] // 2)
        service.clock.advance(limits.RESETS[0] // limits.RESETS[1] * SECOND)
        await client.run()
    assert client.goaway is None
    assert (await client.call(message(b"x"))).status == 0


@pytest.mark.parametrize("count", [limits.SETTINGS_FRAMES[0] + 1, 5_000])
async def test_a_flood_of_settings_ends_the_connection(client, count):
    client.give(frame(4) * count)
    await turns()
    last = client.pipe.take()
    assert frame(7, bytes(4) + CALM.to_bytes(4, "big"))[9:] in last
    assert client.pipe.closed


async def test_a_flood_of_continuations_ends_the_connection(client):
    start = frame(1, b"\x00" * 1, flags=0, stream=1)
    client.give(start + frame(9, b"", stream=1) * (limits.CONTINUATIONS + 1))
    await client.run()
    assert client.pipe.closed


@pytest.mark.parametrize(
    "fields",
    [[(b"x-a", b"v" * 60_000)] * 3, [(b"x-%d" % number, b"") for number in range(1_100)]],
    ids=["size", "count"],
)  # fmt: skip
async def test_header_fields_far_beyond_the_limit_end_the_connection(client, fields):
    client.begin(extra=fields)
    await client.run()
    assert client.pipe.closed
    assert client.goaway is not None


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.1"]
)
async def test_what_is_not_http2_is_closed(shared, data):
    client = Client(shared)
    client.give(data.ljust(40, b"."))
    await turns()
    assert client.pipe.closed
    assert not shared.connections


async def test_a_connection_that_does_not_open_is_closed(shared, service):
    client = Client(shared)
    client.give(b"PRI * HT")
    service.clock.advance(limits.PREFACE_TIMEOUT)
    await turns()
    assert client.pipe.aborted


async def test_a_silent_client_that_answers_a_ping_stays(client, service):
    for _ in range(3):
        service.clock.advance(limits.PREFACE_TIMEOUT + limits.IDLE_TIMEOUT)
        await client.run()
        service.clock.advance(limits.PING_TIMEOUT)
        await client.run()
    assert client.pings >= 2
    assert not client.pipe.closed


async def test_a_silent_client_that_answers_no_ping_is_closed(client, service):
    service.clock.advance(limits.PREFACE_TIMEOUT + limits.IDLE_TIMEOUT)
    await turns()
    service.clock.advance(limits.PING_TIMEOUT)
    await turns()
    assert client.pipe.aborted


async def test_a_leap_of_the_clock_alone_closes_nothing(client, service):
    service.clock.advance(10 * limits.IDLE_TIMEOUT)
    await client.run()
    service.clock.advance(10 * limits.IDLE_TIMEOUT)
    await client.run()
    assert not client.pipe.closed


async def test_a_request_that_does_not_arrive_is_given_up(client, service):
    stream = client.begin()
    client.send(stream, b"\0\0\0")
    await client.run()
    service.clock.advance(limits.REQUEST_TIMEOUT + limits.PROGRESS_INTERVAL)
    await client.run()
    response = client.responses[stream]
    assert (response.status, response.message, response.reset) == (
        Code.DEADLINE_EXCEEDED,
        "The request did not arrive in time.",
        0,
    )
    assert not client.pipe.closed


async def test_streams_and_handlers_may_take_longer_than_requests(client, service):
    streams = [client.request(message(b"wait")), client.begin(path=STREAM)]
    await client.run()
    service.clock.advance(10 * limits.REQUEST_TIMEOUT)
    await client.run()
    assert not any(client.responses[stream].ended for stream in streams)


async def test_answers_behind_a_closed_window_end_the_connection_in_time(shared, service):
    client = Client(shared, INITIAL_WINDOW_SIZE=100)
    client.request(message(b"size 1000"))
    await client.run(consume=False)
    service.clock.advance(limits.WRITE_TIMEOUT + 2 * limits.PROGRESS_INTERVAL)
    await turns()
    assert client.pipe.aborted
    assert shared.budget.used == 0


async def test_a_client_that_reads_slowly_is_served(shared, service):
    client = Client(shared, INITIAL_WINDOW_SIZE=100)
    stream = client.request(message(b"size 1000"))
    await client.run(consume=False)
    while not client.responses[stream].ended:
        service.clock.advance(limits.WRITE_TIMEOUT - limits.PROGRESS_INTERVAL)
        client.h2.acknowledge_received_data(100, stream)
        await client.run(consume=False)
    assert len(client.responses[stream].body) == 1_005


async def test_a_client_that_reads_nothing_costs_bounded_memory_and_is_closed(service):
    shared = service.shared(budget=Budget(1 << 20))
    client = Client(shared, INITIAL_WINDOW_SIZE=2**31 - 1)
    client.h2.set_local_window_size(2**31 - 1)
    for _ in range(100):
        client.request(message(b"size 60000"))
    client.flush()
    await turns()
    held = len(client.pipe.written)
    assert held <= limits.HIGH_WATER + limits.OUTPUT_SIZE
    assert not client.pipe.reading
    service.clock.advance(limits.WRITE_TIMEOUT + 2 * limits.PROGRESS_INTERVAL)
    await turns()
    assert client.pipe.aborted
    assert shared.budget.used == 0


async def test_a_client_that_reads_late_gets_everything(shared):
    client = Client(shared, INITIAL_WINDOW_SIZE=2**31 - 1)
    client.h2.set_local_window_size(2**31 - 1)
    streams = [client.request(message(b"size 60000")) for _ in range(100)]
    await client.run()
    assert all(len(client.responses[stream].body) == 60_005 for stream in streams)
    assert client.pipe.reading


async def test_a_read_full_of_tiny_frames_is_spread_over_turns_of_the_loop(client):
    stream = client.begin()
    client.flush()
    size = limits.READ_SIZE
    body = message(bytes(size - 5))
    tiny = [frame(0, body[at : at + 1], stream=stream) for at in range(size)]
    client.give(b"".join(tiny) + frame(0, flags=1, stream=stream))
    assert not client.pipe.reading
    await turns(2)
    assert not client.pipe.reading
    await client.run()
    assert client.pipe.reading
    assert client.responses[stream].body == body


async def test_connections_are_limited_in_all_and_by_address(service):
    shared = service.shared(connection_limit=ConnectionLimit(total=3, per_address=2))

    def connect(address):
        pipe = Pipe(address)
        pipe.protocol = GrpcConnection(shared)
        pipe.protocol.connection_made(pipe)
        return pipe

    pipes = [connect(each) for each in ("a", "a", "a", "b", "c")]
    assert [pipe.aborted for pipe in pipes] == [False, False, True, False, True]
    pipes[0].close()
    await turns()
    assert not connect("a").aborted


async def test_a_connection_that_is_drained_ends_with_its_last_call(client, service):
    stream = client.request(message(b"wait"))
    await client.run()
    client.connection.drain()
    await client.run()
    assert client.goaway == (0, b"")
    assert not client.pipe.closed
    service.released.set()
    await client.run()
    assert client.responses[stream].status == 0
    assert client.pipe.closed


async def test_a_connection_without_calls_that_is_drained_is_closed(client):
    client.connection.drain()
    await client.run()
    assert client.pipe.closed


async def test_calls_that_outlast_the_grace_are_unavailable(client, service):
    streams = [client.request(message(b"wait")), client.begin(path=STREAM), client.begin()]
    await client.run()
    client.connection.drain()
    client.connection.fail_calls()
    await client.run()
    assert [client.responses[stream].status for stream in streams] == [Code.UNAVAILABLE] * 3
    assert service.cancelled == [b"wait"]
    assert client.pipe.closed

"""Any bytes in any pieces: the same responses, and never an exception."""

import asyncio
import gzip
import itertools

import ngh2
from http2_client import HEADERS, STREAM, Answer, Client, Service, message, turns
from hypothesis import given
from hypothesis import strategies as st

from drayman.core.clock import SECOND
from drayman.core.events import CallCrashed

CALLS = [
    ({}, message(b"one")),
    ({b":path": STREAM}, message(b"two") + message(b"three")),
    ({b":path": b"/none"}, message(b"x")),
    ({b":method": b"GET"}, b""),
    ({b"grpc-encoding": b"gzip"}, message(gzip.compress(b"four"), 1)),
    ({}, message(b"cut")[:-1]),
    ({}, message(bytes(70_000))),
]


def connect():
    """Return a client whose window has room for all responses."""
    h2 = ngh2.Connection(ngh2.Role.CLIENT)
    h2.initiate_connection({ngh2.Setting.INITIAL_WINDOW_SIZE: 1 << 20})
    h2.set_local_window_size(1 << 20)
    return h2


def recorded():
    """Return what a client sends for all calls, and the streams of them."""
    h2 = connect()
    h2.receive_data(b"\0\0\0\4\0\0\0\0\0" + b"\0\0\4\x08\0\0\0\0\0\0\x10\0\0")
    streams, data = [], h2.data_to_send()
    for fields, body in CALLS:
        stream = h2.send_request(list((HEADERS | fields).items()))
        h2.send_data(stream, body, end_stream=True)
        streams.append(stream)
    data += h2.data_to_send()
    for stream in streams:  # as if the server had opened the window
        h2.receive_data(b"\0\0\4\x08\0" + stream.to_bytes(4, "big") + b"\0\x10\0\0")
    h2.ping(b"12345678")
    return data + h2.data_to_send()


RECORDED = recorded()


async def responses_to(pieces):
    service = Service()
    client = Client(service.shared())
    client.h2 = connect()
    client.h2.data_to_send()
    for fields, _ in CALLS:
        stream = client.h2.send_request(list((HEADERS | fields).items()))
        client.responses[stream] = Answer()
    client.h2.data_to_send()
    for piece in pieces:
        client.give(piece)
        await turns(3)
    await turns(40)
    client.h2.receive_data(client.pipe.take())
    client.note(consume=False)
    return [(each.headers, each.body, each.trailers) for each in client.responses.values()]


def cut(data, places):
    edges = [0, *sorted(place % len(data) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]


WHOLE = asyncio.run(responses_to([RECORDED]))


def test_every_call_of_the_record_is_answered():
    assert [bool(headers) for headers, _, _ in WHOLE] == [True] * len(CALLS)


@given(st.lists(st.integers(0, 1 << 20), max_size=30))
def test_any_cut_of_the_bytes_gives_the_same_answers(places):
    assert asyncio.run(responses_to(cut(RECORDED, places))) == WHOLE


def test_single_bytes_give_the_same_answers():
    pieces = [RECORDED[:600][at : at + 1] for at in range(600)] + [RECORDED[600:]]
    assert asyncio.run(responses_to(pieces)) == WHOLE


FRAMES = st.builds(
    lambda kind, flags, stream, payload: (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    ),
    st.integers(0, 12), st.integers(0, 255), st.sampled_from([0, 1, 2, 3, 5, 7, 401, 2**31 - 1]),
    st.binary(max_size=64),
)  # fmt: skip
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


async def attack(data, places, *, release):
    """Send bytes; nothing may be left of them once the connection is gone."""
    service = Service()
    shared = service.shared()
    client = Client(shared)
    for piece in cut(data, places) if data else []:
        client.give(piece)
        await turns(2)
    if release:
        service.released.set()
    await turns(4)
    service.clock.advance(200 * SECOND)
    await turns()
    client.pipe.take()
    await turns()
    client.pipe.close()
    await turns()
    assert not any(isinstance(event, CallCrashed) for event in service.events)
    used = shared.budget.used, shared.unary_calls.used, shared.streaming_calls.used
    assert used == (0, 0, 0)
    assert not shared.connections


PLACES = st.lists(st.integers(0, 1 << 16), max_size=6)


@given(st.lists(FRAMES, max_size=12), PLACES, st.booleans())
def test_frames_in_any_order_are_answered_or_end_the_connection(frames, places, release):
    asyncio.run(attack(PREFACE + b"".join(frames), places, release=release))


@given(
    st.lists(st.tuples(st.integers(0, len(RECORDED) - 1), st.integers(0, 255)), max_size=8),
    PLACES, st.booleans(),
)  # fmt: skip
def test_changed_bytes_are_answered_or_end_the_connection(changes, places, release):
    data = bytearray(RECORDED)
    for place, value in changes:
        data[place] = value
    asyncio.run(attack(bytes(data), places, release=release))


@given(st.binary(max_size=200), PLACES)
def test_any_bytes_end_the_connection(data, places):
    asyncio.run(attack(data, places, release=False))

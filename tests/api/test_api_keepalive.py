"""Keepalive pings over HTTP/2, spoken by hand: clients choose how often, within bounds."""

import socket
import struct

import pytest

from drayman.core.clock import SECOND
from drayman.edge.limits import PING_INTERVAL

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
ACK = 1
ENHANCE_YOUR_CALM = 11


def frame(kind, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, 0, 0, 0, 0, 0]) + payload


def ping(number):
    return frame(PING, number.to_bytes(8, "big"))


def read_frame(reader):
    """Return a frame's type, flags and payload."""
    head = reader.read(9)
    return head[3], head[4], reader.read(int.from_bytes(head[:3], "big"))


def read_answer(reader):
    """Return the type and the payload of the next frame that a ping may cause."""
    while True:
        kind, flags, payload = read_frame(reader)
        if kind == GOAWAY or (kind, flags) == (PING, ACK):
            return kind, payload


@pytest.fixture
def connect():
    """Connect to a gRPC server without making a call."""
    opened = []

    def call(port):
        connection = socket.create_connection(("127.0.0.1", port), 30)
        opened.append(connection)
        connection.sendall(PREFACE + frame(SETTINGS))
        return connection

    yield call
    for each in opened:
        each.close()


def test_pings_of_an_idle_client_within_the_bound_are_answered(connect, server):
    connection = connect(server.server.port)
    with connection.makefile("rb") as reader:
        for number in range(20):
            connection.sendall(ping(number))
            assert read_answer(reader) == (PING, number.to_bytes(8, "big"))
            server.advance(PING_INTERVAL)


def test_a_client_that_floods_with_pings_is_sent_away(connect, server):
    connection = connect(server.server.port)
    connection.sendall(b"".join(map(ping, range(20))))
    with connection.makefile("rb") as reader:
        while (answer := read_answer(reader))[0] != GOAWAY:
            pass
    assert int.from_bytes(answer[1][4:8], "big") == ENHANCE_YOUR_CALM
    assert answer[1].endswith(b"too_many_pings")


def test_the_pings_of_go_clients_every_ten_seconds_are_within_the_bound():
    assert 2 * PING_INTERVAL <= 10 * SECOND

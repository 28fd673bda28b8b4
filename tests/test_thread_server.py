"""The servers that tests run in threads leave nothing behind."""

import gc
import socket
import warnings

from tcp_proxy import proxy
from thread_server import ThreadServer


class Silent(ThreadServer):
    async def serve(self, reader, _writer):
        await reader.read()


def test_a_server_that_ends_leaves_no_open_connection():
    """Otherwise a later test fails, the one in which the garbage collector finds it."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        server = Silent()
        with proxy(("127.0.0.1", server.port)) as network:
            peers = [socket.create_connection(("127.0.0.1", network.port)) for _ in range(20)]
        server.close()
        for peer in peers:
            peer.close()
        del server, network
        gc.collect()
    assert [str(each.message) for each in warned] == []

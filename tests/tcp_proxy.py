"""A TCP proxy in a thread of its own, which may withhold or cut what passes through it.

For faults of the network between a server and PostgreSQL: ``blackhole`` is a cable that is pulled
out (nobody gets an error), ``cut`` a host that has gone (connections are reset and refused).
"""

import asyncio
import contextlib

from thread_server import ThreadServer


class TcpProxy(ThreadServer):
    """A proxy in front of a Unix socket or a host and port."""

    def __init__(self, target):
        self._target = target
        self._cut = False
        self._transports = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        super().__init__()

    @property
    def parameters(self):
        """The parameters of a PostgreSQL URL that lead through it."""
        return f"host=127.0.0.1&port={self.port}"

    def blackhole(self):
        """Withhold everything from now on, also of new connections."""
        self.call(self._set(cut=False, flowing=False))

    def cut(self):
        """Reset all connections, and new ones as soon as they are made."""
        self.call(self._set(cut=True, flowing=True))

    def heal(self):
        """Pass everything on again, with what was withheld."""
        self.call(self._set(cut=False, flowing=True))

    async def _set(self, *, cut, flowing):
        self._cut = cut
        if flowing:
            self._flowing.set()
        else:
            self._flowing.clear()
        if cut:
            for transport in self._transports:
                transport.abort()

    async def serve(self, reader, writer):
        if self._cut:
            return
        far_reader, far_writer = await self._connect()
        transports = {writer.transport, far_writer.transport}
        self._transports |= transports
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        finally:
            self._transports -= transports
            far_writer.transport.abort()

    async def _connect(self):
        if isinstance(self._target, tuple):
            return await asyncio.open_connection(*self._target)
        return await asyncio.open_unix_connection(self._target)

    async def _pass(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._flowing.wait()
                writer.write(data)
        await self._flowing.wait()  # the end is withheld, too
        writer.transport.abort()


@contextlib.contextmanager
def proxy(target):
    """Run a proxy."""
    running = TcpProxy(target)
    try:
        yield running
    finally:
        running.close()

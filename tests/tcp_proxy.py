"""A TCP proxy in a thread of its own, which may delay, withhold or cut what passes through it.

For faults of the network between a server and PostgreSQL: ``blackhole`` is a cable that is pulled
out (nobody gets an error), ``cut`` a host that has gone (connections are reset and refused).
"""

import asyncio
import contextlib
import threading


class TcpProxy:
    """A proxy in front of a Unix socket or a host and port.

    Attributes:
        port: Its port on 127.0.0.1.
        delay: The seconds that data takes in each direction; may be changed at any time.
    """

    def __init__(self, target, delay=0.0):
        self.delay = delay
        self._target = target
        self._cut = False
        self._transports = set()
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def parameters(self):
        """The parameters of a PostgreSQL URL that lead through it."""
        return f"host=127.0.0.1&port={self.port}"

    def blackhole(self):
        """Withhold everything from now on, also of new connections."""
        self._call(self._set(cut=False, flowing=False))

    def cut(self):
        """Reset all connections, and new ones as soon as they are made."""
        self._call(self._set(cut=True, flowing=True))

    def heal(self):
        """Pass everything on again, with what was withheld."""
        self._call(self._set(cut=False, flowing=True))

    def close(self):
        """Reset all connections and stop."""
        self.cut()
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _set(self, *, cut, flowing):
        self._cut = cut
        if flowing:
            self._flowing.set()
        else:
            self._flowing.clear()
        if cut:
            for transport in self._transports:
                transport.abort()

    async def _end(self):
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, reader, writer):
        if self._cut:
            writer.transport.abort()
            return
        with contextlib.suppress(OSError):
            far_reader, far_writer = await self._connect()
            transports = {writer.transport, far_writer.transport}
            self._transports |= transports
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
            self._transports -= transports
        writer.transport.abort()

    async def _connect(self):
        if isinstance(self._target, tuple):
            return await asyncio.open_connection(*self._target)
        return await asyncio.open_unix_connection(self._target)

    async def _pass(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._flowing.wait()
                if self.delay:
                    self._loop.call_later(self.delay, self._write, writer, data)
                else:
                    self._write(writer, data)
        await self._flowing.wait()  # the end is withheld, too
        self._loop.call_later(self.delay, writer.transport.abort)

    def _write(self, writer, data):
        if not writer.transport.is_closing():
            writer.write(data)


@contextlib.contextmanager
def proxy(target, delay=0.0):
    """Run a proxy."""
    running = TcpProxy(target, delay)
    try:
        yield running
    finally:
        running.close()

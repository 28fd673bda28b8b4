"""A TCP server in a thread of its own, as a base of targets and proxies."""

import asyncio
import threading

EXPECTED = (OSError, asyncio.IncompleteReadError)
"""How the end of a connection may show where it is served."""


class ThreadServer:
    """A server on 127.0.0.1; subclasses define ``serve``, which handles a connection.

    Attributes:
        port: Its port.
        loop: The event loop that it runs in.
    """

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self.call(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024))
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self):
        """Reset all connections and stop."""
        self.call(self._end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def call(self, coroutine):
        """Run a coroutine in the server's loop; return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    async def serve(self, reader, writer):
        """Handle a connection, which is reset when this returns or fails."""
        raise NotImplementedError

    async def _serve(self, reader, writer):
        # Not cancelled from outside: a stream whose handler is cancelled before it began is never
        # closed, and the garbage collector reports it in some later test.
        either = [
            asyncio.create_task(self.serve(reader, writer)),
            asyncio.create_task(self._closing.wait()),
        ]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        for task in either:
            task.cancel()
        error, _ = await asyncio.gather(*either, return_exceptions=True)
        writer.transport.abort()
        if isinstance(error, Exception) and not isinstance(error, EXPECTED):
            raise error

    async def _end(self):
        self._closing.set()
        # Closed last: asyncio leaks a connection that it accepts as its server closes.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)
        self._server.close()

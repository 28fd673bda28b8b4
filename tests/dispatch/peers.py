"""Scripted servers on loopback, as targets of a sender."""

import asyncio
import contextlib
import re
import socket
import ssl
import subprocess

from drayman.core.delivery import Request

STARTS = [
    b"",
    b"HTTP/1.1 200 OK\r\nX: ",
    b"HTTP/1.1 200 OK\r\n\r\nbo",
    b"HTTP/1.1 100 Continue\r\n\r\n",
]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """A server on loopback; subclasses define what it does with a connection."""

    def __init__(self):
        self.requests = []
        self.arrived = asyncio.Event()
        self.connections = 0
        self.sent = 0
        self.closed = asyncio.Event()
        self._serving = {}

    async def __aenter__(self):
        listener = socket.create_server(("127.0.0.1", 0))
        # A small buffer: what the peer does not read stays at the client.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._server = await asyncio.start_server(self._serve, sock=listener, ssl=self.tls)
        port = listener.getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{port}/"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task, writer in self._serving.items():
            writer.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    tls = None

    async def _serve(self, reader, writer):
        self.connections += 1
        self._serving[asyncio.current_task()] = writer
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await self.serve(reader, writer)
        writer.close()
        self.closed.set()

    async def serve(self, reader, writer):
        while await self.read(reader):
            writer.write(await self.answer())
            await writer.drain()

    async def read(self, reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"content-length: *(\d+)", head.lower())
        body = await reader.readexactly(int(length[1])) if length else b""
        self.requests.append((head, body))
        self.arrived.set()
        return True

    async def answer(self):
        return OK

    async def forever(self, writer, chunk):
        while True:
            writer.write(chunk)
            self.sent += len(chunk)
            await writer.drain()


def answering(content):
    class Answering(Peer):
        async def serve(self, reader, writer):
            await self.read(reader)
            writer.write(content)
            await writer.drain()

    return Answering()


def post(url, body=b"body", **headers):
    return Request("POST", url, headers, body)


def self_signed(folder):
    """Return TLS settings of a server for localhost and 127.0.0.1, and the file that proves it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate

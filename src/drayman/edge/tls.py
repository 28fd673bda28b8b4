"""TLS on accepted connections: the handshake, its bounds, and the protocol that follows it.

A connection counts in the limit of connections from the moment it is accepted. Certificates can be
replaced at any time: a handshake uses those that are loaded when it begins.
"""

import asyncio
import dataclasses
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

from drayman.core.clock import SECOND, Clock, Timer
from drayman.core.events import Emit, HandshakeFailed
from drayman.edge import limits, misdirected
from drayman.edge.budget import ConnectionLimit
from drayman.edge.port import TLS_HANDSHAKE, ProtocolFactory

GRPC_AND_HTTP = ("http/1.1", "h2")
"""ALPN of a port for both, in the server's order. Clients that offer both, as browsers do, get
HTTP/1.1: the pages and REST are there. gRPC clients offer ``h2`` alone."""
HTTP = ("http/1.1",)
"""ALPN of a port for HTTP/1.1."""

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2, those that HTTP/2 allows (RFC 9113, appendix A). Those of TLS 1.3 are all used."""
_SHUTDOWN_TIMEOUT = 5.0
"""Seconds that a client has to confirm the end of its TLS connection."""


class TlsError(Exception):
    """Files that cannot be used for TLS; the message is for the person who named them."""


@dataclasses.dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of a server's TLS, all in PEM.

    Attributes:
        certificate: The server's certificate, followed by those of intermediate authorities.
        key: Its private key, unencrypted.
        client_ca: The certificates of the authorities that client certificates are verified by;
            None if clients need no certificate.
    """

    certificate: str
    key: str
    client_ca: str | None = None


CLIENT_NAMES = b":client-certificate"
"""The header field that tells a call the names of its client's certificate, as a JSON list such as
``["CN:worker", "DNS:worker.example.com"]``. No client can send it: names of fields have no colon,
and HTTP/2 allows no other pseudo-header fields (RFC 9113, section 8.3)."""


def client_fields(transport: asyncio.BaseTransport) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header field with the names of a client's certificate; none if it has none."""
    certificate = transport.get_extra_info("peercert")
    if not certificate:
        return ()
    return ((CLIENT_NAMES, json.dumps(_names(certificate)).encode()),)


def _names(certificate: Mapping[str, Any]) -> list[str]:
    """Return the common name and the alternative names of a certificate, each with its kind."""
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    common = [f"CN:{value}" for name, value in subject if name == "commonName"]
    return common + [f"{kind}:{value}" for kind, value in certificate.get("subjectAltName", ())]


def load_context(files: TlsFiles, alpn: Sequence[str]) -> ssl.SSLContext:
    """Return a context for TLS 1.2 and later with these certificates and protocols. TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(alpn)
    _load_certificate(context, files)
    if files.client_ca is not None:
        _load_client_ca(context, files.client_ca)
    return context


def _load_certificate(context: ssl.SSLContext, files: TlsFiles) -> None:
    _check_readable("--tls-cert", files.certificate)
    _check_readable("--tls-key", files.key)
    try:
        context.load_cert_chain(files.certificate, files.key, _refuse_password)
    except (OSError, ValueError) as error:
        raise TlsError(
            f"--tls-cert: {files.certificate} with the key {files.key} cannot be used: {error}"
        ) from None


def _load_client_ca(context: ssl.SSLContext, path: str) -> None:
    _check_readable("--tls-client-ca", path)
    try:
        context.load_verify_locations(path)
    except OSError as error:
        raise TlsError(f"--tls-client-ca: {path} cannot be used: {error}") from None
    context.verify_mode = ssl.CERT_REQUIRED


def _check_readable(option: str, path: str) -> None:
    """Read a file: errors of the SSL library do not name theirs."""
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise TlsError(f"{option}: {path} cannot be read: {error.strerror}") from None


def _refuse_password() -> NoReturn:
    """Fail, where the SSL library would ask for a password at the terminal."""
    raise ValueError("the key is encrypted; only an unencrypted key can be used")


class TlsListener:
    """Listening sockets whose connections speak TLS.

    It accepts connections itself: asyncio's servers give no notice of a connection before its
    handshake is complete, and none at all of one that fails.

    Args:
        files: The certificates to load. TlsError.
        alpn: The protocols to agree on with clients, in order of preference.
        clock: Bounds the time of a handshake.
        connection_limit: Counts connections whose handshake is in progress.
        emit: Passes an event to its subscribers.

    Attributes:
        context: The certificates of handshakes that begin from now on.
        protocol: Returns the protocol of a connection whose handshake is complete.
    """

    def __init__(
        self,
        files: TlsFiles,
        alpn: Sequence[str],
        clock: Clock,
        connection_limit: ConnectionLimit,
        emit: Emit,
    ) -> None:
        self._files = files
        self._alpn = alpn
        self.context = self.load()
        self.clock = clock
        self.connection_limit = connection_limit
        self.emit = emit
        self.protocol: ProtocolFactory
        self._sockets: Sequence[socket.socket] = ()
        self._pause: Timer | None = None
        self._handshakes: dict[Handshake, asyncio.Task[None]] = {}

    def load(self) -> ssl.SSLContext:
        """Return a context from the files as they are now. TlsError."""
        return load_context(self._files, self._alpn)

    def start(self, sockets: Sequence[socket.socket], protocol: ProtocolFactory) -> None:
        """Accept connections of listening sockets, which ``close`` closes."""
        self._sockets, self.protocol = sockets, protocol
        for sock in sockets:
            sock.setblocking(False)
        self._resume()

    def close(self) -> None:
        """Accept no more connections, and end the handshakes in progress."""
        if self._pause is not None:
            self._pause.cancel()
        self._stop_accepting()
        for sock in self._sockets:
            sock.close()
        for handshake in list(self._handshakes):
            handshake.abort("the server is stopping")

    def _resume(self) -> None:
        self._pause = None
        for sock in self._sockets:
            asyncio.get_running_loop().add_reader(sock, self._accept, sock)

    def _stop_accepting(self) -> None:
        for sock in self._sockets:
            asyncio.get_running_loop().remove_reader(sock)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(limits.ACCEPTS_OF_TURN):
            try:
                sock, (address, *_) = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # the system has no file or no memory for it
                self._stop_accepting()
                until = self.clock.now() + limits.ACCEPT_PAUSE
                self._pause = self.clock.call_at(until, self._resume)
                return
            self._begin(sock, address)

    def _begin(self, sock: socket.socket, address: str) -> None:
        """Begin a handshake; end the oldest one if there are too many."""
        if not self.connection_limit.enter(address):
            sock.close()
            return
        if len(self._handshakes) >= limits.HANDSHAKES:
            next(iter(self._handshakes)).abort("too many handshakes are in progress")
        handshake = Handshake(self, sock, address)
        self._handshakes[handshake] = handshake.start()

    def end(self, handshake: "Handshake") -> None:
        """Forget a handshake that has ended."""
        self._handshakes.pop(handshake, None)


class Handshake(asyncio.Protocol):
    """The handshake of an accepted connection, and its first protocol."""

    def __init__(self, listener: TlsListener, sock: socket.socket, address: str) -> None:
        self._listener = listener
        self._sock: socket.socket | None = sock
        self._address = address
        self._counts = True
        self._reason = ""
        self._task: asyncio.Task[None]
        self._timer: Timer | None = None

    def start(self) -> "asyncio.Task[None]":
        """Begin; the client has limited time."""
        clock = self._listener.clock
        until = clock.now() + limits.HANDSHAKE_TIMEOUT
        self._timer = clock.call_at(until, lambda: self.abort("the handshake took too long"))
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._end)
        return self._task

    def abort(self, reason: str) -> None:
        """Close the connection at once."""
        self._reason = reason
        self._leave()
        self._task.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand the connection over: the handshake is complete."""
        self._leave()  # the protocol counts the connection itself
        protocol = self._listener.protocol()
        cast("asyncio.Transport", transport).set_protocol(protocol)
        protocol.connection_made(transport)

    async def _run(self) -> None:
        sock = cast("socket.socket", self._sock)
        first = await _first_byte(sock)
        self._sock = None
        if first not in (b"", TLS_HANDSHAKE):
            await self._refuse_plain_text(sock)
            return
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: self,
            sock,
            ssl=self._listener.context,
            ssl_handshake_timeout=2 * limits.HANDSHAKE_TIMEOUT / SECOND,  # ours comes first
            ssl_shutdown_timeout=_SHUTDOWN_TIMEOUT,
        )

    async def _refuse_plain_text(self, sock: socket.socket) -> None:
        listener = self._listener
        self._leave()  # the protocol counts the connection itself
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: misdirected.plain_on_tls(listener.clock, listener.connection_limit), sock
        )
        listener.emit(HandshakeFailed(self._address, "the client speaks plain text"))

    def _end(self, task: "asyncio.Task[None]") -> None:
        """Emit an event if the handshake has failed."""
        self._leave()
        error = None if task.cancelled() else task.exception()
        reason = str(error) if error else self._reason
        if self._sock is not None:  # cancelled before it began
            self._sock.close()
        if task.cancelled() or error:
            reason = reason or "the client closed the connection"
            self._listener.emit(HandshakeFailed(self._address, reason))

    def _leave(self) -> None:
        """Count the connection off, once."""
        if not self._counts:
            return
        self._counts = False
        self._listener.end(self)
        self._listener.connection_limit.leave(self._address)
        if self._timer is not None:
            self._timer.cancel()


async def _first_byte(sock: socket.socket) -> bytes:
    """Return the first byte that has arrived, and leave it there; "" at the end of the stream."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(sock, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sock)
    return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)

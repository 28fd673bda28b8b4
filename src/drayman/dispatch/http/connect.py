"""Connecting: names to addresses, addresses past the policy, TCP, tunnel, TLS.

Of the addresses of a name at most ``MAX_ADDRESSES`` are tried, each once. The next is tried when
the one before has failed, or after ``STAGGER`` beside it (RFC 8305, "Happy Eyeballs"): an address
that swallows packets must not use up the deadline of the attempt. The caller sets the deadline,
by cancelling.
"""

import asyncio
import contextlib
import errno
import functools
import itertools
import socket
import ssl
from collections.abc import Sequence
from typing import NamedTuple

from drayman.core.clock import MILLISECOND, Clock, Micros
from drayman.core.delivery import NoResponse
from drayman.core.target_policy import TargetPolicy
from drayman.dispatch.http import failures
from drayman.dispatch.http.connection import Connection
from drayman.dispatch.http.pool import Pool, Route
from drayman.dispatch.http.proxy import Proxy, open_tunnel
from drayman.dispatch.http.request import Origin
from drayman.dispatch.resolver import Resolver, SockAddr

MAX_ADDRESSES = 8
"""The most addresses of a name that are tried."""
STAGGER: Micros = 250 * MILLISECOND
"""How long an address is tried alone (RFC 8305, section 5)."""


class Address(NamedTuple):
    """An address that can be connected to."""

    family: socket.AddressFamily
    sockaddr: SockAddr


@functools.cache
def tls_context(ca: str | None = None) -> ssl.SSLContext:
    """Return the settings of TLS: certificates are verified, HTTP/1.1 is offered.

    The authorities in the file ``ca`` are trusted beside those of the system; OSError (SSLError
    among them) if it cannot be used.
    """
    context = ssl.create_default_context()
    if ca is not None:
        context.load_verify_locations(ca)
    context.set_alpn_protocols(["http/1.1"])
    return context


def is_own_address(ip: str) -> bool:
    """Return whether an IP address is this machine's: one that a socket can be bound to."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((ip, 0))
        return True
    return False


class Connector:
    """Opens connections."""

    def __init__(
        self,
        clock: Clock,
        resolver: Resolver,
        pool: Pool,
        tls: ssl.SSLContext,
        policy: TargetPolicy,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._pool = pool
        self._tls = tls
        self._policy = policy

    async def connect(self, route: Route) -> Connection | NoResponse:
        """Return a new connection, or why there is none."""
        addresses = await self._addresses(route)
        if isinstance(addresses, NoResponse):
            return addresses
        sock = await self._first_to_connect(addresses)
        if isinstance(sock, NoResponse):
            return sock
        if route.proxy is not None and route.origin.tls:
            failure = await _tunnel(sock, route.proxy, route.origin)
            if failure is not None:
                return failure
        return await self._open(sock, route.origin)

    async def _addresses(self, route: Route) -> Sequence[Address] | NoResponse:
        """Return the addresses to try: those of the target that the policy allows, or the proxy's.

        The operator has chosen the proxy. It resolves the names of targets, so the policy cannot
        judge their addresses.
        """
        origin, proxy = route.origin, route.proxy
        refusal = self._policy.refuse_host(origin.host)
        if refusal is None and proxy is not None and not origin.is_address:
            refusal = self._policy.refuse_proxied(origin.host, origin.port)
        if refusal is not None:
            return failures.failure(failures.FORBIDDEN, refusal)
        if proxy is None or origin.is_address:
            addresses = await self._resolve(origin)
            if not isinstance(addresses, NoResponse):
                addresses = self._allowed(origin.host, addresses)
            if proxy is None or isinstance(addresses, NoResponse):
                return addresses
        return await self._resolve(proxy.origin)

    async def _resolve(self, origin: Origin) -> Sequence[Address] | NoResponse:
        try:
            if origin.is_address:
                return [_numeric(origin)]
            rows = await self._resolver.resolve(origin.host, origin.port)
        except OSError as error:
            return failures.resolving(error)
        if not rows:
            return failures.failure(failures.UNRESOLVED, "it has no address")
        return _interleaved([Address(*row) for row in dict.fromkeys(rows)])

    def _allowed(self, host: str, addresses: Sequence[Address]) -> Sequence[Address] | NoResponse:
        refusals = [self._refusal(host, address) for address in addresses]
        pairs = zip(addresses, refusals, strict=True)
        allowed = [address for address, refusal in pairs if refusal is None]
        return allowed or failures.failure(failures.FORBIDDEN, refusals[-1] or "")

    def _refusal(self, host: str, address: Address) -> str | None:
        ip, port = address.sockaddr[:2]
        return self._policy.refuse_address(host, ip.partition("%")[0], port)

    async def _first_to_connect(self, addresses: Sequence[Address]) -> socket.socket | NoResponse:
        first, *others = addresses[:MAX_ADDRESSES]
        if not others:
            return await _open_socket(first)
        return await _Race(self._clock).run([first, *others])

    async def _open(self, sock: socket.socket, origin: Origin) -> Connection | NoResponse:
        """Return a connection on a socket, after the TLS handshake if there is one."""
        connection = Connection(self._pool)
        try:
            server_name = _server_name(origin)
        except ValueError as error:
            sock.close()
            return failures.connecting(error)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                sock=sock,
                ssl=self._tls if origin.tls else None,
                server_hostname=server_name,
            )
        except (OSError, ValueError) as error:
            failures.clear_frames(error)
            return failures.connecting(error)
        return connection


class _Race:
    """Connects to one address after the other, and to the next beside one that takes long."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = asyncio.Event()
        self._running: set[asyncio.Task[socket.socket | NoResponse]] = set()
        self._sockets: list[socket.socket] = []
        self._failures: list[NoResponse] = []

    async def run(self, addresses: Sequence[Address]) -> socket.socket | NoResponse:
        """Return the first socket that is connected, or why there is none."""
        try:
            for address in addresses:
                self._start(address)
                await self._clock.wait(self._changed, self._clock.now() + STAGGER)
                if self._sockets:
                    break
            while self._running and not self._sockets:
                self._changed.clear()
                await self._changed.wait()
            return self._sockets.pop(0) if self._sockets else failures.worst(self._failures)
        finally:
            await self._stop()

    def _start(self, address: Address) -> None:
        self._changed.clear()
        task = asyncio.get_running_loop().create_task(_open_socket(address))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[socket.socket | NoResponse]") -> None:
        self._running.discard(task)
        self._changed.set()
        if not task.cancelled():
            result = task.result()
            if isinstance(result, NoResponse):
                self._failures.append(result)
            else:
                self._sockets.append(result)

    async def _stop(self) -> None:
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        for sock in self._sockets:
            sock.close()


async def _open_socket(address: Address) -> socket.socket | NoResponse:
    """Return a socket that is connected to an address, or why there is none."""
    try:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
    except OSError as error:
        return failures.connecting(error)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address.sockaddr)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL and not _has_source(address):
            return failures.failure(failures.UNREACHABLE, failures.reason(error))
        return failures.connecting(error)
    except BaseException:
        sock.close()
        raise
    return sock


def _has_source(address: Address) -> bool:
    """Return whether this machine has an address of its own from which to reach another.

    Without one, the system reports the same as when it is out of ports. Connecting a datagram
    socket sends nothing.
    """
    with contextlib.suppress(OSError), socket.socket(address.family, socket.SOCK_DGRAM) as sock:
        sock.connect(address.sockaddr)
        return True
    return False


async def _tunnel(sock: socket.socket, proxy: Proxy, origin: Origin) -> NoResponse | None:
    failure: NoResponse | None = None
    try:
        failure = await open_tunnel(sock, proxy, origin)
    except BaseException:
        sock.close()
        raise
    if failure is not None:
        sock.close()
    return failure


def _server_name(origin: Origin) -> str | None:
    """Return the name that TLS verifies, None without TLS; ValueError."""
    if not origin.tls:
        return None
    name = origin.host.rstrip(".")
    if not origin.is_address:
        name.encode("idna")  # a name that a proxy resolves has been checked by nobody yet
    return name


def _numeric(origin: Origin) -> Address:
    """Return the address that an IP address in a URL stands for, without a lookup."""
    if ":" not in origin.host:
        return Address(socket.AF_INET, (origin.host, origin.port))
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    rows = socket.getaddrinfo(
        origin.host, origin.port, socket.AF_INET6, socket.SOCK_STREAM, flags=flags
    )
    return Address(rows[0][0], rows[0][4])


def _interleaved(addresses: Sequence[Address]) -> list[Address]:
    """Return addresses with their families taking turns (RFC 8305, section 4)."""
    families = dict.fromkeys(address.family for address in addresses)
    by_family = [[each for each in addresses if each.family == family] for family in families]
    turns = itertools.zip_longest(*by_family)
    return [address for turn in turns for address in turn if address is not None]

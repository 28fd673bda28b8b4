"""Sockets that listen, and why one cannot."""

import errno
import ipaddress
import os
import socket
from typing import Any

BACKLOG = 2_048
"""Connections that the system may accept before the server does."""
_ATTEMPTS = 10
"""How many free ports are tried until one is free on all addresses of a host."""
_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Errors of addresses that this system does not have, as ``::1`` without IPv6."""


class PortError(Exception):
    """An address that cannot be listened on; the message is for the person who starts it."""


def listen(host: str, port: int, option: str) -> list[socket.socket]:
    """Return sockets that listen on one port of all addresses of a host.

    Args:
        host: A name, as ``localhost``, or an address.
        port: The port; 0 for one that is free.
        option: The option of the port, for the message of an error.

    Raises:
        PortError: The port is taken on one of the addresses, or the system has none of them.
    """
    attempts = 1 if port else _ATTEMPTS
    while True:
        attempts -= 1
        try:
            return _listen_on_all(_addresses(host, port), port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not attempts:
                message = f"cannot listen on {host}:{port} ({option}): {reason(error)}"
                raise PortError(message) from None


def _addresses(host: str, port: int) -> list[tuple[int, Any]]:
    """Return the addresses of a host, each with its family."""
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in infos))


def _listen_on_all(addresses: list[tuple[int, Any]], port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, address in addresses:
            try:
                sockets.append(_listen(family, (address[0], port, *address[2:])))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error
            else:
                port = sockets[0].getsockname()[1]
    except OSError:
        close(sockets)
        raise
    if absent is not None and not sockets:
        raise absent
    return sockets


def _listen(family: int, address: Any) -> socket.socket:
    # All addresses of IPv6 are those of IPv4 too, as gRPC's own servers have it.
    dual = address[0] == "::" and socket.has_dualstack_ipv6()
    sock = socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=dual)
    # Inherited by every connection; asyncio sees to it by itself only for sockets of its own.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach what listens on a host.

    A name that cannot be resolved cannot be listened on, and counts as one that can be reached.
    """
    try:
        address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][4][0]
    except OSError:
        return False
    return ipaddress.ip_address(str(address).partition("%")[0]).is_loopback


def close(sockets: list[socket.socket]) -> None:
    """Close sockets."""
    for sock in sockets:
        sock.close()


def reason(error: OSError) -> str:
    """Return what the system says of an address, without the address."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)

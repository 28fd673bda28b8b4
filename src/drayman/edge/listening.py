"""Sockets that listen, and why one cannot."""

import ipaddress
import os
import socket

BACKLOG = 2_048
"""Connections that the system may accept before the server does."""


class PortError(Exception):
    """An address that cannot be listened on; the message is for the person who starts it."""


def listen(host: str, port: int, option: str) -> socket.socket:
    """Return a socket that listens on an address; PortError names the option of the port."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # All addresses of IPv6 are those of IPv4 too, as gRPC's own servers have it.
        dual = address[0] == "::" and socket.has_dualstack_ipv6()
        sock = socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=dual)
        # Inherited by every connection; asyncio sees to it by itself only for sockets of its own.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise PortError(f"cannot listen on {host}:{port} ({option}): {reason(error)}") from None
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


def reason(error: OSError) -> str:
    """Return what the system says of an address, without the address."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)

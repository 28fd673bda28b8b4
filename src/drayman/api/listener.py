"""Sockets that listen: how an address is taken, and why it cannot be."""

import os
import socket

_BACKLOG = 2048


class PortError(Exception):
    """An address that cannot be listened on; the message is for the person who starts it."""


def listen(host: str, port: int, option: str) -> socket.socket:
    """Return a socket that listens on an address; PortError names the option of the port."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.create_server(address, family=family, backlog=_BACKLOG)
        # Inherited by every connection; asyncio sets it only on sockets that it creates itself.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise port_error(f"{host}:{port}", option, _describe(error)) from None
    return sock


def port_error(address: str, option: str, reason: str) -> PortError:
    """Return the error of an address, with the option that sets its port."""
    return PortError(f"cannot listen on {address} ({option}): {reason}")


def bind_failure(host: str, port: int) -> str:
    """Return why an address cannot be listened on, which gRPC does not report."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.bind(address)
    except OSError as error:
        return _describe(error)
    return "the address cannot be used"


def _describe(error: OSError) -> str:
    """Return the system's text for an error, without the address."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)

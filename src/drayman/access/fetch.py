"""Fetches a small JSON document over HTTP, within fixed bounds of time and size.

It is not the sender of tasks, which keeps only the beginning of a body. No redirect is followed, no
proxy is used, and each document has a connection of its own.
"""

import asyncio
import functools
import http
import http.client
import io
import json
import ssl
import urllib.parse
from typing import Any

from drayman.core.clock import SECOND, Clock, Micros

TIMEOUT: Micros = 5 * SECOND
"""The longest time that a document may take, from the lookup of the host to its last byte."""
MAX_SIZE = 256 << 10
"""The most bytes of a response, its head included."""
_PORTS = {"http": 80, "https": 443}


class FetchError(Exception):
    """A document cannot be fetched; the message says why."""


async def fetch_json(url: str, clock: Clock) -> Any:
    """Return the JSON value at a URL. FetchError."""
    try:
        async with clock.timeout(clock.now() + TIMEOUT):
            response = await _exchange(urllib.parse.urlsplit(url))
    except TimeoutError:
        raise FetchError(f"{url}: no response within {TIMEOUT // SECOND} s") from None
    except (OSError, ValueError) as error:
        raise FetchError(f"{url}: {error}") from None
    return _parse(url, response)


async def _exchange(url: urllib.parse.SplitResult) -> bytes:
    """Return all bytes of the response to a GET."""
    if not url.hostname or url.scheme not in _PORTS:
        raise ValueError("not an http:// or https:// URL with a host")
    tls = _tls() if url.scheme == "https" else None
    port = url.port or _PORTS[url.scheme]
    reader, writer = await asyncio.open_connection(url.hostname, port, ssl=tls)
    try:
        writer.write(_head(url))
        return await _read(reader)
    finally:
        writer.transport.abort()


def _head(url: urllib.parse.SplitResult) -> bytes:
    target = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
    host = url.netloc.rpartition("@")[2]
    return (
        f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n"
        "User-Agent: drayman\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


async def _read(reader: asyncio.StreamReader) -> bytes:
    content = bytearray()
    while chunk := await reader.read(MAX_SIZE):
        content += chunk
        if len(content) > MAX_SIZE:
            raise ValueError(f"the response has more than {MAX_SIZE >> 10} KB")
    return bytes(content)


def _parse(url: str, content: bytes) -> Any:
    """Return the JSON value in the bytes of a response."""
    response = http.client.HTTPResponse(_Received(content))  # type: ignore[arg-type]
    try:
        response.begin()
        if response.status != http.HTTPStatus.OK:
            raise FetchError(f"{url}: status {response.status}")
        return json.loads(response.read())
    except (http.client.HTTPException, ValueError, RecursionError) as error:
        raise FetchError(f"{url}: not a JSON document: {error!r}"[:500]) from None


class _Received:
    """What ``HTTPResponse`` needs of a socket."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()

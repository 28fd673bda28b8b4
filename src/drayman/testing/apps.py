"""Deliveries straight into an ASGI or WSGI application, without a socket."""

import asyncio
import inspect
import io
import sys
import urllib.parse
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from drayman.testing.values import Delivery, Reply

_Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]],
    Awaitable[None],
]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_PORTS = {"http": 80, "https": 443}


def is_asgi(app: object) -> bool:
    """Return whether an application is of ASGI: a coroutine function, or an object like one."""
    call = getattr(app, "__call__", None)  # noqa: B004 - the method itself is examined
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(call)


async def call_asgi(app: AsgiApp, delivery: Delivery) -> Reply:
    """Return the response of an ASGI application; what it raises is raised."""
    request: list[_Message] = [{"type": "http.request", "body": delivery.body}]
    start: _Message = {}
    body = bytearray()
    complete = asyncio.Event()

    async def receive() -> _Message:
        if request:
            return request.pop()
        await complete.wait()  # an application may end its work at a disconnect
        return {"type": "http.disconnect"}

    async def send(message: _Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                complete.set()

    await app(_scope(delivery), receive, send)
    if not start:
        raise RuntimeError("the application sent no response")
    headers = {name.decode("latin-1"): each.decode("latin-1") for name, each in start["headers"]}
    return Reply(start["status"], headers, bytes(body))


def _scope(delivery: Delivery) -> _Message:
    url = urllib.parse.urlsplit(delivery.url)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": delivery.method,
        "scheme": url.scheme,
        "path": urllib.parse.unquote(url.path) or "/",
        "raw_path": url.path.encode() or b"/",
        "query_string": url.query.encode(),
        "root_path": "",
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in _wire_headers(delivery, url).items()
        ],
        "client": ("127.0.0.1", 0),
        "server": _address(url),
    }


def call_wsgi(app: WsgiApp, delivery: Delivery) -> Reply:
    """Return the response of a WSGI application; what it raises is raised."""
    started: list[tuple[str, Sequence[tuple[str, str]]]] = []
    written = bytearray()

    def start_response(
        status: str, headers: Sequence[tuple[str, str]], _exc_info: object = None
    ) -> Callable[[bytes], None]:
        started.append((status, headers))
        return written.extend

    chunks = app(_environ(delivery), start_response)
    try:
        for chunk in chunks:
            written.extend(chunk)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    status, headers = started[-1]
    return Reply(int(status.split()[0]), dict(headers), bytes(written))


def _environ(delivery: Delivery) -> dict[str, Any]:
    url = urllib.parse.urlsplit(delivery.url)
    host, port = _address(url)
    environ = {
        "REQUEST_METHOD": delivery.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": urllib.parse.unquote(url.path, "latin-1") or "/",
        "QUERY_STRING": url.query,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BytesIO(delivery.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    headers = _wire_headers(delivery, url).items()
    return environ | {_variable(name): value for name, value in headers}


def _variable(header: str) -> str:
    name = header.upper().replace("-", "_")
    return name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"


def _wire_headers(delivery: Delivery, url: urllib.parse.SplitResult) -> Mapping[str, str]:
    own = {"Host": url.netloc.rpartition("@")[2]}
    if delivery.body or delivery.method in {"POST", "PUT", "PATCH"}:
        own["Content-Length"] = str(len(delivery.body))
    return own | dict(delivery.headers)


def _address(url: urllib.parse.SplitResult) -> tuple[str, int]:
    return url.hostname or "", url.port or _PORTS[url.scheme]

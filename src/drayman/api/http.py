"""The HTTP door: health, and REST below ``/v2/``. A plain ASGI application."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from drayman.api import admin, rest, wellknown
from drayman.api.context import Context
from drayman.core import errors
from drayman.core.errors import ServiceError
from drayman.core.limits import REQUEST_SIZE

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


_OTHER_VERSION = re.compile(r"/(v2beta[23])/")


class HttpApp:
    """The ASGI application of the HTTP port."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.ready = False

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except ServiceError as error:
            answer = rest.error_response(error)
        headers = [
            (b"content-type", b"application/json; charset=UTF-8"),
            (b"content-length", str(len(answer.body)).encode()),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Mapping[str, Any], receive: Receive) -> rest.RestResponse:
        path = scope["raw_path"].decode("latin-1").partition("?")[0]
        if path.startswith(rest.VERSION):
            return await self._rest(scope, path, receive)
        if path.startswith(admin.PREFIX):
            return await self._ledger(scope, path, receive)
        if path == "/healthz":
            return _json(200, {"status": "alive"})
        if path == "/readyz":
            return await self._readiness()
        document = await wellknown.find(self._context, path)
        if document is not None:
            return _json(200, document)
        if match := _OTHER_VERSION.match(path):
            raise errors.NotFound(
                f"{match[1]} is not served, v2 is: paths begin with {rest.VERSION}."
            )
        raise errors.NotFound(f"No such path: {path}")

    async def _rest(
        self, scope: Mapping[str, Any], path: str, receive: Receive
    ) -> rest.RestResponse:
        if not self.ready:
            raise errors.Unavailable("The server is starting or stopping.")
        headers = dict(scope["headers"])
        request = rest.RestRequest(
            verb=scope["method"],
            path=path,
            query=scope["query_string"].decode("latin-1"),
            body=await _body(headers, receive),
            content_type=headers.get(b"content-type", b"").decode("latin-1"),
        )
        return await rest.answer(self._context, request)

    async def _ledger(
        self, scope: Mapping[str, Any], path: str, receive: Receive
    ) -> rest.RestResponse:
        query, body = (
            scope["query_string"].decode("latin-1"),
            await _body(dict(scope["headers"]), receive),
        )
        return _json(200, await admin.answer(self._context, scope["method"], path, query, body))

    async def _readiness(self) -> rest.RestResponse:
        if not self.ready:
            reason = "the server is starting or stopping"
            return _json(503, {"status": "not ready", "reason": reason})
        try:
            await self._context.store.check()
        except ServiceError as error:
            return _json(503, {"status": "not ready", "reason": error.message})
        return _json(200, {"status": "ready"})


async def _body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """Return the whole body; InvalidArgument, before it is read, for one that is too large."""
    announced = int(headers.get(b"content-length", b"0"))  # the HTTP library has checked it
    body, more = bytearray(), True
    while more:
        if max(announced, len(body)) > REQUEST_SIZE:
            raise errors.InvalidArgument(
                f"Request payload size exceeds the limit: {REQUEST_SIZE} bytes."
            )
        event = await receive()
        if event["type"] == "http.disconnect":
            raise errors.Unavailable("The caller went away.")
        body += event.get("body", b"")
        more = event.get("more_body", False)
    return bytes(body)


def _json(status: int, content: Mapping[str, Any]) -> rest.RestResponse:
    return rest.RestResponse(status, json.dumps(content).encode() + b"\n")

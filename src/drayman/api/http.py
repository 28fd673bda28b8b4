"""The HTTP door: health, and REST below ``/v2/``. A plain ASGI application."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from drayman.api import admin, content_encoding, rest
from drayman.api.context import Context
from drayman.core import errors
from drayman.core.errors import ServiceError
from drayman.core.limits import REQUEST_SIZE
from drayman.signing import wellknown

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


_OTHER_VERSION = re.compile(r"/(v2beta[23])/")


class TruncatedBody(errors.InvalidArgument):
    """A body that ended before its Content-Length: what follows on the connection is unknown."""


class HttpApp:
    """The ASGI application of the HTTP port."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.ready = False

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = [(b"content-type", b"application/json; charset=UTF-8")]
        try:
            answer = await self._answer(scope, receive)
        except ServiceError as error:
            answer = rest.error_response(error)
            if isinstance(error, TruncatedBody):
                headers.append((b"connection", b"close"))
        headers.append((b"content-length", str(len(answer.body)).encode()))
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
        document = await self._public_document(path)
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
            method_override=headers.get(b"x-http-method-override", b"").decode("latin-1"),
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

    async def _public_document(self, path: str) -> Mapping[str, Any] | None:
        context = self._context
        return await wellknown.load(context.store, context.issuer, path, context.clock.now())

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
    """Return the whole body, decompressed.

    InvalidArgument, before it is read, for one that is too large; TruncatedBody for one of fewer
    bytes than the Content-Length; InvalidArgument for one that cannot be decompressed.
    """
    announced = int(headers.get(b"content-length", b"0"))  # the HTTP library has checked it
    body, more = bytearray(), True
    while more:
        if max(announced, len(body)) > REQUEST_SIZE:
            raise content_encoding.too_large(REQUEST_SIZE)
        event = await receive()
        if event["type"] == "http.disconnect":
            raise errors.Unavailable("The caller went away.")
        body += event.get("body", b"")
        more = event.get("more_body", False)
    if len(body) < announced:
        raise TruncatedBody(f"The body has {len(body)} bytes, its Content-Length is {announced}.")
    encoding = headers.get(b"content-encoding", b"").decode("latin-1")
    return content_encoding.decode(bytes(body), encoding, REQUEST_SIZE)


def _json(status: int, content: Mapping[str, Any]) -> rest.RestResponse:
    return rest.RestResponse(status, json.dumps(content).encode() + b"\n")

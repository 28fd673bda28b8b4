"""The HTTP door: health now, REST when it comes. A plain ASGI application."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from drayman.api import wellknown
from drayman.api.context import Context
from drayman.core.errors import ServiceError

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class HttpApp:
    """The ASGI application of the HTTP port."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.ready = False

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        del receive  # nothing here has a body yet
        if scope["type"] != "http":
            return
        status, content = await self._answer(scope["path"])
        body = json.dumps(content).encode() + b"\n"
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, path: str) -> tuple[int, dict[str, Any]]:
        if path == "/healthz":
            return 200, {"status": "alive"}
        if path == "/readyz":
            return await self._readiness()
        document = await wellknown.find(self._context, path)
        if document is not None:
            return 200, document
        message = f"No such path: {path}"
        return 404, {"error": {"code": 404, "message": message, "status": "NOT_FOUND"}}

    async def _readiness(self) -> tuple[int, dict[str, Any]]:
        if not self.ready:
            return 503, {"status": "not ready", "reason": "the server is starting or stopping"}
        try:
            await self._context.store.check()
        except ServiceError as error:
            return 503, {"status": "not ready", "reason": error.message}
        return 200, {"status": "ready"}

"""What HTTP/1.1 serves: REST below ``/v2/`` by the table of calls, every other path by a router."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from drayman.api import admin, browsers, request_body, rest
from drayman.api.browsers import BrowserPolicy
from drayman.api.context import Context
from drayman.api.responses import Response, error_response, json_response
from drayman.core import errors
from drayman.core.errors import ServiceError
from drayman.signing import wellknown

_REST_PATH = rest.VERSION.encode()
_DOCUMENTS = (wellknown.DISCOVERY, wellknown.JWKS, wellknown.CERTIFICATES)
_OPEN = frozenset({"/healthz", "/readyz", *_DOCUMENTS})
"""Paths that anyone may read: they change nothing and have nothing secret."""
_ANY: tuple[str, ...] = ()
"""The methods of a route that takes any method."""


class HttpApp:
    """The ASGI application behind HTTP/1.1.

    Args:
        context: What every call needs.
        policy: Which requests of browsers are served.
        routes: Further routes.

    Attributes:
        ready: Whether the server takes calls: False while it starts and stops.
        routes: The routes of all paths but those of REST.
    """

    def __init__(
        self,
        context: Context,
        policy: BrowserPolicy | None = None,
        routes: Sequence[Route] = (),
    ) -> None:
        self.ready = False
        self._policy = policy or BrowserPolicy()
        self._context = context
        self.routes = [
            Route("/healthz", _healthz, methods=_ANY),
            Route("/readyz", self._readyz, methods=_ANY),
            *(Route(path, self._public_document, methods=_ANY) for path in _DOCUMENTS),
            *admin.routes(context),
            *routes,
            Route("/v2beta2/{path:path}", _other_version, methods=_ANY),
            Route("/v2beta3/{path:path}", _other_version, methods=_ANY),
        ]
        self._router = Starlette(
            routes=self.routes,
            exception_handlers={ServiceError: _render_error, HTTPException: _not_found},
        )
        self._router.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        try:
            if scope["path"] not in _OPEN:
                browsers.check(self._policy, scope["method"], headers, scope["raw_path"])
            # Before the router, which would cost each call of REST more than this comparison.
            if not scope["raw_path"].startswith(_REST_PATH):
                await self._router(scope, receive, send)
                return
            response = await self._rest(scope, headers, receive)
        except ServiceError as error:
            response = error_response(error)
        await response(scope, receive, send)

    async def _rest(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive
    ) -> Response:
        if not self.ready:
            raise errors.Unavailable("The server is starting or stopping.")
        request = rest.RestRequest(
            method=scope["method"],
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            body=await request_body.read(headers, receive),
            content_type=headers.get(b"content-type", b"").decode("latin-1"),
            method_override=headers.get(b"x-http-method-override", b"").decode("latin-1"),
            fields=headers,
        )
        return await rest.handle(self._context, request)

    async def _readyz(self, _request: Request) -> Response:
        if not self.ready:
            return _not_ready("the server is starting or stopping")
        try:
            await self._context.store.check()
        except ServiceError as error:
            return _not_ready(error.message)
        return json_response(200, {"status": "ready"})

    async def _public_document(self, request: Request) -> Response:
        context, path = self._context, request.scope["path"]
        now = context.clock.now()
        document = await wellknown.load(context.store, context.issuer, path, now)
        return json_response(200, document, store=True)


async def _healthz(_request: Request) -> Response:
    return json_response(200, {"status": "alive"})


def _not_ready(reason: str) -> Response:
    return json_response(503, {"status": "not ready", "reason": reason})


async def _other_version(request: Request) -> Response:
    version = request.scope["path"].split("/")[1]
    raise errors.NotFound(f"{version} is not served, v2 is: paths begin with {rest.VERSION}.")


async def _render_error(_request: Request, error: Any) -> Any:
    """Answer a request that failed with a ServiceError."""
    return error_response(error)


async def _not_found(request: Request, _error: Exception) -> Any:
    """Answer a request that has no route."""
    method, path = request.method, request.scope["raw_path"].decode("latin-1")
    if re.match(rf"{admin.TESTING}[:/]|{admin.TESTING}$", path):
        error = errors.NotFound(
            f"No test endpoint has the method {method} and the path {path}. There are some with "
            "--test-endpoints, and more with --manual-clock."
        )
    elif path.startswith(admin.PREFIX):
        error = errors.NotFound(f"No call has the method {method} and the path {path}.")
    else:
        error = errors.NotFound(f"No such path: {path}")
    return error_response(error)

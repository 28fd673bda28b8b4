"""What HTTP/1.1 serves: REST below ``/v2/`` by the table of calls, every other path by a router."""

from collections.abc import Mapping
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from drayman.access.control import Fields
from drayman.api import admin, browsers, request_body, rest
from drayman.api.browsers import BrowserPolicy
from drayman.api.context import Context
from drayman.api.request import Request as PlainRequest
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


class Pages(Protocol):
    """Pages for people, which take forms.

    Attributes:
        body_limit: The most bytes of a form.
    """

    body_limit: int

    def serves(self, path: str, fields: Fields) -> bool:
        """Return whether a path, as it was sent, is one of these pages."""

    async def answer(self, request: PlainRequest) -> ASGIApp:
        """Return the response to a request."""


class HttpApp:
    """The ASGI application behind HTTP/1.1.

    Args:
        context: What every call needs.
        policy: Which requests of browsers are served.
        pages: The pages that it serves beside the API; None for none.

    Attributes:
        ready: Whether the server takes calls: False while it starts and stops.
        routes: The routes of all paths but those of REST.
    """

    def __init__(
        self, context: Context, policy: BrowserPolicy | None = None, pages: Pages | None = None
    ) -> None:
        self.ready = False
        self._pages = pages
        self._policy = policy or BrowserPolicy()
        self._context = context
        self.routes = [
            Route("/healthz", _healthz, methods=_ANY),
            Route("/readyz", self._readyz, methods=_ANY),
            *(Route(path, self._public_document, methods=_ANY) for path in _DOCUMENTS),
            *admin.routes(context),
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
        headers, path = dict(scope["headers"]), scope["raw_path"]
        response: ASGIApp
        try:
            # Before the router, which would cost each call of REST more than this comparison.
            if path.startswith(_REST_PATH):
                browsers.check(self._policy, scope["method"], headers, path)
                response = await self._rest(scope, headers, receive)
            elif self._pages and self._pages.serves(path.decode("latin-1"), headers):
                browsers.check(self._policy, scope["method"], headers, path, takes_forms=True)
                response = await self._page(self._pages, scope, headers, receive)
            else:
                if scope["path"] not in _OPEN:
                    browsers.check(self._policy, scope["method"], headers, path)
                response = self._router
        except ServiceError as error:
            response = error_response(error)
        await response(scope, receive, send)

    async def _page(
        self, pages: Pages, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive
    ) -> ASGIApp:
        self._check_ready()
        body = await request_body.read(headers, receive, pages.body_limit)
        return await pages.answer(
            PlainRequest(
                method=scope["method"],
                path=scope["raw_path"].decode("latin-1"),
                query=scope["query_string"].decode("latin-1"),
                fields=headers,
                content=body.content,
            )
        )

    def _check_ready(self) -> None:
        if not self.ready:
            raise errors.Unavailable("The server is starting or stopping.")

    async def _rest(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive
    ) -> Response:
        self._check_ready()
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
    if path.startswith(admin.PREFIX):
        error = errors.NotFound(f"No call has the method {method} and the path {path}.")
    else:
        error = errors.NotFound(f"No such path: {path}")
    return error_response(error)

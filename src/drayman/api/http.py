"""What HTTP/1.1 serves: REST below ``/v2/``, the admin API, health, and the public documents."""

import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from drayman.access.control import Fields
from drayman.api import admin, browsers, rest
from drayman.api.browsers import BrowserPolicy
from drayman.api.context import Context
from drayman.api.request import Request
from drayman.api.responses import Response, error_response, json_response
from drayman.core import errors
from drayman.core.errors import ServiceError
from drayman.core.limits import PLAIN_REQUEST_SIZE, REQUEST_SIZE
from drayman.signing import wellknown

_DOCUMENTS = (wellknown.DISCOVERY, wellknown.JWKS, wellknown.CERTIFICATES)
_OTHER_VERSIONS = ("/v2beta2/", "/v2beta3/")


class Site(Protocol):
    """Pages for people, which take forms."""

    def serves(self, path: str, fields: Fields) -> bool:
        """Return whether a path, as it was sent, is one of these pages."""

    async def answer(self, request: Request) -> Response:
        """Return the response to a request, whose form has at most ``PLAIN_REQUEST_SIZE`` bytes."""


class HttpApp:
    """The application behind HTTP/1.1 (see ``edge.http1.App``).

    Args:
        context: What every call needs.
        policy: Which requests of browsers are served.
        site: The pages for people; None for none.

    Attributes:
        ready: Whether the server takes calls: False while it starts and stops.
        pages: The paths that anyone may read, by any method, and what they return: they change
            nothing and have nothing secret.
    """

    def __init__(
        self, context: Context, policy: BrowserPolicy | None = None, site: Site | None = None
    ) -> None:
        self.ready = False
        self._site = site
        self._policy = policy or BrowserPolicy()
        self._context = context
        self.pages: Mapping[str, Callable[[str], Awaitable[Response]]] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            **dict.fromkeys(_DOCUMENTS, self._public_document),
        }

    def refuse(self, request: Request) -> Response | None:
        """Return the response to a request that its head rules out, None for one to be answered."""
        try:
            is_call = request.path.startswith(rest.VERSION)
            is_page = not is_call and self._find_site(request) is not None
            if is_call or _decoded(request.path) not in self.pages:
                browsers.check(
                    self._policy,
                    request.method,
                    request.fields,
                    request.path,
                    takes_forms=is_page,
                )
            if (is_call or is_page) and not self.ready:
                raise errors.Unavailable("The server is starting or stopping.")
        except ServiceError as error:
            return error_response(error)
        return None

    def body_limit(self, request: Request) -> int:
        """Return the most bytes that the body of a request may have."""
        return REQUEST_SIZE if request.path.startswith(rest.VERSION) else PLAIN_REQUEST_SIZE

    async def answer(self, request: Request) -> Response:
        """Return the response to a request that has arrived."""
        try:
            if request.path.startswith(rest.VERSION):
                return await rest.handle(self._context, request)
            return await self._answer(request, _decoded(request.path))
        except ServiceError as error:
            return error_response(error)

    def _find_site(self, request: Request) -> Site | None:
        """Return the pages for people if a request is for one of them."""
        site = self._site
        return site if site and site.serves(request.path, request.fields) else None

    async def _answer(self, request: Request, path: str) -> Response:
        if site := self._find_site(request):
            return await site.answer(request)
        if page := self.pages.get(path):
            return await page(path)
        if path.startswith(admin.PREFIX):
            return await admin.handle(self._context, request, path)
        if path.startswith(_OTHER_VERSIONS):
            version = path.split("/")[1]
            raise errors.NotFound(
                f"{version} is not served, v2 is: paths begin with {rest.VERSION}."
            )
        raise errors.NotFound(f"No such path: {request.path}")

    async def _healthz(self, _path: str) -> Response:
        return json_response(200, {"status": "alive", **self._context.role.label})

    async def _readyz(self, _path: str) -> Response:
        if not self.ready:
            return _not_ready("the server is starting or stopping")
        try:
            await self._context.store.check()
        except ServiceError as error:
            return _not_ready(error.message)
        return json_response(200, {"status": "ready", **self._context.role.label})

    async def _public_document(self, path: str) -> Response:
        context = self._context
        document = await wellknown.load(context.store, context.issuer, path, context.clock.now())
        return json_response(200, document, store=True)


def _decoded(path: str) -> str:
    return urllib.parse.unquote(path) if "%" in path else path


def _not_ready(reason: str) -> Response:
    return json_response(503, {"status": "not ready", "reason": reason})

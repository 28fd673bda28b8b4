"""What HTTP/1.1 serves: REST below ``/v2/``, the admin API, health, documents, extensions."""

import re
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from drayman.api import admin, browsers, request_body, rest
from drayman.api.browsers import BrowserPolicy
from drayman.api.context import Context
from drayman.api.request import Request
from drayman.api.responses import Response, error_response, json_response
from drayman.core import errors
from drayman.core.errors import ServiceError
from drayman.core.limits import PLAIN_REQUEST_SIZE, REQUEST_SIZE
from drayman.signing import wellknown

_DOCUMENTS = (wellknown.DISCOVERY, wellknown.JWKS, wellknown.CERTIFICATES)
_TESTING = re.compile(rf"{admin.TESTING}(?:[:/]|$)")
_GRPC_OVER_HTTP1 = (
    "gRPC needs HTTP/2, and this request came over HTTP/1.1: a proxy in between must pass calls on "
    "over HTTP/2 (nginx: grpc_pass)."
)
_OTHER_VERSIONS = ("/v2beta2/", "/v2beta3/")


class Extension(Protocol):
    """Something that a server serves over HTTP/1.1 besides the API.

    Attributes:
        takes_forms: Whether browsers may send forms to it, which it checks by tokens.
    """

    takes_forms: bool

    def serves(self, request: Request) -> bool:
        """Return whether it answers a request."""

    async def answer(self, request: Request) -> Response:
        """Return the response to a request. ServiceError."""

    def refuse(self, request: Request, error: ServiceError) -> Response:
        """Return the response to a request whose body is not received."""


class HttpApp:
    """The application behind HTTP/1.1 (see ``edge.http1.App``).

    Args:
        context: What every call needs.
        policy: Which requests of browsers are served.
        extensions: What it serves besides.

    Attributes:
        ready: Whether the server takes calls: False while it starts and stops.
        pages: The paths that anyone may read, by any method, and what they return: they change
            nothing and have nothing secret.
    """

    def __init__(
        self,
        context: Context,
        policy: BrowserPolicy | None = None,
        extensions: Sequence[Extension] = (),
    ) -> None:
        self.ready = False
        self._policy = policy or BrowserPolicy()
        self._context = context
        self._extensions = extensions
        self.pages: Mapping[str, Callable[[str], Awaitable[Response]]] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            **dict.fromkeys(_DOCUMENTS, self._public_document),
        }

    def refuse(self, request: Request) -> Response | None:
        """Return the response to a request that its head rules out, None for one to be answered."""
        try:
            is_call = request.path.startswith(rest.VERSION)
            extension = None if is_call else self._extension(request)
            takes_forms = extension is not None and extension.takes_forms
            if is_call or _decoded(request.path) not in self.pages:
                browsers.check(
                    self._policy,
                    request.method,
                    request.fields,
                    request.path,
                    takes_forms=takes_forms,
                )
            if (is_call or takes_forms) and not self.ready:
                raise errors.Unavailable("The server is starting or stopping.")
        except ServiceError as error:
            return error_response(error)
        limit = self.body_limit(request)
        if extension is not None and int(request.fields.get(b"content-length", b"0")) > limit:
            return extension.refuse(request, request_body.too_large(limit))
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

    async def _answer(self, request: Request, path: str) -> Response:
        if page := self.pages.get(path):
            return await page(path)
        if extension := self._extension(request):
            return await extension.answer(request)
        if _TESTING.match(path):
            raise errors.NotFound(
                f"No test endpoint has the method {request.method} and the path {request.path}. "
                "There are some with --test-endpoints, and more with --manual-clock."
            )
        if path.startswith(admin.PREFIX):
            return await admin.handle(self._context, request, path)
        if path.startswith(_OTHER_VERSIONS):
            version = path.split("/")[1]
            raise errors.NotFound(
                f"{version} is not served, v2 is: paths begin with {rest.VERSION}."
            )
        if request.fields.get(b"content-type", b"").startswith(b"application/grpc"):
            raise errors.NotFound(_GRPC_OVER_HTTP1)
        raise errors.NotFound(f"No such path: {request.path}")

    def _extension(self, request: Request) -> Extension | None:
        return next((each for each in self._extensions if each.serves(request)), None)

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

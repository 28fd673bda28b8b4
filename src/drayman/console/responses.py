"""Responses with pages, and their header fields."""

import dataclasses

from starlette.types import Receive, Scope, Send

_Fields = tuple[tuple[bytes, bytes], ...]
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing runs or loads but the files of the console: no script or style within a page either."""
_FIELDS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", _POLICY),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    # Not "no-referrer": with it, forms would have the origin "null".
    (b"referrer-policy", b"same-origin"),
)
_NO_STORE = (b"cache-control", b"no-store")
_STORE = (b"cache-control", b"public, max-age=31536000, immutable")


@dataclasses.dataclass(slots=True)
class PageResponse:
    """A response; as an ASGI application it sends itself.

    Attributes:
        status: The HTTP status.
        body: The body; a response to HEAD is sent without it.
        fields: All header fields but those of the connection and of the body's size.
        close: Whether the connection is closed after it.
    """

    status: int
    body: bytes
    fields: _Fields
    close: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Send the response."""
        headers = [*self.fields, (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})


def html(status: int, text: str, cookie: bytes = b"") -> PageResponse:
    """Return a page, with a cookie unless it is empty."""
    fields: _Fields = (*_FIELDS, _NO_STORE, (b"content-type", b"text/html; charset=utf-8"))
    if status == 401:  # noqa: PLR2004 - RFC 9110: it needs a challenge
        fields = (*fields, (b"www-authenticate", b'Bearer realm="drayman"'))
    return PageResponse(status, text.encode(), fields + _set_cookie(cookie))


def redirect(path: str, cookie: bytes = b"") -> PageResponse:
    """Return a redirect to a path of this server, which the browser requests by GET."""
    fields = (*_FIELDS, _NO_STORE, (b"location", path.encode()))
    return PageResponse(303, b"", fields + _set_cookie(cookie))


def static_file(content: bytes, content_type: str) -> PageResponse:
    """Return a file that caches may store for good: its URL changes with its content."""
    return PageResponse(200, content, (*_FIELDS, _STORE, (b"content-type", content_type.encode())))


def _set_cookie(cookie: bytes) -> _Fields:
    return ((b"set-cookie", cookie),) if cookie else ()

"""Responses with pages, and their header fields."""

import dataclasses

from drayman.api.responses import Response

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
class PageResponse(Response):
    """A response with a page, a file or a redirect.

    Attributes:
        fields: All header fields but those of the connection and of the body's size.
    """

    fields: _Fields = ()

    @property
    def head(self) -> bytes:
        """The header fields as lines, without those of the connection and of the body's size."""
        return b"".join(b"%s: %s\r\n" % field for field in self.fields)


def html(status: int, text: str, cookie: bytes = b"") -> PageResponse:
    """Return a page, with a cookie unless it is empty."""
    fields: _Fields = (*_FIELDS, _NO_STORE, (b"content-type", b"text/html; charset=utf-8"))
    if status == 401:  # noqa: PLR2004 - RFC 9110: it needs a challenge
        fields = (*fields, (b"www-authenticate", b'Bearer realm="drayman"'))
    return PageResponse(status, text.encode(), fields=fields + _set_cookie(cookie))


def redirect(path: str, cookie: bytes = b"") -> PageResponse:
    """Return a redirect to a path of this server, which the browser requests by GET."""
    fields = (*_FIELDS, _NO_STORE, (b"location", path.encode()))
    return PageResponse(303, b"", fields=fields + _set_cookie(cookie))


def static_file(content: bytes, content_type: str) -> PageResponse:
    """Return a file that caches may store for good: its URL changes with its content."""
    fields = (*_FIELDS, _STORE, (b"content-type", content_type.encode()))
    return PageResponse(200, content, fields=fields)


def _set_cookie(cookie: bytes) -> _Fields:
    return ((b"set-cookie", cookie),) if cookie else ()

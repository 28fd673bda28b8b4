"""Responses over HTTP/1.1: JSON, and errors in the form of Google's REST APIs."""

import dataclasses
import functools
import json
from typing import Any

from drayman.api import browsers
from drayman.api.request_body import TruncatedBody
from drayman.core.clock import SECOND
from drayman.core.errors import RetryInfo, ServiceError, Unauthenticated
from drayman.core.status import HTTP_STATUS
from drayman.wire import details, json_writer

_FIELDS = ((b"content-type", b"application/json; charset=UTF-8"), *browsers.HEADERS)
_NO_STORE = (b"cache-control", b"no-store")
_REALM = b'Bearer realm="drayman"'


@dataclasses.dataclass(slots=True)
class Response:
    """A response.

    Attributes:
        status: The HTTP status.
        body: The body, JSON; a response to HEAD is sent without it.
        close: Whether the connection is closed after it.
        store: Whether caches may store it.
        challenge: The value of ``WWW-Authenticate``, empty for none.
        retry_after: The value of ``Retry-After``, empty for none.
    """

    status: int
    body: bytes
    close: bool = False
    store: bool = False
    challenge: bytes = b""
    retry_after: bytes = b""

    @property
    def head(self) -> bytes:
        """The header fields as lines, without those of the connection and of the body's size."""
        return _head(self.store, self.challenge, self.retry_after)


@functools.lru_cache(maxsize=16)
def _head(store: bool, challenge: bytes, retry_after: bytes) -> bytes:
    fields = [*_FIELDS]
    if not store:
        fields.append(_NO_STORE)
    if challenge:
        fields.append((b"www-authenticate", challenge))
    if retry_after:
        fields.append((b"retry-after", retry_after))
    return b"".join(b"%s: %s\r\n" % field for field in fields)


def json_response(status: int, value: Any, *, store: bool = False) -> Response:
    """Return a response with a JSON value on one line, which caches may store or not."""
    return Response(status, json.dumps(value).encode() + b"\n", store=store)


def error_response(error: ServiceError, *, pretty: bool = True) -> Response:
    """Return the response that an error makes."""
    status = HTTP_STATUS[error.code]
    content = {"code": status, "message": error.message, "status": error.code.name}
    if error.details:
        content["details"] = json_writer.render(details.status(error))["details"]
    body = encode({"error": content}, pretty=pretty)
    challenge = _challenge(error) if isinstance(error, Unauthenticated) else b""
    close = isinstance(error, TruncatedBody)
    return Response(status, body, close, challenge=challenge, retry_after=_retry_after(error))


def _retry_after(error: ServiceError) -> bytes:
    """Return the delay that an error asks for in whole seconds (RFC 9110, section 10.2.3)."""
    delays = [detail.delay for detail in error.details if isinstance(detail, RetryInfo)]
    return b"%d" % -(-max(delays) // SECOND) if delays else b""


def _challenge(error: Unauthenticated) -> bytes:
    """Return the challenge to a caller who is not known (RFC 6750, section 3)."""
    return _REALM + b', error="invalid_token"' if error.reason else _REALM


def encode(value: Any, *, pretty: bool) -> bytes:
    """Return a value as JSON, with line breaks and indentation or without any space."""
    if pretty:
        return json_writer.pretty(value).encode() + b"\n"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

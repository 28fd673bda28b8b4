"""Redirects: the responses of HTTP targets that name another URL (recorded: redirects).

    status      next request
    --------    -------------------------------------------------------
    301, 302    GET without a body instead of POST, else the same
    303         GET without a body, but HEAD stays HEAD
    307, 308    the same method and body

Recorded is a POST that was answered 302 and followed as GET, and a 301 without Location that was
not followed. The rest is the standard of web clients (the Fetch standard, HTTP-redirect fetch), as
is that Authorization and cookies go to the origin of the request only. A redirect that cannot be
followed is the response of the attempt.
"""

import urllib.parse

from drayman.core import delivery
from drayman.core.delivery import NoResponse, Request, Response
from drayman.dispatch.http import request as requests
from drayman.dispatch.sender import Sender

MAX_REDIRECTS = 5
"""The most redirects that are followed, as by App Engine's URL Fetch."""
MAX_LOCATION_SIZE = 8 * 1024
"""The most bytes of a Location that is followed."""

_AS_GET = {301: ("POST",), 302: ("POST",), 303: ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
"""The methods that become GET, by status."""
_STATUSES = frozenset({*_AS_GET, 307, 308})
_HEADERS_OF_BODY = ("content-encoding", "content-language", "content-location", "content-type")
_HEADERS_OF_ORIGIN = ("authorization", "cookie")


def is_redirect(response: Response | NoResponse) -> bool:
    """Return whether a response may redirect."""
    return isinstance(response, Response) and response.status in _STATUSES


async def follow_all(
    sender: Sender, request: Request, response: Response | NoResponse
) -> Response | NoResponse:
    """Follow redirects from the response to a request on; return the last response."""
    for _ in range(MAX_REDIRECTS):
        following = follow(request, response)
        if following is None:
            break
        request = following
        response = await sender.send(request)
    return response


def follow(request: Request, response: Response | NoResponse) -> Request | None:
    """Return the request that a response redirects to, None if there is none to follow."""
    if isinstance(response, NoResponse) or response.status not in _STATUSES:
        return None
    url = _location(request.url, response.headers.get("location", ""))
    if url is None:
        return None
    if request.method in _AS_GET.get(response.status, ()):
        request = _without(request, _HEADERS_OF_BODY)._replace(method="GET", body=b"")
    if requests.split_url(url)[0] != requests.split_url(request.url)[0]:
        request = _without(request, _HEADERS_OF_ORIGIN)
    return request._replace(url=url)


def _location(base: str, location: str) -> str | None:
    """Return the URL of a Location, None if no request can be sent to it."""
    if not location or len(location) > MAX_LOCATION_SIZE:
        return None
    try:
        url = delivery.encode_url(urllib.parse.urljoin(base, _decode(location)))
        url = delivery.without_credentials(url)
        requests.split_url(url)
    except ValueError:  # InvalidUrlError is one
        return None
    return url


def _decode(location: str) -> str:
    """Return a header's value as UTF-8, if it is."""
    try:
        return location.encode("latin-1").decode()
    except UnicodeError:
        return location


def _without(request: Request, names: tuple[str, ...]) -> Request:
    others = {name: value for name, value in request.headers.items() if name.lower() not in names}
    return request._replace(headers=others)

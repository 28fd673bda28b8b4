"""``http_task``, a short way to write a task that delivers an HTTP request."""

import datetime
import json as json_lib
import re
from collections.abc import Mapping
from typing import Any

from drayman.tasks_v2 import types
from drayman.tasks_v2.types import marshalling

_CONTENT_TYPE = "Content-Type"
_UNSET: Any = object()  # no `json` argument; None is a value, sent as `null`
_TASK_NAME = re.compile(r"projects/[^/]+/locations/[^/]+/queues/[^/]+/tasks/[^/]+")


def http_task(
    url: str,
    *,
    json: Any = _UNSET,
    body: bytes | str | None = None,
    method: types.HttpMethod | str | int = types.HttpMethod.POST,
    headers: Mapping[str, str] | None = None,
    delay: float | datetime.timedelta | None = None,
    at: datetime.datetime | None = None,
    name: str | None = None,
    oidc: str | types.OidcToken | Mapping[str, str] | None = None,
    oauth: str | types.OAuthToken | Mapping[str, str] | None = None,
    deadline: float | datetime.timedelta | None = None,
) -> types.Task:
    """Build a task that delivers an HTTP request.

    Args:
        url: The URL of the handler.
        json: A value to send as JSON, with a JSON content type. None is sent as ``null``.
        body: The body, instead of ``json``. Text is encoded as UTF-8.
        method: ``"POST"``, ``"PUT"``, … in any case.
        headers: Headers to send.
        delay: Time until the first attempt, in seconds or as a ``timedelta``, counted from the
            current time of the local clock.
        at: Time of the first attempt, instead of ``delay``. A time without a zone is UTC.
        name: The task's full name, ``projects/…/locations/…/queues/…/tasks/…``. The server
            generates one if it is absent.
        oidc: Send an OIDC ID token: the email address of a service account or an ``OidcToken``.
        oauth: Send an OAuth access token: an email address as above or an ``OAuthToken``.
        deadline: Time limit of one attempt, in seconds or as a ``timedelta``.

    Raises:
        ValueError: Two arguments exclude each other, the method is unknown, the name is not a
            full task name, or ``json`` holds a number that JSON cannot represent, like NaN.
        TypeError: ``json`` holds a value of a type that JSON cannot represent.

    Example:
        >>> task = http_task("https://example.com/mail", json={"to": "ann"}, delay=60)
        >>> client.create_task(parent=path, task=task)
    """
    for first, second, both in (
        ("json", "body", json is not _UNSET and body is not None),
        ("delay", "at", delay is not None and at is not None),
        ("oidc", "oauth", oidc is not None and oauth is not None),
    ):
        if both:
            raise ValueError(f"http_task takes {first} or {second}, not both.")
    if name and not _TASK_NAME.fullmatch(name):
        raise ValueError(
            f"name must be projects/PROJECT/locations/LOCATION/queues/QUEUE/tasks/TASK, "
            f"but is {name!r}."
        )
    request_headers = dict(headers or {})
    if json is not _UNSET:
        body = json_lib.dumps(json, separators=(",", ":"), allow_nan=False)
        if not any(key.lower() == _CONTENT_TYPE.lower() for key in request_headers):
            request_headers[_CONTENT_TYPE] = "application/json"
    if delay is not None:
        now = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - a delay counts from the caller's clock
        at = now + _timedelta(delay)
    request = types.HttpRequest(
        url=url,
        http_method=marshalling.parse_enum(types.HttpMethod, method, "method"),
        headers=request_headers,
        body=body,
        oidc_token=_token(oidc),
        oauth_token=_token(oauth),
    )
    return types.Task(
        name=name,
        http_request=request,
        schedule_time=at,
        dispatch_deadline=None if deadline is None else _timedelta(deadline),
    )


def _timedelta(value: float | datetime.timedelta) -> datetime.timedelta:
    return value if isinstance(value, datetime.timedelta) else datetime.timedelta(seconds=value)


def _token(value: Any) -> Any:
    return {"service_account_email": value} if isinstance(value, str) else value

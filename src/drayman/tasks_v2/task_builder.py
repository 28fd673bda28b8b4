"""The usual task in one line."""

import datetime
import json as json_lib
import re
from collections.abc import Mapping
from typing import Any

from drayman.tasks_v2 import types
from drayman.tasks_v2.types import marshalling

_TYPE = "Content-Type"
_ABSENT: Any = object()  # stands for no JSON at all, where None is `null`
_NAME = re.compile(r"projects/[^/]+/locations/[^/]+/queues/[^/]+/tasks/[^/]+")


def http_task(
    url: str,
    *,
    json: Any = _ABSENT,
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
    """A task that delivers an HTTP request.

    Args:
        url: Where to.
        json: A value to send as JSON, with its content type; None is sent as ``null``.
        body: The body, in place of ``json``; text is encoded as UTF-8.
        method: ``"POST"``, ``"PUT"``, … in letters of any case.
        headers: Headers to send.
        delay: How long to wait with the first attempt, in seconds or as a ``timedelta``, counted
            from now on this machine's clock.
        at: When to make the first attempt, in place of ``delay``; without a zone it is UTC.
        name: The task's full name, ``projects/…/locations/…/queues/…/tasks/…``; one is
            made up when absent.
        oidc: Sends an ID token along: a service account's email address or an ``OidcToken``.
        oauth: Sends an access token along: the same, or an ``OAuthToken``.
        deadline: How long an attempt may take, in seconds or as a ``timedelta``.

    Raises:
        ValueError: Two arguments exclude one another, the method or the name is none, or the value
            has no form in JSON, like NaN.
        TypeError: The value is of a type that JSON does not know.

    Example:
        >>> task = http_task("https://example.com/mail", json={"to": "ann"}, delay=60)
        >>> client.create_task(parent=path, task=task)
    """
    for one, other, both in (
        ("json", "body", json is not _ABSENT and body is not None),
        ("delay", "at", delay is not None and at is not None),
        ("oidc", "oauth", oidc is not None and oauth is not None),
    ):
        if both:
            raise ValueError(f"http_task takes {one} or {other}, not both.")
    if name and not _NAME.fullmatch(name):
        raise ValueError(
            f"name must be projects/PROJECT/locations/LOCATION/queues/QUEUE/tasks/TASK, "
            f"but is {name!r}."
        )
    sent = dict(headers or {})
    if json is not _ABSENT:
        body = json_lib.dumps(json, separators=(",", ":"), allow_nan=False)
        if not any(header.lower() == _TYPE.lower() for header in sent):
            sent[_TYPE] = "application/json"
    if delay is not None:
        now = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - a delay counts from the caller's clock
        at = now + _duration(delay)
    request = types.HttpRequest(
        url=url,
        http_method=marshalling.parse_enum(types.HttpMethod, method, "method"),
        headers=sent,
        body=body,
        oidc_token=_token(oidc),
        oauth_token=_token(oauth),
    )
    return types.Task(
        name=name,
        http_request=request,
        schedule_time=at,
        dispatch_deadline=None if deadline is None else _duration(deadline),
    )


def _duration(value: float | datetime.timedelta) -> datetime.timedelta:
    return value if isinstance(value, datetime.timedelta) else datetime.timedelta(seconds=value)


def _token(value: Any) -> Any:
    return {"service_account_email": value} if isinstance(value, str) else value

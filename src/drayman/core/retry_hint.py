"""Retry hints: response headers by which a handler controls the next attempt.

    header                                     with           effect on the task
    ---------------------------------------    -----------    ------------------------------------
    Retry-After: 30                            429 and 503    not retried before then (the API's
    Retry-After: Wed, 21 Oct 2026 07:28:00 GMT                text: "considered")
    Drayman-Retry: never                       any failure    fails for good at once
    Drayman-Retry: after; 30                   any failure    retried exactly then,
    Drayman-Retry: after; Wed, 21 Oct 2026 …                  whatever the backoff

``Drayman-Retry`` is an extension of this project. A success is a success, whatever the headers. A
value that cannot be parsed is ignored.
"""

import datetime
import email.utils
from typing import NamedTuple

from drayman.core.clock import DAY, SECOND, Micros
from drayman.core.delivery import NoResponse, Response

RETRY_AFTER = "retry-after"
DRAYMAN_RETRY = "drayman-retry"
RETRY_HEADERS = (RETRY_AFTER, DRAYMAN_RETRY)
"""The response headers that carry retry hints, in lower case."""
MAX_DELAY: Micros = DAY
"""The longest delay that one response may ask for."""
_RETRY_AFTER_STATUSES = (429, 503)


class RetryHint(NamedTuple):
    """What a handler asks for.

    Attributes:
        never: Whether the task must not be retried.
        at: When to retry it, None for the time that the backoff gives.
        not_before: The earliest time of the retry, None for no bound.
    """

    never: bool = False
    at: Micros | None = None
    not_before: Micros | None = None


NO_HINT = RetryHint()
"""The hint of a response without one."""


def parse(result: Response | NoResponse, now: Micros) -> RetryHint:
    """Return the retry hint of a response that arrived at ``now``."""
    if not isinstance(result, Response) or not result.headers:
        return NO_HINT
    directive, _, value = result.headers.get(DRAYMAN_RETRY, "").partition(";")
    directive = directive.strip().lower()
    not_before = None
    if result.status in _RETRY_AFTER_STATUSES:
        not_before = _parse_time(result.headers.get(RETRY_AFTER, ""), now)
    return RetryHint(
        never=directive == "never",
        at=_parse_time(value, now) if directive == "after" else None,
        not_before=not_before,
    )


def _parse_time(text: str, now: Micros) -> Micros | None:
    """Parse seconds or an HTTP date; the time is at most ``MAX_DELAY`` ahead."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return now + min(int(text.lstrip("0")[:9] or 0) * SECOND, MAX_DELAY)
    try:
        date = email.utils.parsedate_to_datetime(text)
        time = int(date.replace(tzinfo=date.tzinfo or datetime.UTC).timestamp() * SECOND)
    except (ValueError, OverflowError):
        return None
    return min(max(time, now), now + MAX_DELAY)

"""What a handler says of the next attempt, in the headers of its answer.

    header                                     of             effect on the task
    ---------------------------------------    -----------    ------------------------------------
    Retry-After: 30                            429 and 503    not before then (the API's
    Retry-After: Wed, 21 Oct 2026 07:28:00 GMT                text: "considered")
    Drayman-Retry: never                       any failure    ends as failed, now
    Drayman-Retry: after; 30                   any failure    next attempt exactly then,
    Drayman-Retry: after; Wed, 21 Oct 2026 …                  whatever the backoff

The last two are ours; without them everything is as Google does it. Success is success,
whatever the headers; what cannot be understood is not heard.
"""

import dataclasses
import datetime
import email.utils

from drayman.core.clock import DAY, SECOND, Micros
from drayman.core.delivery import NoResponse, Response

RETRY_AFTER = "retry-after"
DRAYMAN_RETRY = "drayman-retry"
RETRY_HEADERS = (RETRY_AFTER, DRAYMAN_RETRY)
"""The headers, in lower case, that are read at all."""
LONGEST: Micros = DAY
"""The longest that a target may put off a task at a time."""
_BUSY = (429, 503)


@dataclasses.dataclass(frozen=True, slots=True)
class RetryHint:
    """What a handler said.

    Attributes:
        never: The task shall not be tried again.
        at: When it shall be tried again.
        not_before: When it may be tried again at the earliest.
    """

    never: bool = False
    at: Micros | None = None
    not_before: Micros | None = None


def parse(result: Response | NoResponse, now: Micros) -> RetryHint:
    """Return what an answer that came at ``now`` says of the next attempt."""
    if not isinstance(result, Response) or not result.headers:
        return RetryHint()
    word, _, value = result.headers.get(DRAYMAN_RETRY, "").partition(";")
    not_before = None
    if result.status in _BUSY:
        not_before = _moment(result.headers.get(RETRY_AFTER, ""), now)
    return RetryHint(
        never=word.strip().lower() == "never",
        at=_moment(value, now) if word.strip().lower() == "after" else None,
        not_before=not_before,
    )


def _moment(text: str, now: Micros) -> Micros | None:
    """Return the moment that seconds or an HTTP date stand for, within ``LONGEST``."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return now + min(int(text.lstrip("0")[:9] or 0) * SECOND, LONGEST)
    try:
        when = email.utils.parsedate_to_datetime(text)
        moment = int(when.replace(tzinfo=when.tzinfo or datetime.UTC).timestamp() * SECOND)
    except (ValueError, OverflowError):
        return None
    return min(max(moment, now), now + LONGEST)

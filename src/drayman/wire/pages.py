"""Page tokens: opaque to clients, bound to the list they continue, good for two hours.

Their digest finds tokens that were changed or mixed up. It is no signature: who makes a token of
their own reads no more than the list shows anyway.
"""

import base64
import hashlib
import hmac
import re

from drayman.core import errors
from drayman.core.clock import HOUR, SECOND, Micros

LIFETIME: Micros = 2 * HOUR
_DIGEST = 12
_NUMBER = re.compile(r"[0-9]{1,19}")
_LARGEST = (1 << 63) - 1


def token(scope: str, cursor: str, now: Micros) -> str:
    """Return the token that continues the list ``scope`` past ``cursor``."""
    content = f"{(now + LIFETIME) // SECOND}:{cursor}".encode()
    return base64.urlsafe_b64encode(_digest(scope, content) + content).decode()


def cursor(scope: str, page_token: str, now: Micros) -> str:
    """Return where a token continues the list ``scope``, "" for the first page.

    InvalidArgument when the token is none, is of another list, or is too old.
    """
    if not page_token:
        return ""
    try:
        raw = base64.b64decode(page_token.encode(), altchars=b"-_", validate=True)
        digest, content = raw[:_DIGEST], raw[_DIGEST:]
        expiry, separator, position = content.decode().partition(":")
        valid = bool(separator) and hmac.compare_digest(digest, _digest(scope, content))
        expired = int(expiry) * SECOND < now
    except ValueError:  # of which wrong base64, wrong UTF-8 and wrong numbers are kinds
        valid = expired = False
    if not valid:
        raise _foreign()
    if expired:
        raise errors.field_error("page_token", "Invalid page_token: it has expired.")
    return position


def number(scope: str, page_token: str, now: Micros) -> int:
    """Return where a token continues a list whose positions are numbers, 0 for the first page."""
    position = cursor(scope, page_token, now) or "0"
    if not _NUMBER.fullmatch(position) or int(position) > _LARGEST:
        raise _foreign()
    return int(position)


def size(page_size: int, limit: int) -> int:
    """Return how many items a page may have; zero means the limit. InvalidArgument."""
    if page_size < 0:
        raise errors.invalid_field("page_size", "cannot be negative.")
    return min(page_size or limit, limit)


def _foreign() -> errors.InvalidArgument:
    return errors.field_error(
        "page_token", "Invalid page_token: it is malformed, or was issued for another request."
    )


def _digest(scope: str, content: bytes) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + content).digest()[:_DIGEST]

"""Page tokens: opaque to clients, bound to the list they continue, valid for two hours.

A token holds its expiry, the position after which the next page starts, and a digest of both and
of the list. The digest detects tokens that were altered or used with another list. It is not a
signature and need not be: a forged token reads nothing that the list does not show.
"""

import base64
import hashlib
import hmac
import re

from drayman.core import errors
from drayman.core.clock import HOUR, SECOND, Micros

LIFETIME: Micros = 2 * HOUR
_DIGEST_SIZE = 12
_NUMBER = re.compile(r"[0-9]{1,19}")
_LARGEST = (1 << 63) - 1


def token(scope: str, cursor: str, now: Micros) -> str:
    """Return the token for the page of the list ``scope`` that starts after ``cursor``."""
    content = f"{(now + LIFETIME) // SECOND}:{cursor}".encode()
    return base64.urlsafe_b64encode(_digest(scope, content) + content).decode()


def cursor(scope: str, page_token: str, now: Micros) -> str:
    """Return the position that a token holds; "" without a token, for the first page.

    The message for an invalid token is that of the real service (recorded: ListQueues, ListTasks).

    Raises:
        InvalidArgument: The token is malformed, belongs to another list, or has expired.
    """
    if not page_token:
        return ""
    try:
        raw = base64.b64decode(page_token.encode(), altchars=b"-_", validate=True)
        digest, content = raw[:_DIGEST_SIZE], raw[_DIGEST_SIZE:]
        expiry, separator, position = content.decode().partition(":")
        valid = bool(separator) and hmac.compare_digest(digest, _digest(scope, content))
        expired = int(expiry) * SECOND < now
    except ValueError:  # of which wrong base64, wrong UTF-8 and wrong numbers are kinds
        valid = expired = False
    if not valid:
        raise _undecodable()
    if expired:
        raise errors.InvalidArgument("Invalid page_token: it has expired.")
    return position


def number(scope: str, page_token: str, now: Micros) -> int:
    """Return the position that a token holds as a number; 0 for the first page."""
    position = cursor(scope, page_token, now) or "0"
    if not _NUMBER.fullmatch(position) or int(position) > _LARGEST:
        raise _undecodable()
    return int(position)


def size(field: str, page_size: int, limit: int) -> int:
    """Return the most items of a page; 0 means the limit. InvalidArgument if negative.

    ``field`` is the name of the page size in the error, ``ListTasksRequest.pageSize``.
    """
    if page_size < 0:
        raise errors.invalid_field(field, "cannot be negative.")
    return min(page_size or limit, limit)


def _undecodable() -> errors.InvalidArgument:
    return errors.InvalidArgument("Invalid page_token")


def _digest(scope: str, content: bytes) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + content).digest()[:_DIGEST_SIZE]

"""The failures of an attempt: which kind each error is, and the text that the record keeps."""

import dataclasses
import errno
import socket
import ssl
import traceback
from collections.abc import Sequence

from drayman.core.delivery import Failure, NoResponse

INVALID_URL = "the URL cannot be used: {}"
INVALID_REQUEST = "the request failed: {}"
UNRESOLVED = "the target's host name cannot be resolved: {}"
FORBIDDEN = "the target's address is not allowed: {}"
UNREACHABLE = "no connection to the target: {}"
CERTIFICATE = "the target's certificate is not accepted: {}"
TLS = "no TLS connection to the target: {}"
CLOSED = "the target closed the connection without an answer"
BROKEN = "the connection to the target broke: {}"
INCOMPLETE = "the target's answer broke off"
NOT_HTTP = "the target's answer is not HTTP: {}"
ENDLESS_INTERIM = "the target sends interim answers (1xx) without end"
ENDLESS = "the target's answer goes on without end and without content"
OUT_OF_RESOURCES = "this server has no files, memory, ports or threads left: {}"

_KINDS = {
    INVALID_URL: Failure.REQUEST,
    INVALID_REQUEST: Failure.REQUEST,
    FORBIDDEN: Failure.FORBIDDEN,
}
"""The failures that are not of the connection."""
MAX_TEXT_SIZE = 500
"""The most characters of a failure's text."""

_RESOURCE_ERRORS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL}
)


@dataclasses.dataclass(frozen=True, slots=True)
class ResourceFailure(NoResponse):
    """A failure because this server lacks resources; it says nothing about the target.

    A class of its own, so that dispatch can release the claim instead of counting the attempt.
    Until it does, the failure counts as one of the connection.
    """


def failure(text: str, why: str = "") -> NoResponse:
    """Return a failure; ``text`` is one of this module's."""
    return NoResponse(_KINDS.get(text, Failure.CONNECTION), text.format(why)[:MAX_TEXT_SIZE])


def worst(several: Sequence[NoResponse]) -> NoResponse:
    """Return the failure that stands for those of all addresses.

    That is this server's own if there is one: an address that it could not try may be a good one.
    """
    own = (each for each in several if isinstance(each, ResourceFailure))
    return next(own, several[0])


def resolving(error: OSError) -> NoResponse:
    """Return the failure of a lookup."""
    lacking = isinstance(error, socket.gaierror) and error.errno == socket.EAI_MEMORY
    return _resource_failure(error) if lacking else _failed(UNRESOLVED, error)


def connecting(error: OSError | ValueError) -> NoResponse:
    """Return the failure of a connect or of a TLS handshake."""
    return _tls_failure(error) or _failed(UNREACHABLE, error)


def exchanging(error: Exception) -> NoResponse:
    """Return the failure of a connection that was lost before the head of a response.

    It is never a lack of resources: the target may have received the request.
    """
    return _tls_failure(error) or failure(BROKEN, reason(error))


def reason(error: Exception) -> str:
    """Return what an error says, without its number."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def clear_frames(error: BaseException | None) -> None:
    """Clear the frames that an error and its causes have passed.

    The frames of a failed TLS handshake in asyncio hold the error that holds them.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _failed(text: str, error: Exception) -> NoResponse:
    if isinstance(error, OSError) and _is_resource_error(error):
        return _resource_failure(error)
    return failure(text, reason(error))


def _is_resource_error(error: OSError) -> bool:
    # The numbers of gaierror and SSLError are not those of the system.
    own_numbers = isinstance(error, socket.gaierror | ssl.SSLError)
    return not own_numbers and error.errno in _RESOURCE_ERRORS


def _resource_failure(error: OSError) -> ResourceFailure:
    text = OUT_OF_RESOURCES.format(reason(error))
    return ResourceFailure(Failure.CONNECTION, text[:MAX_TEXT_SIZE])


def _tls_failure(error: Exception) -> NoResponse | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return failure(CERTIFICATE, reason(error))
    if isinstance(error, ssl.SSLError):
        return failure(TLS, reason(error))
    return None

"""The failures of an attempt: which kind each error is, and the text that the record keeps."""

import errno
import socket
import ssl
import traceback
from collections.abc import Sequence

from drayman.core.delivery import Failure, NoResponse

INVALID_URL = "the URL cannot be used: {}"
INVALID_REQUEST = "the request failed: {}"
UNRESOLVED = "the target's host name cannot be resolved: {}"
FORBIDDEN = "the target is not allowed: {}"
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
_OTHERWISE = "or lower --max-in-flight"
_NEXT_STEPS = {
    errno.EMFILE: f"raise its limit of open files (ulimit -n), {_OTHERWISE}",
    errno.ENFILE: f"raise the system's limit of open files (fs.file-max), {_OTHERWISE}",
    errno.EADDRNOTAVAIL: f"widen the range of ports (net.ipv4.ip_local_port_range), {_OTHERWISE}",
    errno.ENOMEM: f"give it more memory, {_OTHERWISE}",
    errno.ENOBUFS: f"give the system more memory for sockets, {_OTHERWISE}",
}
"""What to do about a lack of resources, by the system's number of the error."""
_MORE_THREADS = f"raise its limit of threads (ulimit -u) or give it more memory, {_OTHERWISE}"

_KINDS = {
    INVALID_URL: Failure.REQUEST,
    INVALID_REQUEST: Failure.REQUEST,
    FORBIDDEN: Failure.FORBIDDEN,
}
"""The failures that are not of the connection."""
MAX_TEXT_SIZE = 500
"""The most characters of a failure's text."""


def failure(text: str, why: str = "") -> NoResponse:
    """Return a failure; ``text`` is one of this module's."""
    return NoResponse(_KINDS.get(text, Failure.CONNECTION), text.format(why)[:MAX_TEXT_SIZE])


def worst(several: Sequence[NoResponse]) -> NoResponse:
    """Return the failure that stands for those of all addresses.

    That is this server's own if there is one: an address that it could not try may be a good one.
    """
    own = (each for each in several if each.failure is Failure.RESOURCES)
    return next(own, several[0])


def resolving(error: OSError) -> NoResponse:
    """Return the failure of a lookup."""
    lacking = isinstance(error, socket.gaierror) and error.errno == socket.EAI_MEMORY
    return out_of_resources(error, _MORE_THREADS) if lacking else _failed(UNRESOLVED, error)


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
    if isinstance(error, OSError) and is_resource_error(error):
        return out_of_resources(error, _NEXT_STEPS[error.errno or 0])
    return failure(text, reason(error))


def is_resource_error(error: OSError) -> bool:
    """Return whether an error of the system is a lack of resources."""
    # The numbers of gaierror and SSLError are not those of the system.
    own_numbers = isinstance(error, socket.gaierror | ssl.SSLError)
    return not own_numbers and error.errno in _NEXT_STEPS


def out_of_resources(error: Exception, next_step: str = _NEXT_STEPS[errno.ENOMEM]) -> NoResponse:
    """Return the failure of an attempt that this server lacks resources for."""
    text = f"{OUT_OF_RESOURCES.format(reason(error)[:MAX_TEXT_SIZE])}; {next_step}"
    return NoResponse(Failure.RESOURCES, text)


def _tls_failure(error: Exception) -> NoResponse | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return failure(CERTIFICATE, reason(error))
    if isinstance(error, ssl.SSLError):
        return failure(TLS, reason(error))
    return None

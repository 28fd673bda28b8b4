"""Why a call failed, as the one line and the exit status of a command."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any, cast

from drayman.commands import terminal

_NO_CONNECTION = re.compile(
    r"failed to connect to all addresses|errors resolving|DNS resolution failed|Socket closed"
)
"""How the details of UNAVAILABLE begin if gRPC itself, and not a server, gave it."""
_REASON = re.compile(
    r".*(?:Failed to connect to remote host: |address lookup failed for \S+ )(.*?)]?"
)
_NEXT_STEPS = {
    "UNAUTHENTICATED": "give --api-key or --token, or set DRAYMAN_API_KEY or DRAYMAN_TOKEN",
}


TIMEOUT = 20.0
"""Seconds until a call fails."""


class CallError(Exception):
    """A server has refused a call.

    Attributes:
        code: The status, ``NOT_FOUND``.
        message: The server's message.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class UnreachableError(Exception):
    """There is no connection to the server; the argument says why."""


class NoAnswerError(Exception):
    """The server has not answered in time: another call would wait as long."""


@contextlib.contextmanager
def explained(address: str) -> Iterator[None]:
    """Write the error of a call to the server at an address, and exit."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except (
        GoogleAPICallError, GoogleAuthError, CallError, UnreachableError, NoAnswerError,
    ) as error:  # fmt: skip
        is_unreachable = isinstance(_translate(error), UnreachableError | NoAnswerError)
        status = terminal.UNREACHABLE if is_unreachable else terminal.ERROR
        terminal.fail([describe(address, error)], status)


def describe(address: str, error: Exception) -> str:
    """Return the error of a call to the server at an address: what, where, and what to do."""
    match _translate(error):
        case UnreachableError(args=(reason,)):
            return f"cannot reach {address}: {reason}; {_next_step(reason)}"
        case NoAnswerError():
            return (
                f"no answer from {address} within {TIMEOUT:.0f} seconds; see what listens there, "
                "or name another server with --server (DRAYMAN_SERVER)"
            )
        case CallError(code=code, message=message):
            step = f"; {_NEXT_STEPS[code]}" if code in _NEXT_STEPS else ""
            return f"{code}: {message} (server {address}){step}"
        case other:
            return f"{_line(str(other))} (server {address})"


def _translate(error: Any) -> Exception:
    """Return the error of a call over gRPC as one of this module; others as they are."""
    from google.api_core.exceptions import GoogleAPICallError

    if not isinstance(error, GoogleAPICallError):
        return cast("Exception", error)
    code = error.grpc_status_code.name if error.grpc_status_code else type(error).__name__
    message = _line(error.message)
    if code == "DEADLINE_EXCEEDED":
        return NoAnswerError()
    if code == "UNAVAILABLE" and _NO_CONNECTION.match(message):
        return UnreachableError(_reason(message))
    return CallError(code, message)


def _reason(message: str) -> str:
    match = _REASON.fullmatch(message)
    return match[1] if match else message.rpartition("last error: ")[2]


def _next_step(reason: str) -> str:
    if "WRONG_VERSION_NUMBER" in reason:
        return "it speaks plain text: name it as http://HOST:PORT"
    if "closed" in reason:
        return "if it speaks TLS, name it as https://HOST:PORT"
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return "name the authority of its certificate with --ca"
    return "start a server there with drayman serve, or name another with --server (DRAYMAN_SERVER)"


def _line(text: str) -> str:
    return terminal.printable(" ".join(text.split()))

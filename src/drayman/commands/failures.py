"""Why a call failed, as the one line and the exit status of a command."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

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
    "DEADLINE_EXCEEDED": "the server did not answer in time; see its log",
}


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


@contextlib.contextmanager
def explained(address: str) -> Iterator[None]:
    """Write the error of a call to the server at an address, and exit."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except (GoogleAPICallError, CallError, UnreachableError) as error:
        _fail(address, _translate(error))
    except GoogleAuthError as error:
        terminal.fail([f"{_line(str(error))} (server {address})"], terminal.ERROR)


def _translate(error: Any) -> CallError | UnreachableError:
    if isinstance(error, CallError | UnreachableError):
        return error
    code = error.grpc_status_code.name if error.grpc_status_code else type(error).__name__
    message = _line(error.message)
    if code == "UNAVAILABLE" and _NO_CONNECTION.match(message):
        return UnreachableError(_reason(message))
    return CallError(code, message)


def _fail(address: str, error: CallError | UnreachableError) -> None:
    if isinstance(error, UnreachableError):
        reason = str(error)
        terminal.fail(
            [f"cannot reach {address}: {reason}; {_next_step(reason)}"], terminal.UNREACHABLE
        )
    step = _NEXT_STEPS.get(error.code)
    text = f"{error.code}: {error.message} (server {address})"
    terminal.fail([f"{text}; {step}" if step else text], terminal.ERROR)


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
    return " ".join(text.split())

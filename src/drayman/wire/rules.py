"""Rules that fields of several messages share: of enums, lengths, headers and tokens.

A rule of a single message stands in the file of that message. Each rule takes a field's name, as
error messages spell it, and the field's value, and raises InvalidArgument when the value breaks it.
"""

import re
from collections.abc import Collection, Container, Iterable
from typing import Any, NamedTuple

from drayman.core import errors, limits
from drayman.tasks_v2 import types

_Method: Any = types.HttpMethod
METHODS = {int(method): method.name for method in _Method}
"""The names of HTTP methods by their numbers."""
_POST = int(_Method.POST)
_EMAIL = re.compile(r"[^@]+@[^@]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, token
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")  # RFC 9110, field-value


def check_enum(field: str, value: int, known: Container[int]) -> None:
    """Check that the number of an enum has a name (ours)."""
    if value not in known:
        raise errors.invalid_field(field, f"has the unknown value {value}.")


def check_length(field: str, text: str, limit: int) -> None:
    """Check that a text has at most ``limit`` characters (API text; ours where it has none)."""
    if len(text) > limit:
        raise errors.invalid_field(field, f"must be at most {limit} characters long.")


def check_required(field: str, text: str) -> None:
    """Check that a text is not empty (API text)."""
    if not text:
        raise errors.invalid_field(field, "is required.")


def complete_method(name: str, message: Any, with_body: Collection[str]) -> None:
    """Check method and body of a task's request; no method means POST (recorded).

    Only the methods ``with_body`` may have one.
    """
    check_enum(f"{name}.httpMethod", message.http_method, METHODS)
    message.http_method = message.http_method or _POST
    if not message.body:
        return
    if METHODS[message.http_method] not in with_body:
        raise errors.InvalidArgument(
            f"Body can only be set if the http_method is {_alternatives(with_body)}."
        )


def _alternatives(items: Collection[str]) -> str:
    """Return two or more items as text: "A or B", "A, B, or C"."""
    *others, last = items
    return f"{', '.join(others)}{',' * (len(others) > 1)} or {last}"


def check_headers(field: str, headers: Iterable[tuple[str, str]]) -> None:
    """Check names, values and the total size of headers (RFC 9110; API text)."""
    size = 0
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name):
            raise errors.invalid_field(field, f"has the invalid name {name[:100]!r}.")
        if not _HEADER_VALUE.fullmatch(value):
            raise errors.invalid_field(
                f'{field}["{name[:100]}"]', "contains a line break or another control character."
            )
        size += len(name.encode()) + len(value.encode())
    check_headers_size(field, size)


def check_headers_size(field: str, size: int) -> None:
    """Check the total size of the names and values of headers (API text)."""
    if size >= limits.HEADERS_SIZE:
        raise errors.invalid_field(
            field, f"must be less than {limits.HEADERS_SIZE // 1024} KB in total."
        )


def check_email(email: str) -> None:
    """Check the address of a token's service account (recorded: tokens)."""
    if not email:
        raise errors.InvalidArgument("service_account_email must be set.")
    if not _EMAIL.fullmatch(email):
        raise errors.invalid_argument()


class TokenField(NamedTuple):
    """A field of an OIDC or OAuth token.

    Attributes:
        name: Its full name in error messages.
        value: What the message has there.
        limit: The most characters of it (ours).
    """

    name: str
    value: str
    limit: int


def token_fields(name: str, message: Any) -> list[TokenField]:
    """Return the fields of a message's token, the email first; none without a token."""
    match message.WhichOneof("authorization_header"):
        case "oidc_token":
            token, path = message.oidc_token, f"{name}.oidcToken"
            scope = TokenField(f"{path}.audience", token.audience, limits.URL_LENGTH)
        case "oauth_token":
            token, path = message.oauth_token, f"{name}.oauthToken"
            scope = TokenField(f"{path}.scope", token.scope, limits.URL_LENGTH)
        case _:
            return []
    email = token.service_account_email
    return [TokenField(f"{path}.serviceAccountEmail", email, limits.EMAIL_LENGTH), scope]

"""The errors for callers who are not known, in the real service's words.

Recorded from Google's APIs: a request without credentials, with a token that is not a token, with a
JWT that does not hold (which has no details), with an unknown API key, and with an API key where
only tokens are accepted.
"""

from drayman.core.errors import (
    SERVICE,
    ErrorInfo,
    InvalidArgument,
    LocalizedMessage,
    ServiceError,
    Unauthenticated,
)

_DOMAIN = "googleapis.com"
_EXPECTED = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_API_KEY_INVALID = "API key not valid. Please pass a valid API key."


def credentials_missing(method: str) -> Unauthenticated:
    """Return the error for a call (by its full name) without credentials."""
    return Unauthenticated(
        f"Request is missing required authentication credential. {_EXPECTED}",
        _info("CREDENTIALS_MISSING", method),
    )


def token_unsupported(method: str) -> Unauthenticated:
    """Return the error for a call whose bearer token is of a kind that is not accepted."""
    error = token_invalid("not a JSON Web Token, or tokens are not accepted")
    error.details = (_info("ACCESS_TOKEN_TYPE_UNSUPPORTED", method),)
    return error


def token_invalid(reason: str) -> Unauthenticated:
    """Return the error for a bearer token that does not hold; the reason is for the log."""
    error = Unauthenticated(f"Request had invalid authentication credentials. {_EXPECTED}")
    error.reason = reason
    return error


def api_keys_unsupported(method: str) -> Unauthenticated:
    """Return the error for a call with an API key where only tokens are accepted."""
    return Unauthenticated(
        "API keys are not supported by this API. Expected OAuth2 access token or other "
        "authentication credentials that assert a principal. See "
        "https://cloud.google.com/docs/authentication",
        _info("CREDENTIALS_MISSING", method),
    )


def api_key_invalid() -> ServiceError:
    """Return the error for an API key that is unknown or revoked: not UNAUTHENTICATED."""
    return InvalidArgument(
        _API_KEY_INVALID,
        ErrorInfo("API_KEY_INVALID", _DOMAIN, {"service": SERVICE}),
        LocalizedMessage("en-US", _API_KEY_INVALID),
    )


def _info(reason: str, method: str) -> ErrorInfo:
    return ErrorInfo(reason, _DOMAIN, {"service": SERVICE, "method": method})

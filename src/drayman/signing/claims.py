"""The claims of the JWTs that this server signs, in the form of Google's."""

import hashlib
from typing import Any

from drayman.core.clock import HOUR, SECOND, Micros
from drayman.core.delivery import OAuthToken, OidcToken, Token

TOKEN_LIFETIME: Micros = HOUR
"""How long a bearer token is valid, as Google's are."""
_SUBJECT_DIGITS = 21


def audience_for(spec: Token, url: str) -> str:
    """Return the "aud" of the bearer token for a request to a URL.

    An ID token is for its configured audience, or the URL; an access token for the URL's origin.
    """
    if isinstance(spec, OAuthToken):
        return "/".join(url.split("/", 3)[:3])
    return spec.audience or url


def id_token(spec: OidcToken, audience: str, issuer: str, now: Micros) -> dict[str, Any]:
    """Return the claims of an ID token (OpenID Connect Core 1.0, section 2)."""
    return _common(spec, audience, issuer, now) | {"email": spec.email, "email_verified": True}


def access_token(spec: OAuthToken, audience: str, issuer: str, now: Micros) -> dict[str, Any]:
    """Return the claims of an access token (RFC 9068)."""
    return _common(spec, audience, issuer, now) | {"client_id": spec.email, "scope": spec.scope}


def _common(spec: Token, audience: str, issuer: str, now: Micros) -> dict[str, Any]:
    subject = _subject(spec.email)
    return {
        "iss": issuer,
        "sub": subject,
        "azp": subject,
        "iat": now // SECOND,
        "exp": (now + TOKEN_LIFETIME) // SECOND,
        "aud": audience,
    }


def _subject(email: str) -> str:
    # A Google account is a number of 21 digits. Ours is derived from the address, so it is stable.
    digest = int.from_bytes(hashlib.sha256(email.encode()).digest())
    return f"1{digest % 10 ** (_SUBJECT_DIGITS - 1):0{_SUBJECT_DIGITS - 1}d}"

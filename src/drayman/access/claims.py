"""The claims of bearer tokens that callers send: which hold, and whom they name (RFC 7519)."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from drayman.access import members
from drayman.core.clock import SECOND, Micros

LEEWAY: Micros = 60 * SECOND
"""How far the clocks of issuers may be off."""


class ClaimError(Exception):
    """A token does not hold; the message says why, for the log."""


@dataclasses.dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer of tokens that are accepted.

    Attributes:
        name: Its "iss", letter by letter.
        audiences: The values of "aud" that stand for this server.
        jwks_uri: The URL of its public keys; empty to find it by OpenID Connect Discovery.
        domains: The domains whose email addresses it may vouch for; empty for all.
        is_own: Whether it is this server: its tokens name service accounts.
    """

    name: str
    audiences: frozenset[str]
    jwks_uri: str = ""
    domains: frozenset[str] = frozenset()
    is_own: bool = False


def check(claims: Mapping[str, Any], issuer: Issuer, now: Micros) -> Micros:
    """Check issuer, audience and times of a token; return when it expires. ClaimError."""
    if claims.get("iss") != issuer.name:
        raise ClaimError(f"its issuer is not {issuer.name}")
    if issuer.audiences.isdisjoint(_audiences(claims.get("aud"))):
        raise ClaimError(f"its audience is not one of {', '.join(sorted(issuer.audiences))}")
    expire_time = _time(claims, "exp")
    if expire_time is None:
        raise ClaimError("it does not expire")
    if now >= expire_time + LEEWAY:
        raise ClaimError("it has expired")
    for name in ("nbf", "iat"):
        begin_time = _time(claims, name)
        if begin_time is not None and now < begin_time - LEEWAY:
            raise ClaimError(f"it is not valid yet ({name})")
    return expire_time


def identify(claims: Mapping[str, Any], issuer: Issuer) -> frozenset[str]:
    """Return the members that a checked token names. ClaimError if it names nobody."""
    email, subject = claims.get("email"), claims.get("sub")
    if issuer.is_own:  # an access token has the address as its client
        account = email or claims.get("client_id")
        named = {members.service_account(account)} if isinstance(account, str) else set()
    else:
        named = set(_of_email(email, claims, issuer))
        if isinstance(subject, str) and subject:
            named.add(members.principal(issuer.name, subject))
    if not named:
        raise ClaimError("it names nobody")
    return frozenset(named)


def _of_email(email: Any, claims: Mapping[str, Any], issuer: Issuer) -> frozenset[str]:
    if not isinstance(email, str) or email.count("@") != 1:
        return frozenset()
    if claims.get("email_verified") is not True:
        return frozenset()
    if issuer.domains and email.rpartition("@")[2] not in issuer.domains:
        return frozenset()
    return members.of_email(email)


def _audiences(value: Any) -> set[str]:
    values = value if isinstance(value, list) else [value]
    return {each for each in values if isinstance(each, str)}


def _time(claims: Mapping[str, Any], name: str) -> Micros | None:
    """Return the time in a claim, None if there is none. ClaimError."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ClaimError(f"its {name} is not a time")
    return round(value * SECOND)

"""Bearer tokens that this server signs: JWTs (RFC 7519) by RS256."""

from typing import Any

import jwt

from drayman.core.clock import Clock, Micros
from drayman.core.delivery import OidcToken, Token
from drayman.signing import claims, keys
from drayman.signing.bearer import BearerToken
from drayman.signing.keyring import KeyRing
from drayman.signing.keys import SigningKey

ALGORITHM = "RS256"


class TokenSigner:
    """Issues bearer tokens signed with the current key of a key ring.

    ``issuer`` is the URL under which verifiers reach this server, "iss" in the tokens.
    """

    def __init__(self, keyring: KeyRing, clock: Clock, issuer: str) -> None:
        self._keyring = keyring
        self._clock = clock
        self._issuer = issuer

    async def issue(self, spec: Token, audience: str) -> BearerToken:
        """Return a new bearer token."""
        key, now = await self._keyring.signing_key(), self._clock.now()
        value = sign(spec, audience, self._issuer, key, now)
        return BearerToken(value, now + claims.TOKEN_LIFETIME)


def sign(spec: Token, audience: str, issuer: str, key: SigningKey, now: Micros) -> str:
    """Return a signed ID token or access token, as ``spec`` asks."""
    if isinstance(spec, OidcToken):
        return _encode(claims.id_token(spec, audience, issuer, now), "JWT", key)
    return _encode(claims.access_token(spec, audience, issuer, now), "at+jwt", key)


def _encode(payload: dict[str, Any], type_: str, key: SigningKey) -> str:
    header = {"kid": key.id, "typ": type_}
    return jwt.encode(payload, keys.private_key(key), algorithm=ALGORITHM, headers=header)

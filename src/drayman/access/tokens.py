"""Bearer tokens of callers: JSON Web Tokens of issuers that the configuration names.

A verified token is remembered for a minute, because checking a signature takes longer than the
rest of a call.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jwt

from drayman.access import claims, jwks, refusals
from drayman.access.caller import Caller
from drayman.access.claims import ClaimError, Issuer
from drayman.access.jwks import KeySet
from drayman.core.clock import MINUTE, Clock, Micros

MAX_SIZE = 16 << 10
"""The most bytes of a token."""
CACHE_TIME: Micros = MINUTE
"""How long a verified token is remembered, at most until it expires."""
CACHE_SIZE = 10_000
"""The most tokens that are remembered; the one verified first is dropped first."""
_BEARER = b"bearer "
_SEPARATORS = 2
_UNVERIFIED: Any = {"verify_signature": False}
_SIGNATURE_ALONE: Any = {
    f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
}
"""PyJWT checks signatures; the claims are checked by ``claims``, with the time as an argument."""
_ERRORS = (jwt.PyJWTError, ValueError, TypeError, RecursionError)


class TrustedIssuer(NamedTuple):
    """An issuer and its keys."""

    issuer: Issuer
    keys: KeySet


class TokenVerifier:
    """Finds the callers of bearer tokens.

    Args:
        trusted: The issuers, by name.
        clock: The source of the time.
        caller: Returns the caller that members stand for.

    Attributes:
        trusted: The issuers, by name.
    """

    def __init__(
        self,
        trusted: Mapping[str, TrustedIssuer],
        clock: Clock,
        caller: Callable[[frozenset[str]], Caller],
    ) -> None:
        self.trusted = trusted
        self._clock = clock
        self._caller = caller
        self._cache: dict[bytes, tuple[Caller, Micros, Micros]] = {}

    async def verify(self, authorization: bytes, method: str) -> Caller:
        """Return the caller of a call with this ``Authorization`` header. Unauthenticated.

        Unavailable if the keys of the issuer are not known and cannot be fetched.
        """
        token = authorization[len(_BEARER) :].strip()
        is_token = authorization[: len(_BEARER)].lower() == _BEARER
        if not is_token or token.count(b".") != _SEPARATORS or len(token) > MAX_SIZE:
            raise refusals.token_unsupported(method)
        digest, now = hashlib.sha256(token).digest(), self._clock.now()
        caller, since, until = self._cache.get(digest, (None, 0, 0))
        if caller is not None and since <= now < until:
            return caller
        try:
            caller, expire_time = await self._verify(token)
        except ClaimError as error:
            raise refusals.token_invalid(str(error)) from None
        self._save(digest, caller, now, min(now + CACHE_TIME, expire_time))
        return caller

    def take_keys(self, before: "TokenVerifier") -> None:
        """Take over the keys of issuers that another verifier has; close its others."""
        old = before.trusted
        same = {name for name, each in self.trusted.items()
                if name in old and old[name].issuer == each.issuer}  # fmt: skip
        self.trusted = {**self.trusted, **{name: old[name] for name in same}}
        for name in old.keys() - same:
            old[name].keys.close()

    def refresh(self) -> None:
        """Begin to fetch the keys of all issuers."""
        for each in self.trusted.values():
            each.keys.refresh()

    def close(self) -> None:
        """Stop fetching keys."""
        for each in self.trusted.values():
            each.keys.close()

    async def _verify(self, token: bytes) -> tuple[Caller, Micros]:
        """Return the caller of a token and when the token expires. ClaimError; Unavailable."""
        kid, name = _read(token)
        if name not in self.trusted:
            raise ClaimError("its issuer is not known")
        issuer, keys = self.trusted[name]
        key = await keys.find(kid)
        if key is None:
            raise ClaimError("its issuer has no key of this id")
        content = _decode(token, key)
        expire_time = claims.check(content, issuer, self._clock.now())
        return self._caller(claims.identify(content, issuer)), expire_time

    def _save(self, digest: bytes, caller: Caller, now: Micros, until: Micros) -> None:
        self._cache.pop(digest, None)
        self._cache[digest] = caller, now, until
        if len(self._cache) > CACHE_SIZE:
            del self._cache[next(iter(self._cache))]


def _read(token: bytes) -> tuple[str, str]:
    """Return the key id and the issuer that an unverified token names. ClaimError."""
    try:
        header = jwt.get_unverified_header(token)
        issuer = jwt.decode(token, options=_UNVERIFIED).get("iss")
    except _ERRORS:
        raise ClaimError("it is malformed") from None
    kid, algorithm = header.get("kid"), header.get("alg")
    is_accepted = isinstance(algorithm, str) and algorithm in jwks.ALGORITHMS
    if not is_accepted or "crit" in header:
        raise ClaimError("its algorithm is not accepted")
    if not isinstance(kid, str) or not isinstance(issuer, str):
        raise ClaimError("it names no key or no issuer")
    return kid, issuer


def _decode(token: bytes, key: jwt.PyJWK) -> dict[str, Any]:
    """Return the claims of a token that a key has signed. ClaimError."""
    try:
        return jwt.decode(token, key, algorithms=[key.algorithm_name], options=_SIGNATURE_ALONE)
    except _ERRORS:
        raise ClaimError("its signature is wrong") from None

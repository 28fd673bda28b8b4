"""Tokens for requests: signed here, or fetched from Google; made once, used until they age.

Attempts that need the same token at the same time wait for one making of it.
"""

import asyncio
import collections
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from drayman.core import keys
from drayman.core.clock import Clock, Micros
from drayman.core.delivery import OAuthToken, OidcToken, Token
from drayman.core.keys import SigningKey
from drayman.store.contract import Store
from drayman.wire import tokens

CACHED = 10_000
"""The most tokens that are kept; those that were not used for longest go first."""


class TokenError(Exception):
    """A token that could not be had; the message says why."""


class Made(NamedTuple):
    """A token and its end."""

    value: str
    expiry: Micros


Make = Callable[[Token, str], Awaitable[Made]]


class Tokens(Protocol):
    """What dispatch needs of tokens."""

    async def bearer(self, token: Token, url: str) -> str:
        """Return the token for a request to a URL; TokenError."""


class CachedTokens:
    """Tokens that are used again until shortly before they expire."""

    def __init__(self, make: Make, clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._made: collections.OrderedDict[tuple[Token, str], asyncio.Task[Made]] = (
            collections.OrderedDict()
        )

    async def bearer(self, token: Token, url: str) -> str:
        """Return the token for a request to a URL; TokenError."""
        key = (token, _destination(token, url))
        making = self._made.get(key)
        if making is None or self._is_stale(making):
            making = asyncio.get_running_loop().create_task(self._make_one(*key))
            making.add_done_callback(_look)  # all who waited may have given up
            self._made[key] = making
            if len(self._made) > CACHED:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        # Who gives up waiting does not take the token from the others.
        return (await asyncio.shield(making)).value

    async def _make_one(self, token: Token, destination: str) -> Made:
        try:
            return await self._make(token, destination)
        except Exception as error:
            raise TokenError(f"no token for {token.email}: {error}"[:500]) from error

    def _is_stale(self, making: asyncio.Task[Made]) -> bool:
        if not making.done():
            return False
        if making.cancelled() or making.exception():
            return True
        return making.result().expiry - keys.TOKEN_MARGIN <= self._clock.now()


class Signer:
    """Makes tokens that this server signs, with keys that are kept in the store.

    A key that is given by its owner signs for as long as it is given, and is kept to be published;
    others are generated when they are needed and replaced when they are old.
    """

    def __init__(
        self, store: Store, clock: Clock, issuer: str, given: SigningKey | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._issuer = issuer
        self._given = given
        self._key: SigningKey | None = None
        self._turn = asyncio.Lock()

    async def make(self, token: Token, url: str) -> Made:
        """Sign a token."""
        key, now = await self._current(), self._clock.now()
        if isinstance(token, OidcToken):
            signed = tokens.identity(token, url, self._issuer, key, now)
        else:
            signed = tokens.access(token, url, self._issuer, key, now)
        return Made(signed, now + keys.TOKEN_LIFETIME)

    async def _current(self) -> SigningKey:
        async with self._turn:
            key = self._key
            if key is None or not keys.is_young(key, self._clock.now()):
                key = await (self._own() if self._given is None else self._renew(self._given))
                self._key = key
            return key

    async def _own(self) -> SigningKey:
        now = self._clock.now()
        key = keys.signing(await self._store.signing_keys(), now)
        if key is None:
            key = await asyncio.to_thread(tokens.generate, now)
            await self._store.put_signing_key(key)
        return key

    async def _renew(self, given: SigningKey) -> SigningKey:
        key = SigningKey(given.id, self._clock.now(), given.pem, given=True)
        await self._store.put_signing_key(key)
        return key


def _look(making: asyncio.Task[Made]) -> None:
    if not making.cancelled():
        making.exception()


def _destination(token: Token, url: str) -> str:
    """Return what of a URL a token depends on."""
    if isinstance(token, OAuthToken):
        return tokens.origin(url)
    return "" if token.audience else url

"""Bearer tokens of attempts: cached by account and audience, renewed shortly before they expire.

Concurrent attempts that need the same token share one request for it.
"""

import asyncio
import collections
from typing import NamedTuple, Protocol

from drayman.core.clock import MINUTE, Clock, Micros
from drayman.core.delivery import Token
from drayman.signing import claims

RENEWAL_MARGIN: Micros = 5 * MINUTE
"""A token that expires within this time is not used for another attempt."""
CACHE_SIZE = 10_000
"""Most tokens in the cache; the least recently used is evicted first."""


class BearerTokenError(Exception):
    """A bearer token could not be obtained; the message says why."""


class BearerToken(NamedTuple):
    """A bearer token and when it expires."""

    value: str
    expire_time: Micros


class TokenSource(Protocol):
    """Where bearer tokens come from: this server's key ring, or Google."""

    async def issue(self, spec: Token, audience: str) -> BearerToken:
        """Return a new token of the kind and account that ``spec`` names, for an audience."""


class BearerTokens(Protocol):
    """What dispatch needs of bearer tokens."""

    async def get(self, spec: Token, url: str) -> str:
        """Return the token for a request to a URL. BearerTokenError."""


class CachedBearerTokens:
    """A cache of bearer tokens in front of their source."""

    def __init__(self, source: TokenSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._cache: collections.OrderedDict[tuple[Token, str], asyncio.Task[BearerToken]] = (
            collections.OrderedDict()
        )

    async def get(self, spec: Token, url: str) -> str:
        """Return the token for a request to a URL. BearerTokenError."""
        key = (spec, claims.audience_for(spec, url))
        issuing = self._cache.get(key)
        if issuing is None or self._is_stale(issuing):
            issuing = self._issue(*key)
            self._cache[key] = issuing
            if len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        # A caller that is cancelled does not cancel the token of the others.
        return (await asyncio.shield(issuing)).value

    def clear(self) -> None:
        """Drop all tokens, for a clock that moved back."""
        self._cache.clear()

    def _issue(self, spec: Token, audience: str) -> asyncio.Task[BearerToken]:
        task = asyncio.get_running_loop().create_task(self._issue_or_fail(spec, audience))
        task.add_done_callback(_retrieve_exception)  # all callers may have been cancelled
        return task

    async def _issue_or_fail(self, spec: Token, audience: str) -> BearerToken:
        try:
            return await self._source.issue(spec, audience)
        except Exception as error:
            raise BearerTokenError(f"no token for {spec.email}: {error}"[:500]) from error

    def _is_stale(self, issuing: asyncio.Task[BearerToken]) -> bool:
        if not issuing.done():
            return False
        if issuing.cancelled() or issuing.exception():
            return True
        return issuing.result().expire_time - RENEWAL_MARGIN <= self._clock.now()


def _retrieve_exception(task: asyncio.Task[BearerToken]) -> None:
    if not task.cancelled():
        task.exception()

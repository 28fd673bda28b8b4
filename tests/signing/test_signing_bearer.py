"""The cache of bearer tokens."""

import asyncio

import pytest

from drayman.core.clock import HOUR, MINUTE
from drayman.core.delivery import OAuthToken, OidcToken
from drayman.signing import bearer
from drayman.signing.bearer import BearerToken, BearerTokenError, CachedBearerTokens

EMAIL = "worker@p.iam.gserviceaccount.com"
URL = "https://a.example/1"


class Source:
    """Issues tokens "1", "2", …; ``fault`` is raised instead, ``gate`` holds all back."""

    def __init__(self, clock):
        self.clock = clock
        self.issued = []
        self.fault = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()

    async def issue(self, spec, audience):
        self.waiting.set()
        await self.gate.wait()
        if self.fault:
            raise self.fault
        self.issued.append((spec, audience))
        return BearerToken(str(len(self.issued)), self.clock.now() + HOUR)


@pytest.fixture
def source(clock):
    return Source(clock)


@pytest.fixture
def cached(source, clock):
    return CachedBearerTokens(source, clock)


async def test_a_token_is_used_until_shortly_before_it_expires(cached, clock):
    spec = OidcToken(EMAIL, "aud")
    assert await cached.get(spec, URL) == "1"
    assert await cached.get(spec, "https://b.example/") == "1"
    clock.advance(HOUR - 5 * MINUTE - 1)
    assert await cached.get(spec, URL) == "1"
    clock.advance(1)
    assert await cached.get(spec, URL) == "2"


async def test_tokens_differ_by_what_they_depend_on(cached, source):
    requests = [
        (OidcToken(EMAIL), "https://a.example/1"), (OidcToken(EMAIL), "https://a.example/2"),
        (OAuthToken(EMAIL), "https://a.example/1"), (OAuthToken(EMAIL), "https://a.example/2"),
        (OAuthToken(EMAIL, "other"), "https://a.example/2"), (OAuthToken(EMAIL), "https://b/"),
    ]  # fmt: skip
    tokens = [await cached.get(*request) for request in requests]
    assert tokens == ["1", "2", "3", "3", "4", "5"]
    assert [audience for _, audience in source.issued] == [
        "https://a.example/1", "https://a.example/2", "https://a.example", "https://a.example",
        "https://b",
    ]  # fmt: skip


async def test_concurrent_callers_share_one_request_and_survive_a_cancelled_one(cached, source):
    source.gate.clear()
    callers = [asyncio.create_task(cached.get(OidcToken(EMAIL), URL)) for _ in range(10)]
    await source.waiting.wait()
    callers[0].cancel()
    await asyncio.gather(callers[0], return_exceptions=True)
    source.gate.set()
    assert await asyncio.gather(*callers[1:]) == ["1"] * 9
    assert len(source.issued) == 1


async def test_a_failure_says_whose_token_it_was_and_is_not_cached(cached, source):
    source.fault = OSError("away")
    with pytest.raises(BearerTokenError, match=f"no token for {EMAIL}: away"):
        await cached.get(OidcToken(EMAIL), URL)
    source.fault = None
    assert await cached.get(OidcToken(EMAIL), URL) == "1"


async def test_the_least_recently_used_token_is_evicted(cached, source, monkeypatch):
    monkeypatch.setattr(bearer, "CACHE_SIZE", 2)
    first, second, third = (OidcToken(EMAIL, audience) for audience in "abc")
    for spec in (first, second, first, third, first, second):
        await cached.get(spec, URL)
    assert [audience for _, audience in source.issued] == ["a", "b", "c", "b"]


async def test_a_cache_that_is_cleared_gets_new_tokens(cached):
    spec = OidcToken(EMAIL, "aud")
    assert await cached.get(spec, URL) == "1"
    cached.clear()
    assert await cached.get(spec, URL) == "2"

"""Bearer tokens on requests: what an attempt carries, and what becomes of it without one."""

import asyncio

import pytest
from dispatch_world import HANG, ISSUER

from drayman.core.clock import HOUR, MINUTE
from drayman.signing import keys, storage, wellknown
from drayman.signing.bearer import BearerToken, CachedBearerTokens
from drayman.tasks_v2 import types
from verifier import decode, verify

EMAIL = "worker@p.iam.gserviceaccount.com"
OIDC = {"service_account_email": EMAIL}


@pytest.fixture(scope="module")
def pem():
    return keys.generate(0).pem


@pytest.fixture
async def known(world, pem):
    """A store that has a key, so that no test waits for one to be generated."""
    await storage.save_key(world.store, keys.load(pem, world.now))
    return world


def bearer(request):
    scheme, _, token = request.headers["Authorization"].partition(" ")
    assert scheme == "Bearer"
    return token


async def verified(world, request, audience):
    certificates = await wellknown.load(world.store, ISSUER, wellknown.CERTIFICATES, world.now)
    return verify(bearer(request), certificates, audience, world.now)


async def test_google_auth_accepts_an_id_token(known):
    await known.task(await known.queue(), url="https://a.example/x?y=1", oidc_token=OIDC)
    await known.run()
    claims = await verified(known, known.requests[0], "https://a.example/x?y=1")
    assert (claims["iss"], claims["email"]) == (ISSUER, EMAIL)


async def test_a_configured_audience_is_used(known):
    token = OIDC | {"audience": "https://service.example"}
    await known.task(await known.queue(), oidc_token=token)
    await known.run()
    claims = await verified(known, known.requests[0], "https://service.example")
    assert claims["email"] == EMAIL
    with pytest.raises(Exception, match="audience"):
        await verified(known, known.requests[0], "https://elsewhere.example")


async def test_the_default_audience_is_the_url_after_the_queues_override(known):
    target = {"uri_override": {"host": "new.example"}, "oidc_token": OIDC}
    settings = types.Queue.pb()(http_target=target).SerializeToString()
    queue = await known.queue(settings=settings)
    await known.task(queue, url="https://old.example/x", headers={"authorization": "mine"})
    await known.run()
    assert "authorization" not in known.requests[0].headers
    claims = await verified(known, known.requests[0], "https://new.example/x")
    assert claims["email"] == EMAIL


async def test_an_access_token_has_its_scope(known):
    oauth = {"service_account_email": EMAIL, "scope": "https://scope.example/read"}
    await known.task(await known.queue(), url="https://a.example:8443/x?y", oauth_token=oauth)
    await known.run()
    header, claims = decode(bearer(known.requests[0]))
    assert header["typ"] == "at+jwt"
    assert claims["scope"] == "https://scope.example/read"
    assert claims["aud"] == "https://a.example:8443"
    assert claims["client_id"] == EMAIL


async def test_the_attempts_of_all_servers_use_one_generated_key(world):
    queue = await world.queue()
    for number in range(3):
        await world.task(queue, url=f"https://a.example/{number}", oidc_token=OIDC)
    await world.run()
    (key,) = await storage.load_keys(world.store, world.now)
    world.start()
    await world.task(queue, url="https://a.example/9", oidc_token=OIDC)
    await world.run()
    assert {decode(bearer(request))[0]["kid"] for request in world.requests} == {key.id}


class Source:
    """Issues the token "1"; ``fault`` is raised instead, ``gate`` holds it back."""

    def __init__(self, clock):
        self.clock = clock
        self.fault = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def issue(self, _spec, _audience):
        await self.gate.wait()
        if self.fault:
            raise self.fault
        return BearerToken("1", self.clock.now() + HOUR)


async def test_a_token_that_cannot_be_obtained_is_a_failed_attempt(world):
    source = Source(world.clock)
    source.fault = OSError("IAM does not answer")
    world.start(bearer_tokens=CachedBearerTokens(source, world.clock))
    name = await world.task(await world.queue(), oidc_token=OIDC)
    await world.run()
    assert world.requests == []
    attempt = (await world.get(name)).last_attempt
    assert attempt.message == f"FAILED_PRECONDITION(9): no token for {EMAIL}: IAM does not answer"
    source.fault = None
    await world.when_due(name)
    assert bearer(world.requests[0]) == "1"


async def test_waiting_for_a_token_counts_against_the_deadline(world):
    source = Source(world.clock)
    source.gate.clear()
    world.start(bearer_tokens=CachedBearerTokens(source, world.clock))
    name = await world.task(await world.queue(), oidc_token=OIDC)
    await world.step()
    await world.store.check()
    world.clock.advance(10 * MINUTE)
    await world.dispatcher.drain()
    assert "DEADLINE_EXCEEDED" in (await world.get(name)).last_attempt.message
    source.gate.set()


async def test_a_hanging_request_does_not_delay_another_with_a_token(known):
    queue = await known.queue()
    known.targets.will(HANG, 200)
    await known.task(queue, url="https://a.example/1", oidc_token=OIDC)
    await known.task(queue, url="https://a.example/2", oidc_token=OIDC)
    await known.step()
    await known.targets.arrived(2)

"""Tokens of requests: made here or by Google, verified with google-auth (reference 3.6)."""

import asyncio
import base64
import datetime
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from dispatch_world import HANG, ISSUER
from google.auth import credentials, jwt
from google.oauth2 import id_token

from drayman.api import wellknown
from drayman.api.context import Context
from drayman.api.encryption import Encryption
from drayman.core import keys
from drayman.core.clock import DAY, HOUR, MINUTE, SECOND
from drayman.core.delivery import OAuthToken, OidcToken
from drayman.dispatch.google import Impersonator
from drayman.dispatch.tokens import CachedTokens, Made, Signer, TokenError
from drayman.tasks_v2 import types
from drayman.wire import tokens
from drayman.wire.vault import Vault

EMAIL = "worker@p.iam.gserviceaccount.com"
OIDC = {"service_account_email": EMAIL}


@pytest.fixture(scope="module")
def pem():
    return as_pem(rsa.generate_private_key(65537, 2048))


def as_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.fixture
async def known(world, pem):
    """A store that has a key, so that no test waits for one to be generated."""
    await world.store.put_signing_key(tokens.load(pem, world.now))
    return world


async def document(world, path):
    encryption = Encryption(world.store, world.clock, Vault({}))
    context = Context(
        world.store, world.clock, world.limits, encryption, world.events.append, ISSUER
    )
    return await wellknown.find(context, path)


def bearer(request):
    kind, _, token = request.headers["Authorization"].partition(" ")
    assert kind == "Bearer"
    return token


def unverified(token):
    header, claims, _ = token.split(".")
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims)]


class Fetched:
    """A transport of google-auth that gets a document of ours."""

    status = 200

    def __init__(self, content):
        self.data = json.dumps(content).encode()

    def __call__(self, _url, **_):
        return self


async def verified(world, token, audience):
    """Verify a token as a handler would, at the world's time, with Google's own library."""
    certs = await document(world, wellknown.CERTIFICATES)
    jwt._helpers.utcnow, real = lambda: moment(world), jwt._helpers.utcnow
    try:
        return id_token.verify_token(token, Fetched(certs), audience, "https://tasks.example/certs")
    finally:
        jwt._helpers.utcnow = real


def moment(world):
    return datetime.datetime.fromtimestamp(world.now / SECOND, tz=datetime.UTC).replace(tzinfo=None)


async def test_google_auth_accepts_an_identity_token(known):
    await known.task(await known.queue(), url="https://a.example/x?y=1", oidc_token=OIDC)
    await known.run()
    claims = await verified(known, bearer(known.requests[0]), "https://a.example/x?y=1")
    subject = claims["sub"]
    assert claims == {
        "iss": ISSUER, "aud": "https://a.example/x?y=1", "sub": subject, "azp": subject,
        "email": EMAIL, "email_verified": True,
        "iat": known.now // SECOND, "exp": known.now // SECOND + 3600,
    }  # fmt: skip
    assert len(subject) == 21
    assert subject.isdecimal()


async def test_a_given_audience_is_kept(known):
    token = OIDC | {"audience": "https://service.example"}
    await known.task(await known.queue(), oidc_token=token)
    await known.run()
    sent = bearer(known.requests[0])
    assert (await verified(known, sent, "https://service.example"))["email"] == EMAIL
    with pytest.raises(Exception, match="audience"):
        await verified(known, sent, "https://elsewhere.example")


async def test_the_audience_is_where_the_queue_sends_the_task(known):
    target = {"uri_override": {"host": "new.example"}, "oidc_token": OIDC}
    settings = types.Queue.pb()(http_target=target).SerializeToString()
    queue = await known.queue(settings=settings)
    await known.task(queue, url="https://old.example/x", headers={"authorization": "mine"})
    await known.run()
    assert "authorization" not in known.requests[0].headers
    claims = await verified(known, bearer(known.requests[0]), "https://new.example/x")
    assert claims["email"] == EMAIL


async def test_jwks_and_discovery_lead_to_the_same_key(known):
    await known.task(await known.queue(), oidc_token=OIDC)
    await known.run()
    header, claims = unverified(bearer(known.requests[0]))
    found = await document(known, wellknown.DISCOVERY)
    assert found["issuer"] == claims["iss"]
    assert found["jwks_uri"] == f"{ISSUER}/jwks"
    (shown,) = (await document(known, wellknown.JWKS))["keys"]
    assert shown["kid"] == header["kid"]
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")
    number = int.from_bytes(base64.urlsafe_b64decode(shown["n"] + "=="))
    exponent = int.from_bytes(base64.urlsafe_b64decode(shown["e"] + "=="))
    public = rsa.RSAPublicNumbers(exponent, number).public_key()
    public = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    jwt._helpers.utcnow, real = lambda: moment(known), jwt._helpers.utcnow
    try:
        assert jwt.decode(bearer(known.requests[0]), certs={shown["kid"]: public})
    finally:
        jwt._helpers.utcnow = real


async def test_an_access_token_has_its_scope(known):
    oauth = {"service_account_email": EMAIL, "scope": "https://scope.example/read"}
    await known.task(await known.queue(), url="https://a.example:8443/x?y", oauth_token=oauth)
    await known.run()
    header, claims = unverified(bearer(known.requests[0]))
    assert header["typ"] == "at+jwt"
    assert claims["scope"] == "https://scope.example/read"
    assert claims["aud"] == "https://a.example:8443"
    assert claims["client_id"] == EMAIL


async def test_a_key_is_generated_once_and_kept(world):
    assert await document(world, wellknown.JWKS) == {"keys": []}
    queue = await world.queue()
    for number in range(3):
        await world.task(queue, url=f"https://a.example/{number}", oidc_token=OIDC)
    await world.run()
    (key,) = await world.store.signing_keys()
    world.start()
    await world.task(queue, url="https://a.example/9", oidc_token=OIDC)
    await world.run()
    assert {unverified(bearer(request))[0]["kid"] for request in world.requests} == {key.id}


async def test_keys_rotate_and_old_ones_are_shown_until_their_tokens_expire(known, monkeypatch):
    fresh = as_pem(rsa.generate_private_key(65537, 2048))
    monkeypatch.setattr(tokens, "generate", lambda now: tokens.load(fresh, now))
    signer = Signer(known.store, known.clock, ISSUER)
    made = [await signer.make(OidcToken(EMAIL), "https://a.example/")]
    known.clock.advance(keys.ROTATION - SECOND)
    made.append(await signer.make(OidcToken(EMAIL), "https://a.example/"))
    known.clock.advance(SECOND)
    made.append(await signer.make(OidcToken(EMAIL), "https://a.example/"))
    first, second, third = (unverified(each.value)[0]["kid"] for each in made)
    assert first == second != third
    assert await verified(known, made[1].value, "https://a.example/")
    known.clock.advance(DAY)
    await known.store.sweep(known.now, 100)
    assert list(await document(known, wellknown.CERTIFICATES)) == [third]


async def test_a_given_key_signs_for_as_long_as_it_is_given(known):
    given = tokens.load(as_pem(rsa.generate_private_key(65537, 2048)), known.now)
    signer = Signer(known.store, known.clock, ISSUER, given)
    for _ in range(3):
        made = await signer.make(OidcToken(EMAIL), "https://a.example/")
        assert unverified(made.value)[0]["kid"] == given.id
        assert await verified(known, made.value, "https://a.example/")
        known.clock.advance(keys.ROTATION + DAY)


async def test_a_key_that_is_no_longer_given_signs_no_more_and_is_shown_a_while(known):
    (own,) = await known.store.signing_keys()
    known.clock.advance(SECOND)
    given = tokens.load(as_pem(rsa.generate_private_key(65537, 2048)), known.now)
    with_it = Signer(known.store, known.clock, ISSUER, given)
    before = await with_it.make(OidcToken(EMAIL), "https://a.example/")
    without = Signer(known.store, known.clock, ISSUER)
    after = await without.make(OidcToken(EMAIL), "https://a.example/")
    kids = [unverified(each.value)[0]["kid"] for each in (before, after)]
    assert kids == [given.id, own.id]
    assert await verified(known, before.value, "https://a.example/")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"nothing", "no private key"),
        (as_pem(ec.generate_private_key(ec.SECP256R1())), "not an RSA key"),
        (as_pem(rsa.generate_private_key(65537, 1024)), "1024 bits"),
    ],
)
def test_a_key_that_cannot_sign_is_refused(content, reason):
    with pytest.raises(ValueError, match=reason):
        tokens.load(content, 0)


class Maker:
    """Makes tokens that are numbered."""

    def __init__(self, clock):
        self.clock = clock
        self.made = []
        self.fault = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def make(self, token, url):
        await self.gate.wait()
        if self.fault:
            raise self.fault
        self.made.append((token, url))
        return Made(str(len(self.made)), self.clock.now() + HOUR)


async def test_a_token_is_used_until_shortly_before_it_expires(world):
    maker = Maker(world.clock)
    cached = CachedTokens(maker.make, world.clock)
    ask = [OidcToken(EMAIL, "aud"), "https://a.example/1"]
    assert await cached.bearer(*ask) == "1"
    assert await cached.bearer(ask[0], "https://b.example/") == "1"
    world.clock.advance(HOUR - 5 * MINUTE - 1)
    assert await cached.bearer(*ask) == "1"
    world.clock.advance(1)
    assert await cached.bearer(*ask) == "2"


async def test_tokens_differ_by_what_they_depend_on(world):
    cached = CachedTokens(Maker(world.clock).make, world.clock)
    asked = [
        (OidcToken(EMAIL), "https://a.example/1"), (OidcToken(EMAIL), "https://a.example/2"),
        (OAuthToken(EMAIL), "https://a.example/1"), (OAuthToken(EMAIL), "https://a.example/2"),
        (OAuthToken(EMAIL, "other"), "https://a.example/2"), (OAuthToken(EMAIL), "https://b/"),
    ]  # fmt: skip
    assert [await cached.bearer(*each) for each in asked] == ["1", "2", "3", "3", "4", "5"]


async def test_those_who_need_the_same_token_wait_for_one_making(world):
    maker = Maker(world.clock)
    maker.gate.clear()
    cached = CachedTokens(maker.make, world.clock)
    waiting = [
        asyncio.create_task(cached.bearer(OidcToken(EMAIL, "aud"), "https://a.example/"))
        for _ in range(10)
    ]
    await world.store.stats()
    waiting[0].cancel()
    await world.store.stats()
    maker.gate.set()
    assert (await asyncio.gather(*waiting, return_exceptions=True))[1:] == ["1"] * 9


async def test_a_token_that_cannot_be_had_is_a_failed_attempt(world):
    maker = Maker(world.clock)
    maker.fault = OSError("IAM does not answer")
    world.start(tokens=CachedTokens(maker.make, world.clock))
    name = await world.task(await world.queue(), oidc_token=OIDC)
    await world.run()
    assert world.requests == []
    attempt = (await world.get(name)).last_attempt
    assert attempt.message == f"UNKNOWN(2): no token for {EMAIL}: IAM does not answer"
    maker.fault = None
    await world.when_due(name)
    assert bearer(world.requests[0]) == "1"


async def test_a_failed_making_is_tried_again(world):
    maker = Maker(world.clock)
    maker.fault = OSError("away")
    cached = CachedTokens(maker.make, world.clock)
    with pytest.raises(TokenError, match="away"):
        await cached.bearer(OidcToken(EMAIL), "https://a.example/")
    maker.fault = None
    assert await cached.bearer(OidcToken(EMAIL), "https://a.example/") == "1"


async def test_waiting_for_a_token_counts_against_the_deadline(world):
    maker = Maker(world.clock)
    maker.gate.clear()
    world.start(tokens=CachedTokens(maker.make, world.clock))
    name = await world.task(await world.queue(), oidc_token=OIDC)
    await world.step()
    await world.store.stats()
    world.clock.advance(10 * MINUTE)
    await world.dispatcher.drain()
    assert "DEADLINE_EXCEEDED" in (await world.get(name)).last_attempt.message
    maker.gate.set()


class Source(credentials.Credentials):
    """Credentials of a server that may impersonate."""

    def __init__(self):
        super().__init__()
        self.token = "source"

    def refresh(self, request):
        pass


class Iam:
    """The answers of Google's IAM Credentials API."""

    status_of_answers = 200

    def __init__(self, identity):
        self.calls = []
        self._identity = identity

    def __call__(self, url, body=None, headers=None, **_):
        self.calls.append((url, json.loads(body), headers))
        content = {"accessToken": "ya29.access", "expireTime": "2033-05-18T03:33:20Z"}
        if url.endswith(":generateIdToken"):
            content = {"token": self._identity}
        answer = Fetched(content)
        answer.data = answer.data.decode()
        answer.status = self.status_of_answers
        return answer


async def test_google_makes_tokens_by_impersonation(known):
    identity = (await Signer(known.store, known.clock, ISSUER).make(OidcToken(EMAIL), "a")).value
    iam = Iam(identity)
    impersonator = Impersonator(Source(), iam)
    made = await impersonator.make(OAuthToken(EMAIL, "scope-1 scope-2"), "https://a.example/")
    assert made == Made("ya29.access", 2_000_000_000 * SECOND)
    (url, body, headers) = iam.calls[0]
    assert url.endswith(f"/serviceAccounts/{EMAIL}:generateAccessToken")
    assert body["scope"] == ["scope-1", "scope-2"]
    assert headers["authorization"] == "Bearer source"
    made = await impersonator.make(OidcToken(EMAIL), "https://a.example/x")
    assert made == Made(identity, known.now + HOUR)
    (url, body, headers) = iam.calls[1]
    assert url.endswith(f"/serviceAccounts/{EMAIL}:generateIdToken")
    assert body == {"audience": "https://a.example/x", "includeEmail": True}
    assert headers["authorization"] == "Bearer source"
    iam.status_of_answers = 403
    with pytest.raises(TokenError, match="IAM answered 403"):
        await impersonator.make(OidcToken(EMAIL), "https://a.example/x")
    impersonator.close()


async def test_no_request_waits_for_another_token(known):
    queue = await known.queue()
    known.targets.will(HANG, 200)
    await known.task(queue, url="https://a.example/1", oidc_token=OIDC)
    await known.task(queue, url="https://a.example/2", oidc_token=OIDC)
    await known.step()
    await known.targets.arrived(2)

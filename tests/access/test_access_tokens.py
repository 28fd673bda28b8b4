"""Bearer tokens: signatures, issuers, and what an issuer's server of keys may do."""

import asyncio
import base64
import hashlib
import hmac
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from issuer_server import AUDIENCE

from drayman.access import fetch, issuers, jwks
from drayman.access.bindings import Bindings
from drayman.access.claims import Issuer
from drayman.access.control import Callers
from drayman.access.tokens import TokenVerifier
from drayman.core.clock import DAY, HOUR, MINUTE, SECOND, ManualClock
from drayman.core.delivery import OAuthToken, OidcToken
from drayman.core.errors import Unauthenticated, Unavailable
from drayman.signing import signer
from drayman.signing.keyring import KeyRing

METHOD = "google.cloud.tasks.v2.CloudTasks.GetQueue"
# Recorded from Google's APIs.
INVALID = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie "
    "or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project."
)
OWN = "http://127.0.0.1:8123"


@pytest.fixture
def failures():
    return []


@pytest.fixture
async def verifier(store, clock, issuer, failures):
    trusted = issuers.trust(
        [
            Issuer(issuer.url, frozenset({AUDIENCE})),
            Issuer(OWN, frozenset({OWN}), is_own=True),
        ],
        store,
        clock,
        lambda name, reason: failures.append((name, reason)),
    )
    verifier = TokenVerifier(trusted, clock, Callers(Bindings([])).of_members)
    yield verifier
    verifier.close()


async def verify(verifier, token):
    token = token if isinstance(token, bytes) else token.encode()
    return await verifier.verify(b"Bearer " + token, METHOD)


async def refusal(verifier, token):
    with pytest.raises(Unauthenticated) as caught:
        await verify(verifier, token)
    assert caught.value.message == INVALID
    return caught.value


def taken(requests):
    paths = []
    while not requests.empty():
        paths.append(requests.get())
    return paths


def encode(part):
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=")


async def test_a_token_of_an_issuer_names_its_caller(verifier, issuer, clock):
    caller = await verify(verifier, issuer.token(clock.now()))
    address = issuer.url.removeprefix("http://")
    assert caller.members == {
        "user:ann@example.com", "domain:example.com", f"principal://{address}/subject/1234",
        "allUsers", "allAuthenticatedUsers",
    }  # fmt: skip
    assert taken(issuer.requests) == ["/.well-known/openid-configuration", "/keys"]


async def test_keys_and_tokens_are_remembered(verifier, issuer, clock):
    for number in range(5):
        await verify(verifier, issuer.token(clock.now(), sub=str(number)))
    assert len(taken(issuer.requests)) == 2


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
async def test_the_scheme_has_any_case(verifier, issuer, clock, scheme):
    await verifier.verify((scheme + issuer.token(clock.now())).encode(), METHOD)


@pytest.mark.parametrize(
    "authorization", [b"Bearer ya29.a0AfH6SM", b"Bearer", b"Basic YTpi", b"Bearer a.b", b"",
                      b"Bearer " + b"a" * 20_000 + b".b.c"]
)  # fmt: skip
async def test_what_is_no_json_web_token_is_of_an_unsupported_type(verifier, authorization):
    with pytest.raises(Unauthenticated) as caught:
        await verifier.verify(authorization, METHOD)
    assert caught.value.message == INVALID
    (info,) = caught.value.details
    assert (info.reason, info.domain) == ("ACCESS_TOKEN_TYPE_UNSUPPORTED", "googleapis.com")
    assert info.metadata == {"service": "cloudtasks.googleapis.com", "method": METHOD}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "https://other.example"}, f"its audience is not one of {AUDIENCE}"),
        ({"iss": "https://other.example"}, "its issuer is not known"),
        ({"iss": None}, "it names no key or no issuer"),
        ({"exp": 1}, "it has expired"),
        ({"exp": None}, "it does not expire"),
        ({"sub": None, "email_verified": False}, "it names nobody"),
    ],
)
async def test_a_token_that_does_not_hold_is_refused_and_only_the_log_has_the_reason(
    verifier, issuer, clock, changes, reason
):
    error = await refusal(verifier, issuer.token(clock.now(), **changes))
    assert (error.reason, error.details) == (reason, ())


async def test_a_remembered_token_still_expires(verifier, issuer, clock):
    token = issuer.token(clock.now(), exp=clock.now() // SECOND + 30)
    await verify(verifier, token)
    clock.advance(91 * SECOND)
    assert (await refusal(verifier, token)).reason == "it has expired"


async def test_another_key_of_the_same_id_is_refused(verifier, issuer, clock):
    await verify(verifier, issuer.token(clock.now()))
    other = rsa.generate_private_key(65537, 2048)
    content = jwt.decode(issuer.token(clock.now()), options={"verify_signature": False})
    forged = jwt.encode(content, other, algorithm="RS256", headers={"kid": "k0"})
    assert (await refusal(verifier, forged)).reason == "its signature is wrong"


async def test_a_token_without_signature_is_refused(verifier, issuer, clock):
    header, content, _ = issuer.token(clock.now()).split(".")
    for algorithm in ("none", "None", "NONE", ""):
        unsigned = encode({"alg": algorithm, "kid": "k0"}).decode()
        assert await refusal(verifier, f"{unsigned}.{content}.")
    assert (await refusal(verifier, f"{header}.{content}.")).reason == "its signature is wrong"


async def test_a_public_key_is_no_shared_secret(verifier, issuer, clock):
    """The classic confusion: HS256 with the bytes of the public key."""
    content = issuer.token(clock.now()).split(".")[1].encode()
    text = encode({"alg": "HS256", "kid": "k0"}) + b"." + content
    for secret in (json.dumps(issuer.content["keys"][0]).encode(), b"k0", b""):
        signature = encode(hmac.digest(secret, text, hashlib.sha256))
        error = await refusal(verifier, text + b"." + signature)
        assert error.reason == "its algorithm is not accepted"


async def test_a_token_with_extensions_that_must_be_understood_is_refused(
    verifier, issuer, clock, private_keys
):
    content = jwt.decode(issuer.token(clock.now()), options={"verify_signature": False})
    headers = {"kid": "k0", "crit": ["exp"]}
    token = jwt.encode(content, private_keys[0], algorithm="RS256", headers=headers)
    assert await refusal(verifier, token)


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_a_token_is_it_is_refused(header, content, signature):
    verifier = TokenVerifier({}, ManualClock(), Callers(Bindings([])).of_members)
    token = b".".join(map(encode, (header, content, signature)))
    with pytest.raises(Unauthenticated):
        asyncio.run(verifier.verify(b"Bearer " + token, METHOD))


async def test_new_keys_of_an_issuer_are_found_and_old_ones_forgotten(verifier, issuer, clock):
    await verify(verifier, issuer.token(clock.now()))
    issuer.content = issuer.jwks(1)
    clock.advance(jwks.INTERVAL)
    await verify(verifier, issuer.token(clock.now(), 1))
    clock.advance(MINUTE)
    assert (await refusal(verifier, issuer.token(clock.now()))).reason == (
        "its issuer has no key of this id"
    )


async def test_tokens_with_unknown_keys_cause_one_fetch_in_thirty_seconds(verifier, issuer, clock):
    await verify(verifier, issuer.token(clock.now()))
    taken(issuer.requests)
    for number in range(20):
        await refusal(verifier, issuer.token(clock.now(), 1, sub=str(number)))
    assert taken(issuer.requests) == []
    clock.advance(jwks.INTERVAL)
    for number in range(20):
        await refusal(verifier, issuer.token(clock.now(), 1, sub=str(number)))
    assert len(taken(issuer.requests)) == 2


async def test_a_call_with_a_known_key_does_not_wait_for_new_keys(verifier, issuer, clock):
    await verify(verifier, issuer.token(clock.now()))
    issuer.content = None  # never answers
    clock.advance(jwks.REFRESH_AGE)
    await verify(verifier, issuer.token(clock.now()))


async def test_an_issuer_that_hangs_costs_its_callers_five_seconds(
    verifier, issuer, clock, failures
):
    issuer.content = None
    call = asyncio.ensure_future(verify(verifier, issuer.token(clock.now())))
    for _ in range(2):  # discovery, then the keys
        await asyncio.to_thread(issuer.requests.get)
    clock.advance(fetch.TIMEOUT)
    with pytest.raises(Unavailable):
        await call
    assert failures == [(issuer.url, f"{issuer.url}/keys: no response within 5 s")]


async def test_an_issuer_that_hangs_cannot_take_all_calls(verifier, issuer, clock):
    issuer.content = None
    calls = [
        asyncio.ensure_future(verify(verifier, issuer.token(clock.now(), sub=str(number))))
        for number in range(jwks.MAX_WAITING + 1)
    ]
    done, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    (refused,) = done
    assert isinstance(refused.exception(), Unavailable)
    for call in waiting:
        call.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize(
    "content",
    [b"", b"no JSON", b"[" * 100_000, [], {}, {"keys": {}}, {"keys": []}, {"keys": [7]},
     {"keys": [{"kid": "k0", "kty": "RSA", "n": "", "e": ""}]}, {"keys": [{}] * 101},
     {"keys": [{"kid": "k0", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]},
     {"keys": [{"kid": "k0", "kty": "RSA", "n": "_" * 4_000, "e": "AQAB"}]},
     {"keys": [{"kid": "k0", "kty": "RSA", "n": "u" * 100, "e": "AQAB"}]},
     b" " * fetch.MAX_SIZE + b"{}"],
)  # fmt: skip
async def test_an_issuer_without_keys_that_can_be_used_makes_calls_unavailable(
    verifier, issuer, clock, failures, content
):
    issuer.content = content
    with pytest.raises(Unavailable, match="The keys of the token's issuer cannot be fetched"):
        await verify(verifier, issuer.token(clock.now()))
    assert [name for name, _ in failures] == [issuer.url]


async def test_known_keys_are_used_for_a_day_after_their_issuer_is_gone(verifier, issuer, clock):
    await verify(verifier, issuer.token(clock.now()))
    issuer.content = b""
    clock.advance(DAY - HOUR)
    await verify(verifier, issuer.token(clock.now()))
    clock.advance(HOUR)
    with pytest.raises(Unavailable):
        await verify(verifier, issuer.token(clock.now()))


async def test_the_discovery_document_must_be_that_of_the_issuer(store, clock, issuer, failures):
    other = Issuer(f"{issuer.url}/", frozenset({AUDIENCE}))
    trusted = issuers.trust([other], store, clock, lambda *each: failures.append(each))
    verifier = TokenVerifier(trusted, clock, Callers(Bindings([])).of_members)
    with pytest.raises(Unavailable):
        await verify(verifier, issuer.token(clock.now(), iss=other.name))
    ((_, reason),) = failures
    assert reason.endswith(f"it is not the document of the issuer {other.name}")


@pytest.mark.parametrize(
    "spec",
    [OidcToken("worker@example.com"), OAuthToken("worker@example.com")],
    ids=["oidc", "oauth"],
)
async def test_tokens_that_this_server_signs_are_accepted(verifier, store, clock, spec):
    key = await KeyRing(store, clock).signing_key()
    token = signer.sign(spec, OWN, OWN, key, clock.now())
    caller = await verify(verifier, token)
    assert "serviceAccount:worker@example.com" in caller.members
    other = signer.sign(spec, "https://target.example", OWN, key, clock.now())
    assert (await refusal(verifier, other)).reason == f"its audience is not one of {OWN}"


async def test_a_key_set_keeps_what_can_be_used(issuer):
    good = issuer.jwks(0)["keys"][0]
    entries = [
        good,
        good | {"kid": "k1", "use": "enc"},
        good | {"kid": "k2", "alg": "HS256"},
        {name: value for name, value in good.items() if name != "kid"},
        good | {"kid": 3},
    ]
    assert set(jwks.parse({"keys": entries})) == {"k0"}

"""Signed bearer tokens: their claims, and that google-auth accepts them (reference 3.6)."""

import hashlib

import jwt
import pytest

from drayman.core.clock import HOUR, SECOND
from drayman.core.delivery import OAuthToken, OidcToken
from drayman.signing import claims, storage, wellknown
from drayman.signing.keyring import KeyRing
from drayman.signing.signer import TokenSigner, sign
from verifier import decode, verify

EMAIL = "worker@p.iam.gserviceaccount.com"
ISSUER = "https://tasks.example"
NOW = 1_700_000_000 * SECOND + 999_999
URL = "https://a.example:8443/x?y=1"


@pytest.mark.parametrize(
    ("spec", "url", "audience"),
    [
        (OidcToken(EMAIL), URL, URL),
        (OidcToken(EMAIL, "https://service.example"), URL, "https://service.example"),
        (OAuthToken(EMAIL), URL, "https://a.example:8443"),
        (OAuthToken(EMAIL), "https://a.example", "https://a.example"),
        (OAuthToken(EMAIL), "https://a.example/", "https://a.example"),
    ],
)
def test_the_audience_of_a_token(spec, url, audience):
    assert claims.audience_for(spec, url) == audience
    assert claims.audience_for(spec, audience) == audience


def test_the_claims_of_an_id_token():
    """Recorded: OIDC token."""
    payload = claims.id_token(OidcToken(EMAIL), URL, ISSUER, NOW)
    subject = payload["sub"]
    assert payload == {
        "iss": ISSUER, "aud": URL, "sub": subject, "azp": subject,
        "email": EMAIL, "email_verified": True, "iat": 1_700_000_000, "exp": 1_700_003_600,
    }  # fmt: skip


def test_the_claims_of_an_access_token():
    spec = OAuthToken(EMAIL, "https://scope.example/read")
    payload = claims.access_token(spec, "https://a.example", ISSUER, NOW)
    subject = payload["sub"]
    assert payload == {
        "iss": ISSUER, "aud": "https://a.example", "sub": subject, "azp": subject,
        "client_id": EMAIL, "scope": "https://scope.example/read",
        "iat": 1_700_000_000, "exp": 1_700_003_600,
    }  # fmt: skip


def test_a_subject_is_a_number_of_21_digits_that_depends_on_the_account_alone():
    subjects = [
        claims.id_token(OidcToken(email), audience, ISSUER, NOW)["sub"]
        for email, audience in [(EMAIL, "a"), (EMAIL, "b"), ("other@example.com", "a")]
    ]
    assert subjects[0] == subjects[1] != subjects[2]
    digest = int.from_bytes(hashlib.sha256(EMAIL.encode()).digest())
    assert subjects[0] == f"1{digest % 10**20:020d}"


@pytest.mark.parametrize(
    ("spec", "type_"), [(OidcToken(EMAIL), "JWT"), (OAuthToken(EMAIL), "at+jwt")]
)
def test_the_header_names_algorithm_key_and_type(key, spec, type_):
    header, _ = decode(sign(spec, "a", ISSUER, key, NOW))
    assert header == {"alg": "RS256", "kid": key.id, "typ": type_}


@pytest.mark.parametrize("spec", [OidcToken(EMAIL), OAuthToken(EMAIL)])
def test_a_library_of_json_web_keys_accepts_a_token(key, other_key, spec):
    token = sign(spec, "https://a.example", ISSUER, key, NOW)
    published = jwt.PyJWKSet.from_dict(wellknown.jwks([other_key, key]))
    options = {"verify_exp": False}  # PyJWT takes no clock
    expected = {"audience": "https://a.example", "issuer": ISSUER, "options": options}
    verified = jwt.decode(token, published[key.id], ["RS256"], **expected)
    assert verified == decode(token)[1]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, published[other_key.id], ["RS256"], **expected)


async def test_google_auth_accepts_an_id_token(store, clock, key):
    await storage.save_key(store, key)
    signer = TokenSigner(KeyRing(store, clock), clock, ISSUER)
    token = await signer.issue(OidcToken(EMAIL), URL)
    assert token.expire_time == clock.now() + HOUR
    certificates = await wellknown.load(store, ISSUER, wellknown.CERTIFICATES, clock.now())
    assert verify(token.value, certificates, URL, clock.now()) == decode(token.value)[1]
    with pytest.raises(Exception, match="audience"):
        verify(token.value, certificates, "https://elsewhere.example", clock.now())
    with pytest.raises(Exception, match="expired"):
        verify(token.value, certificates, URL, token.expire_time + SECOND)


async def test_tokens_stay_verifiable_while_keys_rotate(store, clock, key):
    await storage.save_key(store, key)
    signer = TokenSigner(KeyRing(store, clock), clock, ISSUER)
    clock.advance(90 * 24 * HOUR - SECOND)
    last = await signer.issue(OidcToken(EMAIL), URL)
    clock.advance(SECOND)
    first_of_next = await signer.issue(OidcToken(EMAIL), URL)
    certificates = await wellknown.load(store, ISSUER, wellknown.CERTIFICATES, clock.now())
    for token in (last, first_of_next):
        assert verify(token.value, certificates, URL, clock.now())
    kids = [decode(token.value)[0]["kid"] for token in (last, first_of_next)]
    assert kids[0] == key.id != kids[1]
    clock.advance(24 * HOUR)
    certificates = await wellknown.load(store, ISSUER, wellknown.CERTIFICATES, clock.now())
    assert list(certificates) == [kids[1]]


async def test_tokens_of_a_provided_key_are_verifiable_at_any_time(store, clock, key):
    signer = TokenSigner(KeyRing(store, clock, key), clock, ISSUER)
    for _ in range(3):
        token = await signer.issue(OidcToken(EMAIL), URL)
        certificates = await wellknown.load(store, ISSUER, wellknown.CERTIFICATES, clock.now())
        assert verify(token.value, certificates, URL, clock.now())
        assert decode(token.value)[0]["kid"] == key.id
        clock.advance(91 * 24 * HOUR)


async def test_tokens_of_a_key_that_is_no_longer_provided_stay_verifiable(
    store, clock, key, other_key
):
    await storage.save_key(store, key)
    before = await TokenSigner(KeyRing(store, clock, other_key), clock, ISSUER).issue(
        OidcToken(EMAIL), URL
    )
    after = await TokenSigner(KeyRing(store, clock), clock, ISSUER).issue(OidcToken(EMAIL), URL)
    assert [decode(each.value)[0]["kid"] for each in (before, after)] == [other_key.id, key.id]
    certificates = await wellknown.load(store, ISSUER, wellknown.CERTIFICATES, clock.now())
    assert verify(before.value, certificates, URL, clock.now())

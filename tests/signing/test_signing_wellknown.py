"""The documents that verifiers fetch."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from drayman.core.clock import DAY
from drayman.signing import keys, storage, wellknown

ISSUER = "https://tasks.example"


def integer(text):
    return int.from_bytes(base64.urlsafe_b64decode(text + "=="))


async def test_before_the_first_token_no_key_is_published(store, clock):
    assert await wellknown.load(store, ISSUER, wellknown.JWKS, clock.now()) == {"keys": []}
    assert await wellknown.load(store, ISSUER, wellknown.CERTIFICATES, clock.now()) == {}


@pytest.mark.parametrize("path", ["/", "/jwks/", "/certs/x", "/.well-known/jwks.json"])
async def test_no_other_path_has_a_document(store, clock, path):
    assert await wellknown.load(store, ISSUER, path, clock.now()) is None


@pytest.mark.parametrize("issuer", [ISSUER, f"{ISSUER}/"])
async def test_discovery_names_the_issuer_and_its_keys(store, clock, issuer):
    document = await wellknown.load(store, issuer, wellknown.DISCOVERY, clock.now())
    assert document["issuer"] == issuer
    assert document["jwks_uri"] == f"{ISSUER}/jwks"
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]


async def test_the_key_set_has_the_public_half_of_each_published_key(store, clock, key, other_key):
    await storage.save_key(store, key)
    clock.advance(DAY)
    await storage.save_key(store, keys.load(other_key.pem, clock.now()))
    document = await wellknown.load(store, ISSUER, wellknown.JWKS, clock.now())
    assert [each["kid"] for each in document["keys"]] == [key.id, other_key.id]
    for each, source in zip(document["keys"], (key, other_key), strict=True):
        assert set(each) == {"kty", "use", "alg", "kid", "n", "e"}
        assert (each["kty"], each["use"], each["alg"]) == ("RSA", "sig", "RS256")
        public = rsa.RSAPublicNumbers(integer(each["e"]), integer(each["n"])).public_key()
        assert public == keys.private_key(source).public_key()
    clock.advance(90 * DAY)
    document = await wellknown.load(store, ISSUER, wellknown.JWKS, clock.now())
    assert [each["kid"] for each in document["keys"]] == [other_key.id]


@pytest.mark.parametrize(
    ("issuer", "common_name"),
    [(ISSUER, "tasks.example"), ("mine", "drayman"), (f"https://{'a' * 70}", "a" * 64)],
)
def test_a_certificate_holds_the_public_key_under_the_issuers_host(key, issuer, common_name):
    document = wellknown.certificates([key], issuer)
    assert list(document) == [key.id]
    certificate = x509.load_pem_x509_certificate(document[key.id].encode())
    assert certificate.public_key() == keys.private_key(key).public_key()
    assert certificate.subject == certificate.issuer
    (attribute,) = certificate.subject
    assert attribute.value == common_name

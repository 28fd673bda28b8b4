"""Signing keys: what can be loaded, how they are saved."""

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from drayman.signing import keys
from drayman.signing.keys import SigningKey


def as_pem(private):
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


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
        keys.load(content, 0)


def test_a_key_that_needs_a_password_is_refused(pems):
    private = keys.private_key(SigningKey("k", 0, pems[0]))
    content = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    with pytest.raises(ValueError, match="no private key"):
        keys.load(content, 0)


def test_a_generated_key_has_2048_bits():
    assert keys.private_key(keys.generate(0)).key_size == 2048


def test_the_id_depends_on_the_key_alone(pems):
    first, again, other = keys.load(pems[0], 1), keys.load(pems[0], 2), keys.load(pems[1], 1)
    assert first.id == again.id != other.id
    assert len(first.id) == 40
    assert int(first.id, 16)


def test_the_private_key_does_not_appear_in_logs(pems):
    assert "PRIVATE" not in repr(keys.load(pems[0], 0))


@pytest.mark.parametrize("provided", [False, True])
@pytest.mark.parametrize("create_time", [0, 1_700_000_000_123_456])
def test_an_encoded_key_decodes_to_the_same(pems, provided, create_time):
    key = SigningKey("id", create_time, pems[0], provided)
    assert keys.decode(keys.encode(key)) == key


def test_a_key_is_encoded_as_json():
    assert json.loads(keys.encode(SigningKey("a1", 7, b"PEM\n", provided=True))) == {
        "id": "a1", "createTime": 7, "pem": "PEM\n", "provided": True,
    }  # fmt: skip

"""Signing keys: the RSA key pairs with which the server signs bearer tokens."""

import dataclasses
import functools
import hashlib
import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from drayman.core.clock import Micros

_BITS = 2048
_EXPONENT = 65537
_ID_LENGTH = 40


@dataclasses.dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair.

    Attributes:
        id: The key id, "kid" in a JWT header: a hash of the public key, in hex.
        create_time: When it began to sign.
        pem: The private key in PEM.
        provided: Whether the operator provided it (``--signing-key``).
    """

    id: str
    create_time: Micros
    pem: bytes = dataclasses.field(repr=False)
    provided: bool = False


def generate(now: Micros) -> SigningKey:
    """Return a new key. Takes a tenth of a second or more of one core."""
    return _from_private(rsa.generate_private_key(_EXPONENT, _BITS), now)


def load(pem: bytes, now: Micros) -> SigningKey:
    """Return the key of a PEM file that an operator provides.

    ValueError when the file holds no private RSA key of at least 2048 bits.
    """
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(f"it holds no private key in PEM that can be read: {error}") from None
    if not isinstance(private, rsa.RSAPrivateKey):
        raise ValueError("its key is not an RSA key")  # noqa: TRY004 - the file's content is wrong
    if private.key_size < _BITS:
        raise ValueError(f"its key has {private.key_size} bits; {_BITS} are needed")
    return _from_private(private, now)


def private_key(key: SigningKey) -> rsa.RSAPrivateKey:
    """Return the private key, ready to sign."""
    return _parse(key.pem)


def encode(key: SigningKey) -> bytes:
    """Return a key as the store saves it: a JSON object."""
    fields = {
        "id": key.id,
        "createTime": key.create_time,
        "pem": key.pem.decode("ascii"),
        "provided": key.provided,
    }
    return json.dumps(fields).encode()


def decode(content: bytes) -> SigningKey:
    """Return the key that ``encode`` encoded."""
    fields = json.loads(content)
    return SigningKey(
        fields["id"], fields["createTime"], fields["pem"].encode("ascii"), fields["provided"]
    )


def _from_private(private: rsa.RSAPrivateKey, now: Micros) -> SigningKey:
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return SigningKey(hashlib.sha256(public).hexdigest()[:_ID_LENGTH], now, pem)


@functools.lru_cache(maxsize=8)
def _parse(pem: bytes) -> rsa.RSAPrivateKey:
    private = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(private, rsa.RSAPrivateKey)  # noqa: S101 - `load` accepts no other key
    return private

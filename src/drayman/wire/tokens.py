"""Tokens as they travel: signed JWTs, and the public keys in the forms that verifiers fetch.

A token is a JSON Web Token signed RS256 (RFC 7519); its claims are those of Google's ID tokens.
"""

import base64
import datetime
import functools
import hashlib
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from drayman.core.clock import SECOND, Micros
from drayman.core.delivery import OAuthToken, OidcToken, Token
from drayman.core.keys import TOKEN_LIFETIME, SigningKey

_BITS = 2048
_SUBJECT_DIGITS = 21


def generate(now: Micros) -> SigningKey:
    """Return a new key. Takes a tenth of a second or more of one core."""
    return _key(rsa.generate_private_key(65537, _BITS), now)


def load(pem: bytes, now: Micros) -> SigningKey:
    """Return the key of a PEM file; ValueError says why it cannot be used."""
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(f"it holds no private key in PEM that can be read: {error}") from None
    if not isinstance(private, rsa.RSAPrivateKey):
        raise ValueError("its key is not an RSA key")  # noqa: TRY004 - the file's content is wrong
    if private.key_size < _BITS:
        raise ValueError(f"its key has {private.key_size} bits; {_BITS} are needed")
    return _key(private, now)


def identity(token: OidcToken, url: str, issuer: str, key: SigningKey, now: Micros) -> str:
    """Return a signed identity token for a request to a URL."""
    claims = _claims(token, issuer, now) | {
        "aud": token.audience or url,
        "email": token.email,
        "email_verified": True,
    }
    return _sign(claims, "JWT", key)


def access(token: OAuthToken, url: str, issuer: str, key: SigningKey, now: Micros) -> str:
    """Return a signed access token (RFC 9068) for the origin of a URL."""
    claims = _claims(token, issuer, now) | {
        "aud": origin(url),
        "client_id": token.email,
        "scope": token.scope,
    }
    return _sign(claims, "at+jwt", key)


def origin(url: str) -> str:
    """Return scheme, host and port of a URL."""
    return "/".join(url.split("/", 3)[:3])


def jwk(key: SigningKey) -> dict[str, str]:
    """Return the public half as a JSON Web Key (RFC 7517)."""
    numbers = _private(key.pem).public_key().public_numbers()
    return {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": key.id,
        "n": _number(numbers.n),
        "e": _number(numbers.e),
    }


@functools.lru_cache(maxsize=64)
def certificate(key: SigningKey, issuer: str) -> str:
    """Return the public half as a certificate in PEM, as Google publishes its own."""
    private = _private(key.pem)
    host = urllib.parse.urlsplit(issuer).hostname or "drayman"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    start = datetime.datetime.fromtimestamp(key.create_time // SECOND, tz=datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(int(key.id[:30], 16) or 1)
        .not_valid_before(start - datetime.timedelta(days=1))
        .not_valid_after(start + datetime.timedelta(days=365))
        .sign(private, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()


def _key(private: rsa.RSAPrivateKey, now: Micros) -> SigningKey:
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return SigningKey(hashlib.sha256(public).hexdigest()[:40], now, pem)


def _claims(token: Token, issuer: str, now: Micros) -> dict[str, Any]:
    subject = _subject(token.email)
    return {
        "iss": issuer,
        "sub": subject,
        "azp": subject,
        "iat": now // SECOND,
        "exp": (now + TOKEN_LIFETIME) // SECOND,
    }


def _subject(email: str) -> str:
    # A Google account is a number of 21 digits; ours is the same for the same address, always.
    digest = int.from_bytes(hashlib.sha256(email.encode()).digest())
    return f"1{digest % 10 ** (_SUBJECT_DIGITS - 1):0{_SUBJECT_DIGITS - 1}d}"


def _sign(claims: Mapping[str, Any], kind: str, key: SigningKey) -> str:
    header = {"alg": "RS256", "kid": key.id, "typ": kind}
    signed = f"{_part(header)}.{_part(claims)}"
    signature = _private(key.pem).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_base64(signature)}"


@functools.lru_cache(maxsize=8)
def _private(pem: bytes) -> rsa.RSAPrivateKey:
    private = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(private, rsa.RSAPrivateKey)  # noqa: S101 - `load` let nothing else in
    return private


def _part(content: Mapping[str, Any]) -> str:
    return _base64(json.dumps(content, separators=(",", ":")).encode())


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8))


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

"""The public documents that verifiers of bearer tokens fetch.

path                                   content
---------------------------------      --------------------------------------------------------
/.well-known/openid-configuration      OpenID Connect Discovery: the issuer and where its keys are
/jwks                                  the public keys as a JSON Web Key Set (RFC 7517)
/certs                                 the public keys as X.509 certificates, in Google's format
"""

import datetime
import functools
import urllib.parse
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from jwt.algorithms import RSAAlgorithm

from drayman.core.clock import SECOND, Micros
from drayman.signing import keys, rotation, storage
from drayman.signing.keys import SigningKey
from drayman.signing.signer import ALGORITHM
from drayman.store.contract import Store

DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/jwks"
CERTIFICATES = "/certs"

_VALID_BEFORE = datetime.timedelta(days=1)
_VALID_AFTER = datetime.timedelta(days=365)
_COMMON_NAME_SIZE = 64


async def load(store: Store, issuer: str, path: str, now: Micros) -> dict[str, Any] | None:
    """Return the document at a path, None if there is none."""
    if path == DISCOVERY:
        return discovery(issuer)
    if path not in {JWKS, CERTIFICATES}:
        return None
    published = rotation.published(await storage.load_keys(store, now), now)
    return jwks(published) if path == JWKS else certificates(published, issuer)


def discovery(issuer: str) -> dict[str, Any]:
    """Return the OpenID Connect Discovery document of an issuer."""
    return {
        "issuer": issuer,
        "jwks_uri": issuer.rstrip("/") + JWKS,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": [
            "aud", "azp", "email", "email_verified", "exp", "iat", "iss", "sub",
        ],
    }  # fmt: skip


def jwks(published: Sequence[SigningKey]) -> dict[str, Any]:
    """Return the public keys as a JSON Web Key Set."""
    return {"keys": [_jwk(key) for key in published]}


def certificates(published: Sequence[SigningKey], issuer: str) -> dict[str, Any]:
    """Return the public keys as certificates in PEM, by key id."""
    return {key.id: _certificate(key, issuer) for key in published}


def _jwk(key: SigningKey) -> dict[str, str]:
    public = RSAAlgorithm.to_jwk(keys.private_key(key).public_key(), as_dict=True)
    return {
        "kty": public["kty"],
        "use": "sig",
        "alg": ALGORITHM,
        "kid": key.id,
        "n": public["n"],
        "e": public["e"],
    }


@functools.lru_cache(maxsize=64)
def _certificate(key: SigningKey, issuer: str) -> str:
    private = keys.private_key(key)
    host = urllib.parse.urlsplit(issuer).hostname or "drayman"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:_COMMON_NAME_SIZE])])
    start = datetime.datetime.fromtimestamp(key.create_time // SECOND, tz=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(int(key.id[:30], 16) or 1)
        .not_valid_before(start - _VALID_BEFORE)
        .not_valid_after(start + _VALID_AFTER)
        .sign(private, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()

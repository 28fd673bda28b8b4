"""What verifiers of tokens fetch: OpenID discovery, the public keys as JWKS and as certificates."""

from typing import Any

from drayman.api.context import Context
from drayman.core import keys
from drayman.wire import tokens

DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/jwks"
CERTIFICATES = "/certs"


async def find(context: Context, path: str) -> dict[str, Any] | None:
    """Return the document under a path, None if there is none."""
    issuer = context.issuer
    if path == DISCOVERY:
        return _discovery(issuer)
    if path not in {JWKS, CERTIFICATES}:
        return None
    shown = keys.published(await context.store.signing_keys(), context.clock.now())
    if path == JWKS:
        return {"keys": [tokens.jwk(key) for key in shown]}
    return {key.id: tokens.certificate(key, issuer) for key in shown}


def _discovery(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "jwks_uri": issuer.rstrip("/") + JWKS,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": [
            "aud", "azp", "email", "email_verified", "exp", "iat", "iss", "sub",
        ],
    }  # fmt: skip

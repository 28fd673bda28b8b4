"""API keys: ``drayman_ID_SECRET``. The store has a hash of the secret, never the secret.

The secret is 256 random bits, so one SHA-256 is enough: a slow hash only protects secrets that can
be guessed. The id finds the key; the secret is compared in constant time.
"""

import dataclasses
import hashlib
import hmac
import json
import re
import secrets

from drayman.access import members, roles
from drayman.core.clock import Micros

_ID_BYTES = 6
_SECRET_BYTES = 32
_PREFIX = b"drayman_"
_ID_END = len(_PREFIX) + 2 * _ID_BYTES
_SEPARATOR = ord("_")
_LENGTH = _ID_END + 1 + 43
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ACCOUNTS = "keys.drayman.internal"


@dataclasses.dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key, without its secret.

    Attributes:
        id: Its id, which is no secret.
        name: What its owner calls it.
        member: The service account that it stands for, ``serviceAccount:EMAIL``.
        roles: The roles that it has on the whole server.
        create_time: When it was created.
        last_four: The last four characters of the secret.
        digest: The SHA-256 of the secret, in hex.
        revoke_time: When it was revoked, None while it is valid.
    """

    id: str
    name: str
    member: str
    roles: tuple[str, ...]
    create_time: Micros
    last_four: str
    digest: str = dataclasses.field(repr=False)
    revoke_time: Micros | None = None


def generate(name: str, member: str, key_roles: tuple[str, ...], now: Micros) -> tuple[ApiKey, str]:
    """Return a new key and its text, the only copy of the secret. ValueError.

    Without a ``member`` the key stands for a service account named after the key.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f'"{name}" is not the name of a key; allowed: letters, digits, ".", "_" and "-", '
            "63 at most"
        )
    member = members.check_account(member or members.service_account(f"{name}@{_ACCOUNTS}"))
    key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    key_roles = tuple(roles.check(role) for role in key_roles)
    key = ApiKey(key_id, name, member, key_roles, now, secret[-4:], digest)
    return key, f"drayman_{key_id}_{secret}"


def parse(text: bytes) -> tuple[bytes, bytes]:
    """Return the id and the secret in the text of a key; both empty if it is no key."""
    if len(text) != _LENGTH or not text.startswith(_PREFIX) or text[_ID_END] != _SEPARATOR:
        return b"", b""
    return text[len(_PREFIX) : _ID_END], text[_ID_END + 1 :]


def matches(digest: bytes, secret: bytes) -> bool:
    """Return whether a digest is that of a secret, after the same time for every wrong one."""
    return hmac.compare_digest(digest, hashlib.sha256(secret).digest())


def encode(key: ApiKey) -> bytes:
    """Return a key as the store saves it: a JSON object."""
    return json.dumps(dataclasses.asdict(key)).encode()


def decode(content: bytes) -> ApiKey:
    """Return the key that ``encode`` encoded."""
    fields = json.loads(content)
    return ApiKey(**fields | {"roles": tuple(fields["roles"])})

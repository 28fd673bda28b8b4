"""The signing keys in the store. No other module of ``signing`` calls the store."""

from drayman.core import keys as records
from drayman.core.clock import Micros
from drayman.signing.keys import SigningKey
from drayman.store.contract import Store


async def load_keys(store: Store, now: Micros) -> list[SigningKey]:  # noqa: ARG001 - not asked for
    """Return all saved keys, the oldest first."""
    saved = await store.signing_keys()
    return [SigningKey(each.id, each.create_time, each.pem, each.given) for each in saved]


async def save_key(store: Store, key: SigningKey, now: Micros) -> None:  # noqa: ARG001 - not asked for
    """Save a key durably; it replaces one of the same id."""
    await store.put_signing_key(
        records.SigningKey(key.id, key.create_time, key.pem, given=key.provided)
    )

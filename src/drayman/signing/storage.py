"""The signing keys in the store. No other module of ``signing`` calls the store."""

from drayman.core.clock import Micros
from drayman.core.document import SIGNING_KEY, Document
from drayman.core.limits import PAGE_BYTES
from drayman.signing import keys, rotation
from drayman.signing.keys import SigningKey
from drayman.store.contract import Store

_MAX_KEYS = 1_000


async def load_keys(store: Store, now: Micros) -> list[SigningKey]:
    """Return all saved keys, the oldest first."""
    page = await store.list_documents(SIGNING_KEY, "", "", _MAX_KEYS, PAGE_BYTES, now)
    saved = [keys.decode(document.content) for document in page.documents]
    return sorted(saved, key=lambda key: (key.create_time, key.id))


async def save_key(store: Store, key: SigningKey) -> None:
    """Save a key durably; it replaces one of the same id."""
    end = rotation.expire_time(key)
    await store.put_document(Document(SIGNING_KEY, key.id, keys.encode(key), end))

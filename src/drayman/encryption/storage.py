"""The KMS key names of locations in the store. No other module of ``encryption`` calls the store.

The material of the keys is never stored.
"""

from drayman.core.clock import Micros
from drayman.core.document import KMS_KEY, Document
from drayman.core.limits import PAGE_BYTES
from drayman.store.contract import Store

_PAGE = 1_000


async def load_kms_key(store: Store, location: str, now: Micros) -> str:
    """Return the name of the KMS key of a location, "" for none."""
    document = await store.get_document(KMS_KEY, location, now)
    return document.content.decode() if document else ""


async def load_kms_keys(store: Store, now: Micros) -> dict[str, str]:
    """Return the names of the KMS keys of all locations that have one, by location."""
    kms_keys: dict[str, str] = {}
    cursor: str | None = None
    while cursor != "":
        page = await store.list_documents(KMS_KEY, "", cursor or "", _PAGE, PAGE_BYTES, now)
        kms_keys |= {each.name: each.content.decode() for each in page.documents}
        cursor = page.cursor
    return kms_keys


async def save_kms_key(store: Store, location: str, kms_key: str, now: Micros) -> None:
    """Save the name of the KMS key of a location durably, "" for none."""
    if kms_key:
        await store.put_document(Document(KMS_KEY, location, kms_key.encode()))
    else:
        await store.delete_document(KMS_KEY, location, now)

"""The API keys in the store: documents, by the id of the key.

A running server reads them through its store. The commands of operators change them through a
session of their own, so that no server has to run.
"""

import dataclasses

from drayman.access import keys
from drayman.access.keys import ApiKey
from drayman.core.clock import DAY, Micros
from drayman.core.document import API_KEY, Document
from drayman.core.limits import PAGE_BYTES
from drayman.store.contract import Store
from drayman.store.session import Session
from drayman.store.verbs import documents

MAX_KEYS = 1_000
"""The most API keys of a store: a server reads all of them once a second."""
REVOKED_RETENTION: Micros = 90 * DAY
"""How long a revoked key is listed."""


async def load_contents(store: Store, now: Micros) -> dict[str, bytes]:
    """Return all encoded keys, by id."""
    page = await store.list_documents(API_KEY, "", "", MAX_KEYS, PAGE_BYTES, now)
    return {document.name: document.content for document in page.documents}


def list_keys(session: Session, now: Micros) -> list[ApiKey]:
    """Return all keys, the oldest first."""
    page = documents.list_documents(session, API_KEY, "", "", MAX_KEYS, PAGE_BYTES, now)
    saved = [keys.decode(document.content) for document in page.documents]
    return sorted(saved, key=lambda key: (key.create_time, key.id))


def insert(session: Session, key: ApiKey, now: Micros) -> None:
    """Save a new key. ValueError if its name is taken, or if there are too many."""
    saved = list_keys(session, now)
    if any(each.name == key.name and each.revoke_time is None for each in saved):
        raise ValueError(f"there is a key named {key.name}; revoke it, or choose another name")
    if len(saved) >= MAX_KEYS:
        raise ValueError(f"there are {MAX_KEYS} keys; no more are allowed")
    documents.put_document(session, Document(API_KEY, key.id, keys.encode(key)))


def revoke(session: Session, text: str, now: Micros) -> ApiKey:
    """Revoke the valid key of an id or a name, and return it. ValueError if there is none."""
    for key in list_keys(session, now):
        if text in {key.id, key.name} and key.revoke_time is None:
            revoked = dataclasses.replace(key, revoke_time=now)
            content, end = keys.encode(revoked), now + REVOKED_RETENTION
            documents.put_document(session, Document(API_KEY, key.id, content, end))
            return revoked
    raise ValueError(f'no valid key has the id or name "{text}"')

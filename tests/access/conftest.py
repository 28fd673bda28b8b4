"""API keys in a store, and an issuer of tokens."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from issuer_server import IssuerServer

from drayman.access import key_storage, keys
from drayman.core.clock import ManualClock
from drayman.core.document import API_KEY, Document
from drayman.core.limits import Limits
from drayman.store.sqlite.database import open_store


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def store(clock):
    opened = await open_store(":memory:", Limits(), clock.now())
    yield opened
    await opened.close()


@pytest.fixture
def save_key(clock):
    """Save an API key in a store, through its verbs; return the key and its text."""

    async def save(store, name, *roles, member=""):
        key, text = keys.generate(name, member, roles, clock.now())
        await store.put_document(Document(API_KEY, key.id, keys.encode(key)))
        return key, text.encode()

    return save


@pytest.fixture
def revoke_key(clock):
    """Revoke an API key in a store."""

    async def revoke(store, key):
        contents = await key_storage.load_contents(store, clock.now())
        fields = json.loads(contents[key.id]) | {"revoke_time": clock.now()}
        await store.put_document(Document(API_KEY, key.id, json.dumps(fields).encode()))

    return revoke


@pytest.fixture(scope="session")
def private_keys():
    """Two RSA keys, generated once."""
    return [rsa.generate_private_key(65537, 2048) for _ in range(2)]


@pytest.fixture
def issuer(private_keys):
    server = IssuerServer(private_keys)
    yield server
    server.stop()

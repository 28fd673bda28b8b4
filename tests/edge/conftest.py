"""A service, and a client that is connected to it without sockets."""

import pytest
from http2_client import Client, Service


@pytest.fixture
async def service():
    return Service()


@pytest.fixture
async def shared(service):
    return service.shared()


@pytest.fixture
async def client(shared):
    client = Client(shared)
    await client.run()
    return client

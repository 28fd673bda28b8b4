"""The fixtures for pytest: ``cloud_tasks``, ``async_cloud_tasks`` and ``cloud_tasks_session``.

pytest loads this module wherever Drayman is installed; it imports nothing else before a test asks
for a fixture.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from drayman.testing.server import AsyncServer, Server


@pytest.fixture(scope="session")
def cloud_tasks_server() -> "Iterator[Server]":
    """Give the server of the session, which the other fixtures reset for each test."""
    from drayman.testing.server import Server  # noqa: PLC0415 - only tests that need it pay

    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def cloud_tasks_session(cloud_tasks_server: "Server") -> "Iterator[Server]":
    """Give the same server to fixtures of the session; its address is set until the session ends.

    It is for applications that create their client once. ``cloud_tasks`` empties it for each test.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOUD_TASKS_EMULATOR_HOST", cloud_tasks_server.address)
        yield cloud_tasks_server


@pytest.fixture
def cloud_tasks(cloud_tasks_server: "Server", monkeypatch: pytest.MonkeyPatch) -> "Server":
    """Give an empty server, with ``CLOUD_TASKS_EMULATOR_HOST`` set to its address."""
    cloud_tasks_server.reset()
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", cloud_tasks_server.address)
    return cloud_tasks_server


@pytest.fixture
def async_cloud_tasks(cloud_tasks: "Server") -> "AsyncServer":
    """Give the same server for a test in an event loop."""
    return cloud_tasks.aio

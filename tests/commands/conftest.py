"""A server, and the command line that calls it."""

import io
import itertools
import os
import sys

import pytest
from command_line import LOCATION, PROJECT, Run

from drayman import cli
from live import LiveServer, Worker

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server():
    """Give a module a server; each test has queues of its own in it."""
    live = LiveServer()
    yield live
    live.stop()


@pytest.fixture
def worker():
    target = Worker()
    yield target
    target.stop()


@pytest.fixture
def queue_id():
    """Return an id that no other test has used."""
    return f"q{next(_numbers)}"


@pytest.fixture
def clean_environment(monkeypatch):
    """Remove the variables of whoever runs the tests."""
    for name in [*os.environ]:
        if name.startswith(("DRAYMAN_", "CLOUD_TASKS_", "CLOUDSDK_")):
            monkeypatch.delenv(name)


@pytest.fixture
def run(clean_environment, capsysbinary, monkeypatch):  # noqa: ARG001 - for its effect
    """Run ``drayman``, with what is typed or piped to it."""

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as caught:
            cli.command()([*map(str, arguments)])
        out, err = capsysbinary.readouterr()
        return Run(caught.value.code or 0, out.decode(), err.decode())

    return run


@pytest.fixture
def drayman(run, server, monkeypatch):
    """Run ``drayman`` against the server, with a project and a location."""
    monkeypatch.setenv("DRAYMAN_SERVER", server.address)
    monkeypatch.setenv("DRAYMAN_DEFAULT_PROJECT", PROJECT)
    monkeypatch.setenv("DRAYMAN_DEFAULT_LOCATION", LOCATION)
    return run


@pytest.fixture
def queue(drayman, queue_id):
    """Return the id of a paused queue."""
    assert drayman("queues", "create", queue_id).status == 0
    assert drayman("queues", "pause", queue_id).status == 0
    return queue_id

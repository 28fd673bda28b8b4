"""CLOUD_TASKS_EMULATOR_HOST leads a client to a server in plain text, without credentials."""

import pytest
from google.auth.credentials import AnonymousCredentials
from recording import GrpcRecorder
from samples import QUEUE

from drayman import tasks

VARIABLE = "CLOUD_TASKS_EMULATOR_HOST"


def test_each_client_remembers_where_it_was_made(monkeypatch, recorder):
    other = GrpcRecorder()
    clients = []
    for address in (recorder.address, other.address):
        monkeypatch.setenv(VARIABLE, address)
        clients.append(tasks.CloudTasksClient())
    monkeypatch.delenv(VARIABLE)
    for one, server in zip(clients, (recorder, other), strict=True):
        with one:
            assert one.api_endpoint == one.transport.host == server.address
            one.get_queue(name=QUEUE)
        (call,) = server.take()
        assert "authorization" not in call.metadata
    other.stop()


@pytest.mark.parametrize(
    "value",
    [
        "http://localhost:8123",
        "localhost",
        "localhost:",
        ":8123",
        "a:0",
        "a:65536",
        "a b:1",
        "::1:80",
    ],
)
def test_a_value_that_is_no_address_is_named(monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(ValueError, match=f"{VARIABLE} must be HOST:PORT.*{value}"):
        tasks.CloudTasksClient()


def test_an_endpoint_in_the_options_goes_first(monkeypatch, recorder):
    monkeypatch.setenv(VARIABLE, "localhost:1")
    options = {"api_endpoint": f"http://{recorder.address}"}
    with tasks.CloudTasksClient(client_options=options) as client:
        client.get_queue(name=QUEUE)
    assert len(recorder.take()) == 1


def test_an_empty_value_is_none(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    with tasks.CloudTasksClient(credentials=AnonymousCredentials()) as client:
        assert client.api_endpoint == "cloudtasks.googleapis.com"
        assert client.transport.host == "cloudtasks.googleapis.com:443"

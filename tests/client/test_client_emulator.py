"""CLOUD_TASKS_EMULATOR_HOST connects a client to a server in plain text without credentials."""

import pytest
from google.auth.credentials import AnonymousCredentials
from recorders import GrpcRecorder
from samples import QUEUE

from drayman import tasks

VARIABLE = "CLOUD_TASKS_EMULATOR_HOST"


def test_a_client_keeps_the_server_that_was_set_when_it_was_created(monkeypatch, recorder):
    other = GrpcRecorder()
    clients = []
    for address in (recorder.address, other.address):
        monkeypatch.setenv(VARIABLE, address)
        clients.append(tasks.CloudTasksClient())
    monkeypatch.delenv(VARIABLE)
    for client, server in zip(clients, (recorder, other), strict=True):
        with client:
            assert client.api_endpoint == client.transport.host == server.address
            client.get_queue(name=QUEUE)
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
def test_an_invalid_address_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(ValueError, match=f"{VARIABLE} must be HOST:PORT.*{value}"):
        tasks.CloudTasksClient()


def test_an_endpoint_in_the_options_has_precedence(monkeypatch, recorder):
    monkeypatch.setenv(VARIABLE, "localhost:1")
    options = {"api_endpoint": f"http://{recorder.address}"}
    with tasks.CloudTasksClient(client_options=options) as client:
        client.get_queue(name=QUEUE)
    assert len(recorder.take()) == 1


def test_an_empty_value_means_not_set(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    with tasks.CloudTasksClient(credentials=AnonymousCredentials()) as client:
        assert client.api_endpoint == "cloudtasks.googleapis.com"
        assert client.transport.host == "cloudtasks.googleapis.com:443"

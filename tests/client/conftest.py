import sys
from pathlib import Path

import grpc
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import tasks_v2 as google_tasks

sys.path.insert(0, str(Path(__file__).parent))

from recording import GrpcRecorder, RestRecorder

from drayman import tasks


@pytest.fixture(scope="session")
def grpc_server():
    server = GrpcRecorder()
    yield server
    server.stop()


@pytest.fixture
def recorder(grpc_server):
    grpc_server.take()
    grpc_server.answers.clear()
    grpc_server.script = None
    return grpc_server


@pytest.fixture
def google_client(recorder):
    transport = google_tasks.services.cloud_tasks.transports.CloudTasksGrpcTransport(
        channel=grpc.insecure_channel(recorder.address)
    )
    with google_tasks.CloudTasksClient(transport=transport) as client:
        yield client


@pytest.fixture
def client(recorder, monkeypatch):
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", recorder.address)
    with tasks.CloudTasksClient() as client:
        yield client


@pytest.fixture(scope="session")
def rest_server():
    server = RestRecorder()
    yield server
    server.stop()


@pytest.fixture
def rest_recorder(rest_server):
    rest_server.take()
    rest_server.answers.clear()
    return rest_server


@pytest.fixture
def google_rest_client(rest_recorder):
    options = {"api_endpoint": f"http://{rest_recorder.address}"}
    with google_tasks.CloudTasksClient(
        transport="rest", client_options=options, credentials=AnonymousCredentials()
    ) as client:
        yield client


@pytest.fixture
def rest_client(rest_recorder, monkeypatch):
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", rest_recorder.address)
    with tasks.CloudTasksClient(transport="rest") as client:
        yield client

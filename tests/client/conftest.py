import logging
import sys
from pathlib import Path

import grpc
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import tasks_v2 as google_tasks

sys.path.insert(0, str(Path(__file__).parent))

from recorders import GrpcRecorder, RestRecorder

from drayman import tasks

google_transports = google_tasks.services.cloud_tasks.transports


@pytest.fixture(scope="session")
def grpc_server():
    server = GrpcRecorder()
    yield server
    server.stop()


@pytest.fixture
def recorder(grpc_server):
    grpc_server.reset()
    return grpc_server


@pytest.fixture(scope="session")
def rest_server():
    server = RestRecorder()
    yield server
    server.stop()


@pytest.fixture
def rest_recorder(rest_server):
    rest_server.reset()
    return rest_server


@pytest.fixture
def google_client(recorder):
    channel = grpc.insecure_channel(recorder.address)
    transport = google_transports.CloudTasksGrpcTransport(channel=channel)
    with google_tasks.CloudTasksClient(transport=transport) as client:
        yield client


@pytest.fixture
async def google_async_client(recorder):
    channel = grpc.aio.insecure_channel(recorder.address)
    transport = google_transports.CloudTasksGrpcAsyncIOTransport(channel=channel)
    async with google_tasks.CloudTasksAsyncClient(transport=transport) as client:
        yield client


@pytest.fixture
def google_rest_client(rest_recorder):
    options = {"api_endpoint": f"http://{rest_recorder.address}"}
    with google_tasks.CloudTasksClient(
        transport="rest", client_options=options, credentials=AnonymousCredentials()
    ) as client:
        yield client


@pytest.fixture
def client(recorder, monkeypatch):
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", recorder.address)
    with tasks.CloudTasksClient() as client:
        yield client


@pytest.fixture
async def async_client(recorder, monkeypatch):
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", recorder.address)
    async with tasks.CloudTasksAsyncClient() as client:
        yield client


@pytest.fixture
def rest_client(rest_recorder, monkeypatch):
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", rest_recorder.address)
    with tasks.CloudTasksClient(transport="rest") as client:
        yield client


@pytest.fixture
def log_records():
    """The records that the client logs during the test, at all levels."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger = logging.getLogger("google.cloud.tasks_v2")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield records
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)

"""Mutual TLS, with real certificates on loopback, and the settings of Google's logging."""

import datetime
import ipaddress
import os
import subprocess
import sys

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.oauth2.credentials import Credentials
from recorders import GrpcRecorder
from samples import QUEUE

from drayman import tasks
from drayman.tasks_v2.services.cloud_tasks import transports

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])


@pytest.fixture(scope="session")
def identity():
    """A self-signed certificate for server and client, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start.replace(year=2100))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(pem), private


@pytest.fixture
def mtls_server(identity):
    """A server that requires a client certificate."""
    certificate, key = identity
    server = GrpcRecorder(
        grpc.ssl_server_credentials([(key, certificate)], certificate, require_client_auth=True)
    )
    yield server
    server.stop()


def test_channel_credentials_are_used(mtls_server, identity):
    certificate, key = identity
    transport = transports.CloudTasksGrpcTransport(
        host=mtls_server.address,
        credentials=Credentials("secret"),
        ssl_channel_credentials=grpc.ssl_channel_credentials(certificate, key, certificate),
    )
    with tasks.CloudTasksClient(transport=transport) as client:
        client.get_queue(name=QUEUE)
    (call,) = mtls_server.take()
    assert call.metadata["authorization"] == "Bearer secret"


SCRIPT = """
import os
from google.auth.credentials import AnonymousCredentials
from drayman import tasks

def source():
    return open("certificate", "rb").read(), open("key", "rb").read()

options = {"api_endpoint": os.environ["SERVER"], "client_cert_source": source}
with tasks.CloudTasksClient(client_options=options, credentials=AnonymousCredentials()) as client:
    client.get_queue(name="q")
print("done")
"""


def test_the_client_certificate_of_the_options_is_sent(mtls_server, identity, tmp_path):
    """In a process of its own: gRPC reads the trusted certificates once."""
    for name, content in zip(("certificate", "key"), identity, strict=True):
        (tmp_path / name).write_bytes(content)
    environment = {
        "PATH": os.environ["PATH"],
        "SERVER": mtls_server.address,
        "GOOGLE_API_USE_CLIENT_CERTIFICATE": "true",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": "certificate",
    }
    command = [sys.executable, "-c", SCRIPT]
    process = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert process.stdout == "done\n", process.stderr
    assert len(mtls_server.take()) == 1


def test_the_deprecated_arguments_of_mutual_tls_still_work(mtls_server, identity):
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        transport = transports.CloudTasksGrpcTransport(
            credentials=Credentials("secret"),
            api_mtls_endpoint=mtls_server.address,
            client_cert_source=lambda: identity,
        )
    assert transport.host == mtls_server.address
    transport.close()


def test_googles_logging_scope_logs_the_calls(recorder):
    code = (
        "from drayman import tasks\n"
        f"tasks.CloudTasksClient().get_queue(name={QUEUE!r}, metadata=[('x-own', '1')])"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "CLOUD_TASKS_EMULATOR_HOST": recorder.address,
            "GOOGLE_SDK_PYTHON_LOGGING_SCOPE": "google.cloud.tasks_v2",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"rpcName": "/google.cloud.tasks.v2.CloudTasks/GetQueue"' in process.stderr
    assert "Received response" in process.stderr

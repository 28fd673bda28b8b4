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
from recording import GrpcRecorder
from samples import QUEUE

from drayman import tasks
from drayman.tasks_v2.services.cloud_tasks import transports

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])


@pytest.fixture(scope="session")
def identity():
    """A certificate that vouches for itself, for server and client alike, and its key."""
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
def secure(identity):
    """A server that asks its callers for a certificate."""
    certificate, key = identity
    server = GrpcRecorder(
        grpc.ssl_server_credentials([(key, certificate)], certificate, require_client_auth=True)
    )
    yield server
    server.stop()


def test_channel_credentials_are_used(secure, identity):
    certificate, key = identity
    given = grpc.ssl_channel_credentials(certificate, key, certificate)
    transport = transports.CloudTasksGrpcTransport(
        host=secure.address, credentials=Credentials("secret"), ssl_channel_credentials=given
    )
    with tasks.CloudTasksClient(transport=transport) as client:
        client.get_queue(name=QUEUE)
    (one,) = secure.take()
    assert one.metadata["authorization"] == "Bearer secret"


SCRIPT = """
import os
from google.auth.credentials import AnonymousCredentials
from drayman import tasks

def source():
    return open("certificate", "rb").read(), open("key", "rb").read()

options = {"api_endpoint": os.environ["SERVER"], "client_cert_source": source}
with tasks.CloudTasksClient(client_options=options, credentials=AnonymousCredentials()) as client:
    client.get_queue(name="q")
print("answered")
"""


def test_the_clients_certificate_is_shown(secure, identity, tmp_path):
    """In a process of its own: gRPC reads the trusted certificates once."""
    for name, content in zip(("certificate", "key"), identity, strict=True):
        (tmp_path / name).write_bytes(content)
    environment = {
        "PATH": os.environ["PATH"],
        "SERVER": secure.address,
        "GOOGLE_API_USE_CLIENT_CERTIFICATE": "true",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": "certificate",
    }
    command = [sys.executable, "-c", SCRIPT]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stdout == "answered\n", ran.stderr
    assert len(secure.take()) == 1


def test_the_old_arguments_of_mutual_tls_still_work(secure, identity):
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        transport = transports.CloudTasksGrpcTransport(
            credentials=Credentials("secret"),
            api_mtls_endpoint=secure.address,
            client_cert_source=lambda: identity,
        )
    assert transport.host == secure.address
    transport.close()


def test_googles_logging_scope_shows_the_calls(recorder):
    code = (
        "from drayman import tasks\n"
        f"tasks.CloudTasksClient().get_queue(name={QUEUE!r}, metadata=[('x-own', '1')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "CLOUD_TASKS_EMULATOR_HOST": recorder.address,
            "GOOGLE_SDK_PYTHON_LOGGING_SCOPE": "google.cloud.tasks_v2",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"rpcName": "/google.cloud.tasks.v2.CloudTasks/GetQueue"' in ran.stderr
    assert "Received response" in ran.stderr

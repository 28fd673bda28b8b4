"""SIGHUP: new certificates and queues while calls go on, and files that cannot be used."""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import grpc
import pytest
import requests
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from certificates import Authority
from processes import LOCATION, PATIENCE, QUEUE, command, environment, http_task, serve


class Files:
    """The files of a server's TLS."""

    def __init__(self, directory):
        self.authority = Authority()
        self.ca, self.cert, self.key = (directory / name for name in ("ca", "cert", "key"))
        self.ca.write_bytes(self.authority.certificate)
        self.renew()

    def renew(self):
        """Write a new certificate; return its serial number."""
        identity = self.authority.issue()
        self.cert.write_bytes(identity.certificate)
        self.key.write_bytes(identity.key)
        return identity.serial_number

    @property
    def options(self):
        return "--tls-cert", str(self.cert), "--tls-key", str(self.key)

    @contextlib.contextmanager
    def client(self, server):
        """Google's own client."""
        credentials = grpc.ssl_channel_credentials(self.authority.certificate)
        with grpc.secure_channel(server.grpc_address, credentials) as channel:
            yield tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))

    def serial_number(self, address):
        """Return the serial number of the certificate that new connections see."""
        host, port = address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=self.ca)
        with (
            socket.create_connection((host, int(port)), PATIENCE) as sock,
            context.wrap_socket(sock, server_hostname=host) as connection,
        ):
            return int(connection.getpeercert()["serialNumber"], 16)


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


@contextlib.contextmanager
def traffic(*callers):
    """Call in threads, over and over; raise the first error of any."""
    ended, errors, calls = threading.Event(), [], [0] * len(callers)
    all_called = [threading.Event() for _ in callers]

    def run(number, call):
        try:
            while not ended.is_set():
                call()
                calls[number] += 1
                all_called[number].set()
        except Exception as error:  # noqa: BLE001 - raised by the test
            errors.append(error)
            all_called[number].set()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(callers)]
    for thread in threads:
        thread.start()
    try:
        for called in all_called:
            called.wait(PATIENCE)
        yield calls
    finally:
        ended.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert errors == []


def test_certificates_change_under_traffic_and_no_call_fails(tmp_path, files):
    with (
        serve(tmp_path, *files.options, "--queue", QUEUE) as server,
        files.client(server) as client,
        requests.Session() as session,
    ):
        client.pause_queue(name=QUEUE)
        http_address = server.http_url.removeprefix("https://")

        def create():
            client.create_task(parent=QUEUE, task=http_task("http://a.test"))

        def get():
            session.get(f"{server.http_url}/v2/{QUEUE}", verify=files.ca, timeout=PATIENCE)

        def connect():
            files.serial_number(server.grpc_address)

        with traffic(create, get, connect) as calls:
            for _ in range(5):
                number, before = files.renew(), list(calls)
                server.process.send_signal(signal.SIGHUP)
                for address in (server.grpc_address, http_address):
                    while files.serial_number(address) != number:
                        pass
                while any(now <= then for now, then in zip(calls, before, strict=True)):
                    pass
        server.await_log("reloaded: 1 queues, TLS certificates", count=5)


def test_a_certificate_that_cannot_be_used_leaves_the_one_before(tmp_path, files):
    queues = tmp_path / "queues.yaml"
    queues.write_text(f"queues: [{{name: {QUEUE}}}]")
    with serve(tmp_path, *files.options, "--queue-file", str(queues)) as server:
        number = files.serial_number(server.grpc_address)
        files.key.write_bytes(files.authority.issue().key)
        queues.write_text(f"queues: [{{name: {QUEUE}-new}}]")
        server.process.send_signal(signal.SIGHUP)
        problem = "reload failed, nothing has changed: --tls-cert: "
        while problem not in server.log():
            assert files.serial_number(server.grpc_address) == number
        with files.client(server) as client:
            assert [queue.name for queue in client.list_queues(parent=LOCATION)] == [QUEUE]


def test_sighup_applies_the_queue_file_and_disturbs_no_attempt(tmp_path, worker):
    queues = tmp_path / "queues.yaml"
    queues.write_text(f"queues: [{{name: {QUEUE}}}]")
    with serve(tmp_path, "--queue-file", str(queues)) as server, server.client() as client:
        client.create_task(parent=QUEUE, task=http_task(worker.url + "/hold"))
        worker.await_delivery()
        queues.write_text(
            f"queues: [{{name: {QUEUE}, rate_limits: {{max_dispatches_per_second: 7}}}}]"
        )
        server.process.send_signal(signal.SIGHUP)
        while client.get_queue(name=QUEUE).rate_limits.max_dispatches_per_second != 7:
            pass
        queues.write_text("queues: 3")
        server.process.send_signal(signal.SIGHUP)
        while 'must contain a list named "queues"' not in server.log():
            pass
        worker.release.set()
        while list(client.list_tasks(parent=QUEUE)):
            pass
        assert worker.arrived.empty()
        assert server.stop() == 0


def test_a_file_that_does_not_answer_keeps_no_call_and_no_stop_waiting(tmp_path):
    queues = tmp_path / "queues.yaml"
    queues.write_text("queues: []")
    with serve(tmp_path, "--queue-file", str(queues)) as server:
        queues.unlink()
        os.mkfifo(queues)
        server.process.send_signal(signal.SIGHUP)
        with queues.open("w"):  # the server reads it
            assert server.get("/healthz")[0] == 200
            assert server.stop() == 0
        assert "reload" not in server.log()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_is_served_over_tls_and_with_a_client_certificate(tmp_path, files):
    identity = files.authority.issue("client")
    certificate, key = tmp_path / "client", tmp_path / "client-key"
    certificate.write_bytes(identity.certificate)
    key.write_bytes(identity.key)
    for options, more in itertools.product(
        ([], ["--tls-client-ca", str(files.ca)]), ([], ["--cert", certificate, "--key", key])
    ):
        with serve(tmp_path, *files.options, *options, store="memory") as server:
            for address in (server.http_url, f"https://{server.grpc_address}"):
                command = ["curl", "--silent", "--cacert", files.ca, *more, f"{address}/healthz"]
                done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
                assert (done.returncode == 0) == bool(more or not options)


def test_a_client_that_never_completes_its_handshake_costs_only_itself(tmp_path, files):
    with (
        serve(tmp_path, *files.options, "--log-level", "debug", store="memory") as server,
        contextlib.ExitStack() as stack,
    ):
        host, port = server.grpc_address.rsplit(":", 1)
        hanging = [
            stack.enter_context(socket.create_connection((host, int(port)), PATIENCE))
            for _ in range(20)
        ]
        for each in hanging[::2]:
            each.sendall(b"\x16\x03\x01\x02\x00")
        with files.client(server) as client:
            assert list(client.list_queues(parent=LOCATION)) == []
        for each in hanging:
            each.close()
        while server.log().count("TLS handshake with 127.0.0.1 failed: ") < 20:
            pass
        assert server.stop() == 0


def test_the_log_level_of_the_file_is_read_again(tmp_path):
    config = tmp_path / "drayman.toml"
    config.write_text('log-level = "warning"\n')
    with serve(tmp_path, "--config", str(config)) as server:
        config.write_text('log-level = "info"\n')
        server.process.send_signal(signal.SIGHUP)
        while "reloaded: log level info" not in server.log():
            pass
        assert server.stop() == 0


def test_settings_that_cannot_be_used_leave_the_log_level(tmp_path):
    config = tmp_path / "drayman.toml"
    config.write_text('log-level = "info"\n')
    with serve(tmp_path, "--config", str(config)) as server:
        config.write_text('log-level = "loud"\n')
        server.process.send_signal(signal.SIGHUP)
        while "reload failed, nothing has changed: " not in server.log():
            pass
        assert server.stop() == 0


def test_a_signal_during_the_start_does_not_end_the_server(tmp_path):
    config = tmp_path / "drayman.toml"
    os.mkfifo(config)
    line = command("--config", str(config))
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        with config.open("w") as file:  # the server has begun to read its settings
            process.send_signal(signal.SIGHUP)
            file.write('store = "memory"\nport = 0\n')
        assert process.stdout.readline().startswith("drayman ready ")
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_key_and_access_files_are_loaded_again(tmp_path):
    keys, access = tmp_path / "keys.yaml", tmp_path / "access.yaml"
    keys.write_text("{}")
    access.write_text("bindings: []")
    keys.chmod(0o600)
    options = "--key-file", str(keys), "--access-file", str(access), "--auth", "keys"
    with serve(tmp_path, *options) as server:
        keys.write_text(f"{LOCATION}/keyRings/r/cryptoKeys/k: {'A' * 43}=")
        server.process.send_signal(signal.SIGHUP)
        while "reloaded: 0 queues, 1 encryption keys, access file" not in server.log():
            pass
        access.write_text("bindings: 7")
        server.process.send_signal(signal.SIGHUP)
        while "reload failed, nothing has changed: --access-file: " not in server.log():
            pass
        assert server.stop() == 0

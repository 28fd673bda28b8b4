"""gRPC and REST through the reverse proxies of the examples."""

import contextlib
import http
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
import requests
from dockerfile import ROOT
from google.api_core import exceptions
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from certificates import Authority
from processes import LOCATION, PATIENCE, QUEUE, http_task, serve

DEPLOY = ROOT / "deploy"


class Proxy(NamedTuple):
    """A running proxy.

    Attributes:
        address: Its address.
        authority: The file of the authority of its certificate; None without TLS.
    """

    address: str
    authority: str | None

    @property
    def url(self):
        return f"{'https' if self.authority else 'http'}://{self.address}"

    @contextlib.contextmanager
    def client(self):
        with self._channel() as channel:
            yield tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))

    def _channel(self):
        if self.authority is None:
            return grpc.insecure_channel(self.address)
        credentials = grpc.ssl_channel_credentials(Path(self.authority).read_bytes())
        return grpc.secure_channel(self.address, credentials)

    def request(self, method, path, **options):
        url, verify = f"{self.url}{path}", self.authority or True
        return requests.request(method, url, verify=verify, timeout=PATIENCE, **options)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def running(command, port, folder, **environment):
    """Run a proxy until it accepts connections."""
    with (
        (folder / "proxy.log").open("w") as log,
        subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | environment, cwd=folder
        ) as process,
    ):
        try:
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port), PATIENCE).close()
                    break
                assert process.poll() is None, (folder / "proxy.log").read_text()
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


@contextlib.contextmanager
def nginx(server, folder):
    authority, port = Authority(), free_port()
    identity = authority.issue()
    files = {"cert.pem": identity.certificate, "key.pem": identity.key,
             "ca.pem": authority.certificate}  # fmt: skip
    for name, content in files.items():
        (folder / name).write_bytes(content)
    text = (DEPLOY / "nginx.conf").read_text()
    for old, new in {
        "listen 443": f"listen 127.0.0.1:{port}",
        "/etc/nginx/tls": str(folder),
        "server drayman:8123": f"server {server.grpc_address}",
    }.items():
        assert text.count(old) >= 1
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(text)
    directives = f"daemon off; pid {folder}/nginx.pid; error_log stderr;"
    command = ["nginx", "-c", str(folder / "nginx.conf"), "-g", directives]
    with running(command, port, folder):
        yield Proxy(f"localhost:{port}", str(folder / "ca.pem"))


@contextlib.contextmanager
def caddy(server, folder):
    port, upstream = free_port(), server.grpc_address.rsplit(":", 1)[1]
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    site = {"SITE": f":{port}", "UPSTREAM_NAME": "localhost", "UPSTREAM_PORT": upstream}
    with running(command, port, folder, **home, **site):
        yield Proxy(f"localhost:{port}", None)


def installed(proxy):
    missing = shutil.which(proxy.__wrapped__.__name__) is None
    return pytest.param(proxy, marks=pytest.mark.skipif(missing, reason="needs the proxy"))


@pytest.fixture(scope="module", params=[installed(nginx), installed(caddy)])
def proxy(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("proxy")
    with (
        serve(folder, "--host", "localhost", store="memory") as server,
        request.param(server, folder) as proxy,
    ):
        yield proxy


def test_tasks_are_created_over_grpc_and_delivered(proxy, worker):
    with proxy.client() as client:
        client.create_queue(parent=LOCATION, queue={"name": QUEUE})
        for number in range(20):
            client.create_task(parent=QUEUE, task=http_task(f"{worker.url}/{number}"))
        paths = {worker.await_delivery().path for _ in range(20)}
    assert paths == {f"/{number}" for number in range(20)}


def test_errors_keep_their_code_and_message_over_grpc(proxy):
    with proxy.client() as client:
        for _ in range(100):  # the end of a response may come with its header fields or after them
            with pytest.raises(exceptions.NotFound, match="Queue does not exist"):
                client.get_queue(name=f"{LOCATION}/queues/absent")


def test_rest_and_health_are_served_between_calls_of_grpc(proxy):
    with proxy.client() as client:
        for _ in range(5):  # on the connections that the proxy keeps
            assert list(client.list_queues(parent=f"{LOCATION}-none")) == []
            response = proxy.request("GET", f"/v2/{LOCATION}/queues/absent")
            assert (response.status_code, response.json()["error"]["status"]) == (404, "NOT_FOUND")
            assert proxy.request("GET", "/readyz").json() == {"status": "ready"}
            assert proxy.request("GET", "/drayman/v1/queues").status_code == 200


def test_large_requests_reach_the_server(proxy):
    task = http_task("http://a.example") | {"schedule_time": "nonsense " * (2 << 17)}
    response = proxy.request("POST", f"/v2/{QUEUE}/tasks", json={"task": task})
    assert response.status_code == 400
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_a_request_that_is_too_large_for_the_api_is_refused(proxy):
    response = proxy.request("POST", f"/v2/{QUEUE}/tasks", data=b"x" * (18 << 20))
    if proxy.authority is None:  # Caddy has no limit of its own
        assert response.json()["error"]["message"].startswith("Request payload size exceeds")
    else:
        assert response.status_code == http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_a_request_as_large_as_the_api_allows_is_not_refused_by_the_proxy(proxy):
    response = proxy.request(
        "POST",
        f"/v2/{QUEUE}/tasks",
        data=b" " * ((16 << 20) - 10) + b"{}",
        headers={"Content-Type": "application/json"},
    )
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"

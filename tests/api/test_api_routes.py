"""The routes over HTTP/1.1 besides REST: each is documented, and unknown paths are refused."""

import re
import types
from pathlib import Path

import pytest
import requests

from drayman.api import admin
from drayman.api.http import HttpApp
from drayman.api.request import Request
from drayman.core import role

DOCS = (Path(__file__).parents[2] / "docs" / "dispatch.md").read_text()


def documented_path(path):
    """Return a path template in the form of the documentation."""
    return path.replace("{task_id}", "ID").replace("{queue}", "QUEUE")


@pytest.mark.parametrize("call", admin.CALLS, ids=lambda call: call.name)
def test_every_call_of_the_admin_api_is_documented(call):
    assert re.search(rf"`{call.method} {re.escape(documented_path(call.path))}[?`]", DOCS)


@pytest.mark.parametrize("path", HttpApp(None).pages)
def test_every_page_is_documented(path):
    assert path in DOCS


@pytest.mark.parametrize("path", ["/healthz/", "/jwks/", "/healthz/x", "/.well-known/x", "/x"])
def test_other_paths_are_not_found(server, path):
    response = requests.get(f"{server.url}{path}", allow_redirects=False, timeout=30)
    assert response.status_code == 404
    assert response.json()["error"]["message"] == f"No such path: {path}"


@pytest.mark.parametrize("method", ["PUT", "HEAD", "OPTIONS"])
def test_a_method_that_a_path_does_not_have_is_not_found(server, location, method):
    path = f"{admin.PREFIX}{location}/queues/q/stats"
    response = requests.request(method, f"{server.url}{path}", timeout=30)
    assert response.status_code == 404
    if method != "HEAD":
        expected = f"No call has the method {method} and the path {path}."
        assert response.json()["error"]["message"] == expected


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/certs"])
def test_health_and_documents_are_served_by_any_method(server, path, method):
    response = requests.request(method, f"{server.url}{path}", timeout=30)
    assert response.status_code == 200
    assert (response.content == b"") == (method == "HEAD")
    assert int(response.headers["content-length"]) > 0


async def test_a_server_that_has_not_started_is_alive_but_not_ready():
    assert await get("/healthz") == 200
    assert await get("/readyz") == 503
    assert await get("/v2/projects/p/locations/l/queues/q") == 503


async def get(path):
    """Return the status of a response of a server that has not started."""
    app = HttpApp(types.SimpleNamespace(role=role.ALL))
    request = Request("GET", path, "", {})
    return (app.refuse(request) or await app.answer(request)).status

"""Secrets of requests and of tasks are in no log, and not in what is recorded of attempts."""

import contextlib
import json
import urllib.request

import pytest

from processes import LOCATION, PATIENCE, QUEUE, serve

QUERY = "SECRET-QUERY"
SECRETS = {
    "password": "SECRET-PASSWORD", "header": "SECRET-HEADER", "authorization": "SECRET-BEARER",
    "body": "SECRET-BODY", "api key": "SECRET-API-KEY", "caller": "SECRET-CALLER",
}  # fmt: skip


def call(server, method, path, content=None, query=""):
    """Call over REST with credentials; return the JSON value of the response."""
    request = urllib.request.Request(
        f"{server.http_url}{path}?key={SECRETS['api key']}{query}",
        None if content is None else json.dumps(content).encode(),
        {"Authorization": f"Bearer {SECRETS['caller']}", "Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


def task(url, **fields):
    headers = {"X-Secret": SECRETS["header"], "Authorization": SECRETS["authorization"]}
    body = "U0VDUkVULUJPRFk="  # the secret in base64
    request = {"url": url, "headers": headers, "body": body, "httpMethod": "POST"}
    return {"task": {"httpRequest": request | fields}}


@contextlib.contextmanager
def used_server(tmp_path, worker, *options):
    """Run a server that has delivered a task, failed one for good and refused calls."""
    authority = worker.url.removeprefix("http://")
    target = f"http://user:{SECRETS['password']}@{authority}/path?token={QUERY}"
    closed = f"http://user:{SECRETS['password']}@127.0.0.1:1/path?token={QUERY}"
    with serve(tmp_path, "--activity-log", "--log-level", "debug", *options) as server:
        queue = {
            "name": QUEUE,
            "retryConfig": {"maxAttempts": 1},
            "stackdriverLoggingConfig": {"samplingRatio": 1.0},
        }
        call(server, "POST", f"/v2/{LOCATION}/queues", queue)
        for url in (target, closed):
            assert "name" in call(server, "POST", f"/v2/{QUEUE}/tasks", task(url))
        wrong = [
            call(server, "POST", f"/v2/{QUEUE}/tasks", task("nonsense")),
            call(server, "POST", f"/v2/{QUEUE}/tasks", task(target, bodyy=1)),
            call(server, "POST", f"/v2/{QUEUE}/tasks", task(target, oidcToken=1)),
            call(server, "GET", f"/v2/{QUEUE}/tasks/none"),
            call(server, "GET", f"/v2/{QUEUE}", query="&$fields=("),
            call(server, "GET", "/no/such/path"),
        ]
        assert all("error" in each for each in wrong)
        worker.await_delivery()
        while len(attempts := call(server, "GET", f"/drayman/v1/{QUEUE}/attempts")["attempts"]) < 2:
            pass
        yield server, json.dumps([attempts, wrong])


@pytest.mark.parametrize("options", [(), ("--mask-queries",)])
def test_secrets_are_in_no_log_and_in_no_record(tmp_path, worker, options):
    with used_server(tmp_path, worker, *options) as (server, answers):
        server.stop()
        activity, log = server.process.stdout.read(), server.log()
    assert "127.0.0.1:1/path" in activity
    assert "127.0.0.1:1/path" in answers
    assert "failed permanently" in log
    assert "CreateTask refused" in log
    for name, secret in SECRETS.items():
        for place in (activity, log, answers):
            assert secret not in place, name
    assert QUERY not in log
    for place in (activity, answers):
        assert (QUERY in place) == (options == ())
        assert ("/path?***" in place) == (options != ())

"""BufferTask: a raw body over REST becomes a task of a queue with a target of its own."""

import base64
import gzip
import json

import pytest
import requests

URL = "http://a.example:8080/buffered?a=1"


@pytest.fixture
def buffer(cloud_tasks):
    def call(path, body=b"", verb="POST", **headers):
        url = f"http://{cloud_tasks.address}/v2/{path}"
        return requests.request(verb, url, data=body, headers=headers, timeout=30)

    return call


@pytest.fixture
def api(cloud_tasks):
    return cloud_tasks.client()


@pytest.fixture
def queue(api, location):
    name = f"{location}/queues/q"
    override = {
        "scheme": "HTTP",
        "host": "a.example",
        "port": 8080,
        "path_override": {"path": "/buffered"},
        "query_override": {"query_params": "a=1"},
    }
    target = {"uri_override": override}
    api.create_queue(parent=location, queue={"name": name, "http_target": target})
    return name


@pytest.fixture
def deliver(cloud_tasks):
    def deliver():
        assert cloud_tasks.run_all() == 1
        return cloud_tasks.deliveries[-1]

    return deliver


@pytest.mark.parametrize("verb", ["POST", "GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_body_is_delivered_to_the_queues_target(buffer, queue, deliver, verb):
    answer = buffer(f"{queue}/tasks:buffer", b'{"raw": 1}', verb, **{"Content-Type": "text/x"})
    assert answer.status_code == 200, answer.text
    task = answer.json()["task"]
    assert task["name"].startswith(f"{queue}/tasks/")
    assert task["httpRequest"]["url"] == URL
    assert task["view"] == "BASIC"
    assert "body" not in task["httpRequest"]
    delivery = deliver()
    assert (delivery.method, delivery.url, delivery.body) == ("POST", URL, b'{"raw": 1}')
    assert delivery.headers["Content-Type"] == "text/x"


def test_a_task_may_have_an_id(buffer, queue, deliver):
    answer = buffer(f"{queue}/tasks/mine:buffer")
    assert answer.json()["task"]["name"] == f"{queue}/tasks/mine"
    deliver()
    error = buffer(f"{queue}/tasks/mine:buffer").json()["error"]
    assert error["status"] == "ALREADY_EXISTS"
    error = buffer(f"{queue}/tasks/a.b:buffer").json()["error"]
    assert error["message"].startswith('Task ID "a.b" can contain only letters')


def test_an_empty_id_is_none(buffer, queue, deliver):
    answer = buffer(f"{queue}/tasks/:buffer", b"from gcloud")
    assert answer.status_code == 200, answer.text
    assert answer.json()["task"]["name"].removeprefix(f"{queue}/tasks/").isdecimal()
    assert deliver().body == b"from gcloud"


def test_a_wrapped_body_is_unwrapped(buffer, queue, deliver):
    wrapped = {"body": {"contentType": "text/y", "data": base64.b64encode(b"in?>").decode()}}
    buffer(f"{queue}/tasks:buffer", json.dumps(wrapped), **{"Content-Type": "application/json"})
    delivery = deliver()
    assert (delivery.body, delivery.headers["Content-Type"]) == (b"in?>", "text/y")
    for raw in (
        '{"body": {"other": 1}}',
        '{"body": 1}',
        '{"a": 1}',
        "{",
        '{"body": {"data": "aGk="}}',
        '{"body": {"contentType": 1, "data": "aGk="}}',
        '{"body": {"contentType": "text/y", "data": "aGk=", "mine": 1}}',
        '{"body": {"contentType": "text/y", "data": "aGk="}, "mine": 1}',
    ):
        buffer(f"{queue}/tasks:buffer", raw, **{"Content-Type": "application/json"})
        assert deliver().body == raw.encode()


@pytest.mark.parametrize("data", ['"!"', "1", "null", "{}"])
def test_wrapped_data_that_is_not_base64_is_refused(buffer, queue, data):
    wrapped = f'{{"body": {{"contentType": "text/y", "data": {data}}}}}'
    answer = buffer(f"{queue}/tasks:buffer", wrapped, **{"Content-Type": "application/json"})
    error = answer.json()["error"]
    assert (answer.status_code, error["message"]) == (400, "body.data must be a text of base64.")
    assert "details" not in error


def test_a_compressed_body_is_delivered_decompressed(buffer, queue, deliver):
    buffer(f"{queue}/tasks:buffer", gzip.compress(b"plain"), **{"Content-Encoding": "gzip"})
    assert deliver().body == b"plain"


@pytest.mark.parametrize("verb", ["HEAD", "TRACE"])
def test_head_and_trace_create_nothing(buffer, queue, api, verb):
    api.pause_queue(name=queue)
    assert buffer(f"{queue}/tasks:buffer", b"", verb).status_code == 404
    override = {"X-HTTP-Method-Override": verb}
    assert buffer(f"{queue}/tasks:buffer", b"", **override).status_code == 404
    assert list(api.list_tasks(parent=queue)) == []


def test_a_method_override_changes_nothing_of_the_task(buffer, queue, deliver):
    answer = buffer(f"{queue}/tasks:buffer", b"b", **{"X-HTTP-Method-Override": "PATCH"})
    assert answer.json()["task"]["httpRequest"]["httpMethod"] == "POST"
    assert deliver().method == "POST"


def test_unknown_parameters_are_refused_as_of_other_calls(buffer, queue, api):
    api.pause_queue(name=queue)
    error = buffer(f"{queue}/tasks:buffer?a=1").json()["error"]
    assert 'Unknown name "a": Cannot bind query parameter.' in error["message"]
    assert buffer(f"{queue}/tasks:buffer?key=1&prettyPrint=false").status_code == 200


def test_a_queue_without_a_target_of_its_own_is_refused(buffer, api, location):
    name = f"{location}/queues/bare"
    api.create_queue(parent=location, queue={"name": name})
    error = buffer(f"{name}/tasks:buffer").json()["error"]
    assert error["status"] == "FAILED_PRECONDITION"
    error = buffer(f"{location}/queues/none/tasks:buffer").json()["error"]
    assert error["status"] == "NOT_FOUND"
    error = buffer(f"{location}/queues/a_b/tasks:buffer").json()["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    error = buffer("projects/a_b/locations/l/queues/q/tasks:buffer").json()["error"]
    assert error["status"] == "PERMISSION_DENIED"

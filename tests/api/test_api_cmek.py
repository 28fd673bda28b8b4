"""Encryption of tasks at rest: what is on the disk, and what happens without the key."""

import base64
import datetime
import sqlite3

import pytest
import requests
from google.cloud import tasks_v2

from drayman import files
from drayman.core.clock import MINUTE
from drayman.core.events import AttemptEnded, CmekChanged
from drayman.settings import SettingsError
from error_details import details_of
from live import LiveServer, Worker

LOCATION = "projects/p/locations/l"
KEY = f"{LOCATION}/keyRings/r/cryptoKeys/k"
QUEUE = f"{LOCATION}/queues/q"
SECRET = b"the secret of the body"
FULL = tasks_v2.Task.View.FULL


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.yaml"
    path.write_text(f"{KEY}: {base64.b64encode(bytes(range(32))).decode()}\n")
    return str(path)


@pytest.fixture(params=["grpc", "rest"])
def start(request, tmp_path):
    running = []

    def begin(**settings):
        stop()
        live = LiveServer(store=f"sqlite:{tmp_path}/d.db", **settings)
        client = live.client(request.param)
        running.append((live, client))
        return live, client

    def stop():
        while running:
            live, client = running.pop()
            client.transport.close()
            live.stop()

    yield begin
    stop()


def set_key(client, key):
    name = f"{LOCATION}/cmekConfig"
    return client.update_cmek_config(cmek_config={"name": name, "kms_key": key})


def prepare(client):
    client.create_queue(parent=LOCATION, queue={"name": QUEUE})
    client.pause_queue(name=QUEUE)


def create(client, url="http://example.com/", task_id="t"):
    request = {"url": url, "body": SECRET, "headers": {"X-Secret": "of the header"}}
    task = {"name": f"{QUEUE}/tasks/{task_id}", "http_request": request}
    return client.create_task(request={"parent": QUEUE, "task": task, "response_view": FULL})


def stored(live):
    path = live.server.store.url.removeprefix("sqlite:")
    live.run(live.server.stop())
    connection = sqlite3.connect(path)
    requests = [row[0] for row in connection.execute("SELECT request FROM task ORDER BY seq")]
    connection.close()
    return requests


def test_a_location_has_no_key_until_one_is_set(start, keys, refused):
    _, client = start(key_file=keys)
    name = f"{LOCATION}/cmekConfig"
    assert client.get_cmek_config(name=name) == tasks_v2.CmekConfig(name=name)
    assert set_key(client, KEY) == tasks_v2.CmekConfig(name=name, kms_key=KEY)
    assert client.get_cmek_config(name=name).kms_key == KEY
    assert set_key(client, "").kms_key == ""
    other = f"{LOCATION}/keyRings/r/cryptoKeys/other"
    message = f"The key {other} is not available; it must be in the file given by --key-file."
    refused("FAILED_PRECONDITION", message, set_key, client, other)
    message = "Resource name [not-a-key] does not match any known resource name pattern."
    error = refused("INVALID_ARGUMENT", message, set_key, client, "not-a-key")
    assert details_of(error) == []


def test_a_mask_names_the_key_or_changes_nothing(start, keys, refused):
    _, client = start(key_file=keys)
    config = {"name": f"{LOCATION}/cmekConfig", "kms_key": KEY}

    def update(*paths):
        return client.update_cmek_config(cmek_config=config, update_mask={"paths": paths}).kms_key

    refused("INVALID_ARGUMENT", "Invalid mask: bogus", update, "bogus")
    assert [update(), update("name"), update("kms_key", "name")] == ["", "", KEY]


def test_a_name_of_another_form_is_refused(clients, refused):
    message = (
        'CMEK Config name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/'
        'cmekConfig".'
    )
    for name in (LOCATION, f"{LOCATION}/kmsConfig"):
        get = clients["grpc"].get_cmek_config
        error = refused("INVALID_ARGUMENT", message, get, name=name)
        assert details_of(error) == []
        config = {"name": name}
        update = clients["grpc"].update_cmek_config
        refused("INVALID_ARGUMENT", message, update, cmek_config=config)


def test_encryption_cannot_begin_while_a_queue_overrides_headers(start, keys, refused):
    """Recorded: CMEK; before the key is checked."""
    _, client = start(key_file=keys)
    headers = {"header_overrides": [{"header": {"key": "A", "value": "1"}}]}
    client.create_queue(parent=LOCATION, queue={"name": QUEUE, "http_target": headers})
    message = (
        "CMEK cannot be enabled on any project that has one or more queues with HTTP Target "
        "Override headers or tasks ttl of more than 60 days."
    )
    error = refused("FAILED_PRECONDITION", message, set_key, client, "not-a-key")
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "UNSATISFIED_PRECONDITION_FOR_CMEK",
        "domain": "cloudtasks.googleapis.com",
    }
    assert details_of(error) == [info]
    assert set_key(client, "").kms_key == ""
    client.update_queue(queue={"name": QUEUE})
    assert set_key(client, KEY).kms_key == KEY
    client.update_queue(queue={"name": QUEUE, "http_target": headers})
    assert set_key(client, KEY).kms_key == KEY  # it has begun


def test_body_and_headers_are_unreadable_on_the_disk_and_readable_by_the_api(start, keys):
    live, client = start(key_file=keys)
    prepare(client)
    create(client, task_id="before")
    set_key(client, KEY)
    task = create(client)
    assert task.http_request.body == SECRET
    assert task.http_request.headers["X-Secret"] == "of the header"
    assert client.get_task(request={"name": task.name, "response_view": FULL}) == task
    batch = client.batch_create_tasks(
        parent=QUEUE,
        requests=[{"parent": QUEUE, "task": {"http_request": {"url": "http://a", "body": SECRET}}}],
    )
    assert len(batch.result().tasks) == 1
    before, after, of_batch = stored(live)
    assert SECRET in before
    for sealed in (after, of_batch):
        assert SECRET not in sealed
        assert b"of the header" not in sealed
    assert b"http://example.com/" in after


def test_the_result_of_a_batch_is_unreadable_on_the_disk_too(start, keys, tmp_path, refused):
    live, client = start(key_file=keys)
    prepare(client)
    set_key(client, KEY)
    request = {"url": "http://a", "body": SECRET, "headers": {"X-Secret": "of the header"}}
    too_late = {"schedule_time": datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)}
    batch = {
        "parent": QUEUE,
        "request_id": "once",
        "requests": [
            {"parent": QUEUE, "task": {"http_request": request}, "response_view": FULL},
            {"parent": QUEUE, "task": {"http_request": request}},
            {"parent": QUEUE, "task": {"http_request": request} | too_late},
        ],
    }
    first = client.batch_create_tasks(request=batch)
    assert "2099-12-31" in first.metadata.failed_requests[2].message
    full, basic = first.result().tasks
    assert (full.http_request.body, basic.http_request.body) == (SECRET, b"")
    assert basic.http_request.headers["X-Secret"] == "of the header"
    name = first.operation.name
    assert client.get_operation({"name": name}) == first.operation
    files = [tmp_path / "d.db", tmp_path / "d.db-wal"]
    live.run(live.store.check())
    on_disk = b"".join(path.read_bytes() for path in files if path.exists())
    assert b"operations/once" in on_disk
    for secret in (SECRET, b"of the header", b"2099-12-31"):
        assert secret not in on_disk

    live, client = start()  # without the key
    message = f"The key {KEY} is not available; it must be in the file given by --key-file."
    refused("FAILED_PRECONDITION", message, client.get_operation, {"name": name})
    answer = requests.get(f"{live.url}/v2/{LOCATION}/operations", timeout=30).json()
    assert answer == {"operations": [{"name": name, "done": True}]}


def test_tasks_are_delivered_decrypted_and_not_at_all_without_the_key(start, keys):
    worker = Worker()
    live, client = start(key_file=keys)
    prepare(client)
    set_key(client, KEY)
    create(client, worker.url, "first")
    create(client, worker.url, "second")
    client.run_task(name=f"{QUEUE}/tasks/first")
    delivery = worker.next()
    assert delivery.body == SECRET
    assert delivery.headers["X-Secret"] == "of the header"

    live, client = start()
    name = f"{QUEUE}/tasks/second"
    client.run_task(name=name)
    live.next_event(AttemptEnded)
    attempt = client.get_task(name=name).last_attempt
    reason = f"The key {KEY} is not available; it must be in the file given by --key-file."
    assert attempt.response_status.message == f"FAILED_PRECONDITION(9): {reason}"
    assert worker.deliveries.empty()

    live, client = start(key_file=keys)
    live.advance(MINUTE)
    client.run_task(name=name)
    assert worker.next().body == SECRET
    worker.stop()


def test_without_the_key_bodies_are_refused_and_the_rest_is_shown(start, keys, refused):
    _, client = start(key_file=keys)
    prepare(client)
    set_key(client, KEY)
    name = create(client).name
    _, client = start()
    assert client.get_task(name=name).http_request.url == "http://example.com/"
    assert [task.name for task in client.list_tasks(parent=QUEUE)] == [name]
    reason = f"The key {KEY} is not available; it must be in the file given by --key-file."
    full = {"name": name, "response_view": FULL}
    refused("FAILED_PRECONDITION", reason, client.get_task, full)
    refused("FAILED_PRECONDITION", reason, create, client, task_id="new")
    set_key(client, "")
    create(client, task_id="new")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "must contain names of keys"),
        ("k: AAAA", '"k" is not of the form'),
        (f"{KEY}: AAAA", "must be 16, 24 or 32 bytes in base64"),
        (f"{KEY}: '!'", "must be 16, 24 or 32 bytes in base64"),
        ("{", "is not YAML"),
    ],
)
def test_the_error_of_an_invalid_key_file_names_the_reason(tmp_path, text, reason):
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"^--key-file: ") as caught:
        files.load_keys(str(path))
    assert reason in str(caught.value)


def test_a_key_that_is_set_or_removed_is_an_event(start, keys):
    live, client = start(key_file=keys)
    for key in (KEY, ""):
        set_key(client, key)
        changed = live.next_event(CmekChanged)
        assert changed == CmekChanged(LOCATION, key, live.clock.now(), "127.0.0.1")

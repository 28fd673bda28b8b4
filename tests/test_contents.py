"""What a reload applies, and files that change nothing."""

import base64
import contextlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from certificates import Authority
from drayman.core.document import KMS_KEY, Document
from drayman.core.events import Reloaded, ReloadFailed
from drayman.settings import SettingsError
from live import PATIENCE, LiveServer, Worker

LOCATION = "projects/p/locations/l"
QUEUE = f"{LOCATION}/queues/q"
KEY_RING = f"{LOCATION}/keyRings/r/cryptoKeys"


@contextlib.contextmanager
def serving(**settings):
    live = LiveServer(**settings)
    try:
        yield live
    finally:
        live.stop()


def key_file(*names):
    material = base64.b64encode(bytes(32)).decode()
    return "".join(f"{KEY_RING}/{name}: {material}\n" for name in names) or "{}"


def set_kms_key(live, name):
    status, _ = live.request(
        "PATCH", f"/v2/{LOCATION}/cmekConfig", {"kmsKey": f"{KEY_RING}/{name}"}
    )
    return status


def reload(live):
    """Reload, and return the event of it."""
    loaded = live.run(live.server.reload())
    return live.next_event(Reloaded if loaded else ReloadFailed)


def test_a_new_encryption_key_can_be_used_after_a_reload(tmp_path):
    path = tmp_path / "keys.yaml"
    path.write_text(key_file("old"))
    with serving(key_file=str(path)) as live:
        assert set_kms_key(live, "new") == 400
        path.write_text(key_file("old", "new"))
        assert reload(live) == Reloaded("0 queues, 2 encryption keys")
        assert set_kms_key(live, "new") == 200


def test_a_key_file_without_a_key_in_use_changes_nothing(tmp_path):
    path = tmp_path / "keys.yaml"
    path.write_text(key_file("used"))
    with serving(key_file=str(path)) as live:
        assert set_kms_key(live, "used") == 200
        path.write_text(key_file("other"))
        (problem,) = reload(live).problems
        assert problem == (
            f"--key-file: tasks of {LOCATION} are encrypted with {KEY_RING}/used, which it does "
            "not have; add that key, or inspect the store with --no-dispatch"
        )
        assert set_kms_key(live, "other") == 400
        assert set_kms_key(live, "used") == 200


def signing_key():
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def key_ids(live):
    return {each["kid"] for each in live.request("GET", "/jwks")[1]["keys"]}


def deliver_with_token(live, worker, number):
    """Deliver a task with a token, for an audience of its own."""
    token = {"serviceAccountEmail": "a@b.example", "audience": f"for-{number}"}
    task = {"httpRequest": {"url": worker.url, "oidcToken": token}}
    assert live.request("POST", f"/v2/{QUEUE}/tasks", {"task": task})[0] == 200
    worker.deliveries.get(timeout=PATIENCE)


def test_tokens_are_signed_by_the_new_key_and_those_of_the_old_stay_valid(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(signing_key())
    worker = Worker()
    settings = {"signing_key": str(path), "allow_http_tokens": "true", "queue": [QUEUE]}
    with serving(**settings) as live:
        deliver_with_token(live, worker, 1)
        (first,) = key_ids(live)
        path.write_bytes(signing_key())
        assert reload(live) == Reloaded("1 queues, signing key")
        deliver_with_token(live, worker, 2)
        assert len(key_ids(live) - {first}) == 1
        assert first in key_ids(live)
        path.write_text("no key")
        assert reload(live).problems[0].startswith(f"--signing-key: {path} cannot be used: ")
    worker.stop()


def test_a_wrong_location_in_the_queue_file_changes_nothing(tmp_path):
    path = tmp_path / "queues.yaml"
    path.write_text("queues: []")
    with serving(queue_file=str(path), location=["l"]) as live:
        path.write_text(f"queues: [{{name: {QUEUE}}}, {{name: projects/p/locations/x/queues/q}}]")
        assert "x" in reload(live).problems[0]
        assert live.request("GET", f"/v2/{QUEUE}")[0] == 404


def wrong_files(folder):
    """Write files that cannot be used; return the settings that name them."""
    names = ("queue_file", "key_file", "signing_key", "access_file", "tls_cert")
    for name in names:
        (folder / name).write_text("7")
    return {name: str(folder / name) for name in names} | {"auth": "keys"}


def test_a_start_reports_all_files_that_cannot_be_used(tmp_path):
    with pytest.raises(SettingsError) as caught:
        LiveServer(**wrong_files(tmp_path), targets="nowhere", queue=[QUEUE], location=["x"])
    starts = "targets", "queue-file", "key-file", "signing-key", "access-file", "tls-cert"
    assert [line.split(":")[0] for line in caught.value.args] == [f"--{each}" for each in starts]


def test_a_reload_reports_all_files_that_cannot_be_used(tmp_path):
    settings, identity = wrong_files(tmp_path), Authority().issue()
    for name, text in (("queue_file", "queues: []"), ("key_file", "{}"), ("access_file", "{}")):
        (tmp_path / name).write_text(text)
    (tmp_path / "signing_key").write_bytes(signing_key())
    (tmp_path / "tls_cert").write_bytes(identity.key + identity.certificate)
    with serving(**settings) as live:
        wrong_files(tmp_path)
        problems = reload(live).problems
    starts = "queue-file", "key-file", "signing-key", "access-file", "tls-cert"
    assert [line.split(":")[0] for line in problems] == [f"--{each}" for each in starts]


def test_each_queue_outside_of_the_locations_is_named(tmp_path):
    path = tmp_path / "queues.yaml"
    path.write_text(f"queues: [{{name: {QUEUE}}}]")
    with pytest.raises(SettingsError) as caught:
        LiveServer(queue_file=str(path), queue=[f"{QUEUE}2"], location=["x"])
    assert [line.split(":")[0] for line in caught.value.args] == [QUEUE, f"{QUEUE}2"]


def test_a_server_without_the_key_of_its_store_does_not_start_but_can_inspect_it(tmp_path):
    path, store = tmp_path / "keys.yaml", f"sqlite:{tmp_path}/tasks.db"
    path.write_text(key_file("used"))
    with serving(store=store, key_file=str(path), queue=[QUEUE]) as live:
        assert set_kms_key(live, "used") == 200
        live.request("POST", f"/v2/{QUEUE}:pause", {})
        task = {"httpRequest": {"url": "http://a.example", "body": "c2VjcmV0"}}
        live.request("POST", f"/v2/{QUEUE}/tasks", {"task": task})
    with pytest.raises(SettingsError, match="--key-file: tasks of projects/p/locations/l are encr"):
        LiveServer(store=store)
    with serving(store=store, no_dispatch="true") as live:
        _, listed = live.request("GET", f"/v2/{QUEUE}/tasks")
        assert "dispatchCount" not in listed["tasks"][0]


def test_the_kms_keys_of_all_locations_are_checked():
    with serving() as live:
        for number in range(1_001):
            document = Document(KMS_KEY, f"projects/p/locations/l{number:04}", b"key")
            live.begin(live.store.put_document(document))
        live.run(live.store.put_document(Document(KMS_KEY, "projects/p/locations/z", b"last")))
        assert len(reload(live).problems) == 1_002

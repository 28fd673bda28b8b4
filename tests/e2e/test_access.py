"""Keys made and revoked by one process while another serves, under load and across a crash."""

import subprocess
import sys

import pytest
from google.api_core import exceptions

from processes import LOCATION, PATIENCE, QUEUE, environment, http_task, run_to_end, serve

IDLE = http_task("https://example.com")


def keys(tmp_path, *arguments):
    """Run ``drayman keys`` on the store of the server; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "drayman", "keys", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
        env=environment(DRAYMAN_STORE=f"sqlite:{tmp_path / 'tasks.db'}"),
    )
    assert done.stderr == ""
    return done.stdout.strip()


def create_until_refused(client, options):
    """Create tasks until a key is refused; return how many. It is revoked within a second."""
    created = 0
    while True:
        try:
            client.create_task({"parent": QUEUE, "task": IDLE}, **options)
        except exceptions.InvalidArgument as error:
            assert error.message == "API key not valid. Please pass a valid API key."  # noqa: PT017
            return created
        created += 1


def test_keys_come_and_go_beside_a_server_that_writes(tmp_path):
    owner = keys(tmp_path, "create", "owner", "--role", "roles/owner")
    with serve(tmp_path, "--auth", "keys") as server, server.client() as client:
        as_owner = {"metadata": [("x-goog-api-key", owner)]}
        client.create_queue({"parent": LOCATION, "queue": {"name": QUEUE}}, **as_owner)
        client.pause_queue({"name": QUEUE}, **as_owner)
        enqueuer = keys(tmp_path, "create", "web", "--role", "roles/cloudtasks.enqueuer")
        as_web, created = {"metadata": [("x-goog-api-key", enqueuer)]}, 0
        while created < 100:  # a new key is accepted within a second
            try:
                client.create_task({"parent": QUEUE, "task": IDLE}, **as_web)
                created += 1
            except exceptions.InvalidArgument:
                assert created == 0
        with pytest.raises(exceptions.PermissionDenied, match=r"cloudtasks\.tasks\.list"):
            client.list_tasks({"parent": QUEUE}, **as_web)
        keys(tmp_path, "revoke", "web")
        created += create_until_refused(client, as_web)
        server.kill()
    with serve(tmp_path, "--auth", "keys") as server, server.client() as client:
        assert len(list(client.list_tasks({"parent": QUEUE}, **as_owner))) == created
        with pytest.raises(exceptions.InvalidArgument, match="API key not valid"):
            client.create_task({"parent": QUEUE, "task": IDLE}, **as_web)


def test_a_server_open_to_others_refuses_to_start_or_warns(tmp_path):
    refused = run_to_end("--host", "0.0.0.0", "--port", "0", "--store", "memory")
    assert refused.returncode == 2
    assert refused.stderr == (
        "drayman: --auth none: every caller that reaches --host 0.0.0.0 could do everything; "
        "choose --auth keys or oidc, or allow it with --insecure\n"
    )
    with serve(tmp_path, "--host", "0.0.0.0", "--insecure", store="memory") as server:
        server.await_log("authentication is off: every caller that reaches 0.0.0.0")
    with serve(tmp_path, "--host", "0.0.0.0", "--auth", "keys", store="memory") as server:
        assert "authentication is off" not in server.log()

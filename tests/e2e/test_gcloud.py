"""Google's command line, ``gcloud tasks``, works against the server (where it is installed)."""

import json
import shutil
import subprocess

import pytest

import processes

pytestmark = pytest.mark.skipif(shutil.which("gcloud") is None, reason="needs gcloud")


@pytest.fixture
def gcloud(tmp_path):
    """Run ``gcloud tasks`` as docs/cli.md has it; return the JSON that it prints."""
    with processes.serve(tmp_path) as server:
        environment = processes.environment(
            CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDTASKS=f"{server.http_url}/",
            CLOUDSDK_AUTH_DISABLE_CREDENTIALS="true",
            CLOUDSDK_CORE_PROJECT="shop",
            CLOUDSDK_CORE_DISABLE_PROMPTS="1",
            CLOUDSDK_CONFIG=str(tmp_path / "gcloud"),
        )

        def run(*arguments):
            done = subprocess.run(
                ["gcloud", "tasks", *arguments, "--location", "here", "--format", "json"],
                env=environment, capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout or "null")

        yield run


def test_queues_and_tasks_are_created_and_listed(gcloud):
    override = ("--http-uri-override", "host:localhost,port:9,scheme:http")
    gcloud("queues", "create", "mail", "--max-attempts", "5", *override)
    gcloud("queues", "pause", "mail")
    options = ("--queue", "mail")
    gcloud("create-http-task", "t1", *options, "--url", "http://localhost:9/")
    gcloud("buffer", *options)
    ids = [task["name"].rpartition("/")[2] for task in gcloud("list", *options)]
    assert len(ids) == 2
    assert "t1" in ids
    (queue,) = gcloud("queues", "list")
    assert (queue["state"], queue["retryConfig"]["maxAttempts"]) == ("PAUSED", 5)

"""The client's examples run against a real server, and their tasks are delivered."""

import collections
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import processes

EXAMPLES = Path(__file__).parents[2] / "examples"
QUEUE = "projects/my-project-id/locations/us-central1/queues/my-queue"


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    with processes.serve(tmp_path, "--queue", QUEUE, store="memory") as served:
        monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", served.grpc_address)
        yield served


@pytest.mark.usefixtures("served")
async def test_async_tasks_are_created_listed_and_deleted(worker, capsys):
    import async_tasks  # noqa: PLC0415 - an example, found through the fixture

    assert len(await async_tasks.main(worker.url)) == 3
    assert capsys.readouterr().out.count("- projects/") == 3


@pytest.mark.usefixtures("served")
def test_bulk_tasks_are_all_delivered(worker):
    import bulk_tasks  # noqa: PLC0415 - the same

    assert bulk_tasks.main(worker.url, 250) == 250
    bodies = collections.Counter(json.loads(worker.await_delivery().body)["to"] for _ in range(250))
    assert bodies == collections.Counter(f"user-{n}@example.com" for n in range(250))


def test_a_task_over_rest_is_created_once(served, worker, capsys):
    import rest_tasks  # noqa: PLC0415 - the same

    assert rest_tasks.main(served.http_url, worker.url).name.endswith("/tasks/invoice-2030-01")
    assert "was not created" in capsys.readouterr().out


@pytest.mark.usefixtures("served")
def test_an_order_of_the_web_application_is_delivered(worker):
    command = [sys.executable, "-m", "uvicorn", "--port", "0", "fastapi_producer:app"]
    with subprocess.Popen(
        command,
        cwd=EXAMPLES,
        env=processes.environment(WORKER=worker.url),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            line = next(line for line in process.stderr if "running on" in line)
            url = line.split("running on ")[1].split()[0]
            order = json.dumps({"id": 7}).encode()
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{url}/orders", order, headers)
            with urllib.request.urlopen(request, timeout=processes.PATIENCE) as response:
                assert response.status == 202
                task = json.load(response)["task"]
            delivered = worker.await_delivery()
            assert delivered.task_id == task.rpartition("/")[2]
            assert json.loads(delivered.body) == {"id": 7}
        finally:
            process.terminate()

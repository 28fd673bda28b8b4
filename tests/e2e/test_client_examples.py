"""The client's examples run against a real server, and what they ask for arrives."""

import collections
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import processes
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
QUEUE = "projects/my-project-id/locations/us-central1/queues/my-queue"


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    with processes.serve(tmp_path, "--queue", QUEUE, store="memory") as served:
        monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", served.grpc_address)
        yield served


@pytest.mark.usefixtures("served")
async def test_async_tasks(worker, capsys):
    import async_tasks  # noqa: PLC0415 - an example, found through the fixture

    assert len(await async_tasks.main(worker.url)) == 3
    assert capsys.readouterr().out.count("- projects/") == 3


@pytest.mark.usefixtures("served")
def test_bulk_tasks(worker):
    import bulk_tasks  # noqa: PLC0415 - the same

    assert bulk_tasks.main(worker.url, 250) == 250
    bodies = collections.Counter(json.loads(worker.await_delivery().body)["to"] for _ in range(250))
    assert bodies == collections.Counter(f"user-{n}@example.com" for n in range(250))


def test_rest_tasks(served, worker, capsys):
    import rest_tasks  # noqa: PLC0415 - the same

    assert rest_tasks.main(served.http_url, worker.url).name.endswith("/tasks/invoice-2030-01")
    assert "and only once" in capsys.readouterr().out


@pytest.mark.usefixtures("served")
def test_fastapi_producer(worker):
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
            asked = urllib.request.Request(f"{url}/orders", order, headers)
            with urllib.request.urlopen(asked, timeout=processes.PATIENCE) as answer:
                assert answer.status == 202
                task = json.load(answer)["task"]
            delivered = worker.await_delivery()
            assert delivered.task_id == task.rpartition("/")[2]
            assert json.loads(delivered.body) == {"id": 7}
        finally:
            process.terminate()

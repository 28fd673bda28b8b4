"""A server with test endpoints in a process of its own, and a worker that it delivers to."""

import json
import urllib.error
import urllib.request

import processes
from processes import QUEUE

WARNING = "test endpoints are on: every caller may delete all queues and tasks at once"


def call(server, path, content=None, method="POST"):
    """Make a call; return the status and the JSON value of the response."""
    body = json.dumps(content or {}).encode() if method == "POST" else None
    url = f"{server.http_url}/drayman/v1/testing{path}"
    try:
        request = urllib.request.Request(url, body, method=method)
        with urllib.request.urlopen(request, timeout=processes.PATIENCE) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_with_a_manual_clock_attempts_wait_for_calls_and_go_over_http(tmp_path):
    options = ["--manual-clock", "--queue", QUEUE]
    with (
        processes.run_worker() as worker,
        processes.serve(tmp_path, *options, store="memory") as server,
        server.client() as client,
    ):
        call(server, ":reset", {"startTime": "2030-01-01T00:00:00Z"})
        task = processes.http_task(f"{worker.url}/work", schedule_time="2030-01-30T00:00:00Z")
        client.create_task(parent=QUEUE, task=task)
        call(server, "/responses", {"url": f"{worker.url}/*", "responses": [503]})
        assert call(server, "/clock:advance", {"by": "28d"})[1]["attempts"] == 0
        assert worker.arrived.empty()
        assert call(server, "/clock:runAll")[1]["attempts"] == 2
        assert worker.await_delivery().headers["X-CloudTasks-TaskRetryCount"] == "1"
        _, value = call(server, "/deliveries", method="GET")
        assert [each["status"] for each in value["deliveries"]] == [503, 200]

        worker.shutdown()
        worker.server_close()
        client.create_task(parent=QUEUE, task=processes.http_task(f"{worker.url}/late"))
        call(server, "/clock:runNext")
        _, value = call(server, "/deliveries", method="GET")
        assert "status" not in value["deliveries"][-1]
        assert value["deliveries"][-1]["error"]

        assert server.stop() == 0
        assert WARNING in server.log()


def test_in_real_time_a_test_waits_until_tasks_are_done_and_resets(tmp_path):
    options = ["--test-endpoints", "--queue", QUEUE]
    with (
        processes.run_worker() as worker,
        processes.serve(tmp_path, *options) as server,
        server.client() as client,
    ):
        client.create_task(parent=QUEUE, task=processes.http_task(f"{worker.url}/hold"))
        worker.await_delivery()
        for path, state in ((":waitIdle", "idle"), (":waitEmpty", "empty")):
            status, value = call(server, path, {"timeout": "50ms"})
            assert status == 504
            assert value["error"]["message"] == f"{QUEUE} is not {state} after 0.05 s."
        worker.release.set()
        for path in (":waitIdle", ":waitEmpty"):
            assert call(server, path, {"queue": QUEUE}) == (200, {})

        client.pause_queue(name=QUEUE)
        client.create_task(parent=QUEUE, task=processes.http_task(f"{worker.url}/held"))
        assert call(server, ":waitIdle") == (200, {})
        assert call(server, ":waitEmpty", {"timeout": "0s"})[0] == 504
        assert call(server, ":reset") == (200, {})
        assert call(server, ":waitEmpty") == (200, {})
        assert [*client.list_tasks(parent=QUEUE)] == []

        status, value = call(server, "/clock", method="GET")
        assert status == 404
        assert value["error"]["message"] == (
            "/drayman/v1/testing/clock needs a server with --manual-clock and --store memory."
        )
        status, value = call(server, ":reset", {"startTime": "2030-01-01T00:00:00Z"})
        assert status == 400
        assert value["error"]["message"] == "Only the clock of --manual-clock has a startTime."
        assert server.stop() == 0
        assert WARNING in server.log()

"""Run a server and a worker, and deliver tasks: ``make demo``.

All ports are free ones of this machine, and all files are removed at the end.
"""

import contextlib
import datetime
import http.server
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator

import app_engine_task
import http_task
import manage_tasks
import scheduled_task

from drayman import tasks

PATIENCE = 20
"""Seconds to wait for a delivery before the demo fails."""


class Worker(http.server.ThreadingHTTPServer):
    """An HTTP worker that responds with 200 and queues each delivery."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.delivered: queue.Queue[tuple[str, str]] = queue.Queue()


class Handler(http.server.BaseHTTPRequestHandler):
    server: Worker

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        task_id = self.headers.get("X-CloudTasks-TaskName") or self.headers["X-AppEngine-TaskName"]
        self.send_response(200)
        self.end_headers()
        self.server.delivered.put((task_id, f"POST {self.path} {body.decode()!r}"))

    def log_message(self, *_: object) -> None:
        """Log nothing: the demo prints its own lines."""


def show(line: str) -> None:
    print(line, flush=True)


def await_delivery(worker: Worker, task_id: str) -> None:
    try:
        arrived, description = worker.delivered.get(timeout=PATIENCE)
    except queue.Empty:
        raise SystemExit(f"FAILED: task {task_id} was not delivered in {PATIENCE} s") from None
    show(f"    >>> delivered: {description} (task {arrived})")
    if arrived != task_id:
        raise SystemExit(f"FAILED: task {arrived} arrived where {task_id} was expected")


@contextlib.contextmanager
def run_worker() -> Iterator[Worker]:
    with Worker() as worker:
        thread = threading.Thread(target=worker.serve_forever, daemon=True)
        thread.start()
        try:
            yield worker
        finally:
            worker.shutdown()
            thread.join()


@contextlib.contextmanager
def run_server(folder: str, app_engine: str) -> Iterator[str]:
    """Start ``drayman serve`` and yield the address of its API."""
    command = [
        sys.executable, "-m", "drayman", "serve", "--port", "0", "--http-port", "0",
        "--store", f"sqlite:{folder}/demo.db", "--app-engine-target", app_engine,
        "--queue", "projects/my-project-id/locations/us-central1/queues/my-queue",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ready = process.stdout.readline().strip()
        if not ready:
            raise SystemExit("FAILED: the server did not start; its message is above")
        show(ready)
        yield ready.split("grpc=")[1].split()[0]
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()


def short_id(task: tasks.Task) -> str:
    return str(task.name).rpartition("/")[2]


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)  # noqa: TID251 - a user's clock, not the server's


def run_examples(worker: Worker) -> None:
    show("\n1. An HTTP task")
    await_delivery(worker, short_id(http_task.main(worker.url)))

    show("\n2. A task three seconds ahead")
    await_delivery(worker, short_id(scheduled_task.main(worker.url, now())))

    show("\n3. An App Engine task")
    await_delivery(worker, short_id(app_engine_task.main()))

    show("\n4. List, get, run and delete")
    manage_tasks.main(worker.url, now())
    await_delivery(worker, "my-task")

    if not worker.delivered.empty():
        raise SystemExit(f"FAILED: {worker.delivered.get()} should not have been delivered")


def main() -> None:
    folder = tempfile.mkdtemp(prefix="drayman-demo-")
    try:
        with run_worker() as worker, run_server(folder, worker.url) as address:
            os.environ["CLOUD_TASKS_EMULATOR_HOST"] = address
            show(f"worker ready {worker.url}")
            run_examples(worker)
    finally:
        shutil.rmtree(folder)
    show("\nAll tasks arrived. A queue of your own: .venv/bin/drayman serve")


if __name__ == "__main__":
    main()

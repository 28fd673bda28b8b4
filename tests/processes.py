"""Helpers of end-to-end tests: a server in a process of its own, and an HTTP worker."""

import contextlib
import dataclasses
import http.server
import json
import os
import queue
import subprocess
import sys
import threading
import urllib.request

import grpc
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from drayman.core.clock import SECOND, SystemClock

PATIENCE = 30
LOCATION = "projects/p/locations/l"
QUEUE = f"{LOCATION}/queues/q"


@dataclasses.dataclass
class Delivered:
    path: str
    headers: dict
    body: bytes

    @property
    def task_id(self):
        return self.headers["X-CloudTasks-TaskName"]


class Worker(http.server.ThreadingHTTPServer):
    """Records deliveries; requests to /hold… wait until ``release`` is set."""

    daemon_threads = True
    request_queue_size = 1024  # the default of 5 makes a burst of connections hang

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.arrived = queue.Queue()
        self.release = threading.Event()

    def await_delivery(self):
        return self.arrived.get(timeout=PATIENCE)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.arrived.put(Delivered(self.path, dict(self.headers), body))
        if self.path.startswith("/hold"):
            self.server.release.wait(PATIENCE)
        with contextlib.suppress(ConnectionError):
            self.send_response(200)
            self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def run_worker():
    with Worker() as worker:
        thread = threading.Thread(target=worker.serve_forever, daemon=True)
        thread.start()
        try:
            yield worker
        finally:
            worker.release.set()
            worker.shutdown()
            thread.join(PATIENCE)


@dataclasses.dataclass
class Served:
    process: subprocess.Popen
    ready_line: str
    stderr: object

    @property
    def grpc_address(self):
        return self.ready_line.split("grpc=")[1].split()[0]

    @property
    def http_url(self):
        return self.ready_line.split("http=")[1].split()[0]

    @contextlib.contextmanager
    def client(self):
        """Google's own client, talking to this server."""
        with grpc.insecure_channel(self.grpc_address) as channel:
            yield tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))

    def get(self, path):
        try:
            with urllib.request.urlopen(self.http_url + path, timeout=PATIENCE) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def kill(self):
        """Kill it without a chance to stop (SIGKILL)."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def log(self):
        self.stderr.seek(0)
        return self.stderr.read()

    def await_log(self, text, count=1):
        """Wait until a text is in the log so many times: a thread of its own writes it."""
        until = SystemClock().now() + PATIENCE * SECOND
        while (log := self.log()).count(text) < count:
            assert SystemClock().now() < until, log


def command(*arguments, program=("-m", "drayman")):
    return [sys.executable, *program, "serve", *arguments]


def environment(**variables):
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("DRAYMAN_")}
    return inherited | variables


@contextlib.contextmanager
def serve(tmp_path, *arguments, store=None, files=None, unread=False, program=("-m", "drayman")):
    """Run a server on free ports; kill it at the end if it still runs.

    ``files`` limits its open files. Standard error goes to a file, or with ``unread`` to a pipe
    that nobody reads. ``program`` is what Python runs.
    """
    store = store or f"sqlite:{tmp_path / 'tasks.db'}"
    options = ("--port", "0", "--http-port", "0", "--store", store)
    line = command(*options, *arguments, program=program)
    if files:
        line = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *line]
    log = tmp_path / "stderr.log"
    log.unlink(missing_ok=True)
    with (
        log.open("a+") as stderr,  # appended to, because reading moves the writer's position too
        subprocess.Popen(
            line,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if unread else stderr,
            text=True,
            env=environment(),
        ) as process,
    ):
        try:
            ready = process.stdout.readline().rstrip("\n")
            served = Served(process, ready, stderr)
            assert ready, f"the server did not start: {served.log()}"
            yield served
        finally:
            if process.poll() is None:
                process.kill()


def run_to_end(*arguments, **variables):
    """Run ``drayman serve`` with settings with which it ends by itself."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=environment(**variables),
    )


def http_task(url, **fields):
    return {"http_request": {"url": url}} | fields

"""What the apps share: the client, a queue, a handler's server, and a function that fails once.

An app runs in a virtual environment that has one library and either Google's client or Drayman's.
It enqueues a task, whose first attempt fails, and ends when the second has succeeded.
"""

import os
import socket
import ssl
import threading
import uuid
import wsgiref.simple_server
from importlib import metadata

import grpc
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks import transports

PATIENCE = 60
"""Seconds to wait for the second attempt."""
PROJECT, LOCATION, QUEUE = "my-project", "us-central1", f"queue-{uuid.uuid4().hex[:8]}"
QUEUE_PATH = f"projects/{PROJECT}/locations/{LOCATION}/queues/{QUEUE}"
ADDRESS = os.environ["CLOUD_TASKS_EMULATOR_HOST"]
CERTIFICATE, KEY = os.environ["HANDLER_CERTIFICATE"], os.environ["HANDLER_KEY"]
"""Files. The server trusts the certificate: tasks with a bearer token go to https:// URLs alone."""
IS_DROP_IN = "drayman" in metadata.version("google-cloud-tasks")


class _Client(tasks_v2.CloudTasksClient):
    """Google's client, connected to the server that the variable names."""

    def __init__(self, **_options):
        channel = grpc.insecure_channel(ADDRESS)
        super().__init__(transport=transports.CloudTasksGrpcTransport(channel=channel))


class _AsyncClient(tasks_v2.CloudTasksAsyncClient):
    """The same for asyncio."""

    def __init__(self, **_options):
        channel = grpc.aio.insecure_channel(ADDRESS)
        super().__init__(transport=transports.CloudTasksGrpcAsyncIOTransport(channel=channel))


def connect():
    """Connect the clients that a library creates. Drayman's reads the variable by itself."""
    if not IS_DROP_IN:
        tasks_v2.CloudTasksClient = _Client
        tasks_v2.CloudTasksAsyncClient = _AsyncClient


def create_queue():
    """Create the queue of the app, with short delays between attempts."""
    with tasks_v2.CloudTasksClient() as client:
        retry_config = {"min_backoff": {"nanos": 10**8}, "max_attempts": 5}
        queue = {"name": QUEUE_PATH, "retry_config": retry_config}
        client.create_queue(parent=QUEUE_PATH.partition("/queues/")[0], queue=queue)


def listen():
    """Return a listening socket, and the URL of the server that will accept its connections."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"https://127.0.0.1:{listener.getsockname()[1]}"


def serve_asgi(app, listener):
    """Serve an ASGI application on a listening socket."""
    import uvicorn  # noqa: PLC0415 - only the environments of two libraries have it

    config = uvicorn.Config(app, log_level="error", ssl_certfile=CERTIFICATE, ssl_keyfile=KEY)
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, args=([listener],), daemon=True).start()


def serve_wsgi(app, listener):
    """Serve a WSGI application on a listening socket."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE, KEY)
    address = listener.getsockname()
    server = wsgiref.simple_server.WSGIServer(
        address, wsgiref.simple_server.WSGIRequestHandler, bind_and_activate=False
    )
    server.socket.close()
    server.socket = context.wrap_socket(listener, server_side=True)
    server.server_name, server.server_port = address
    server.setup_environ()
    server.set_app(app)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _await_completion():
    """Wait until the server has completed the task, and so removed it from the queue."""
    with tasks_v2.CloudTasksClient() as client:
        for _ in range(PATIENCE * 10):
            if not list(client.list_tasks(parent=QUEUE_PATH)):
                return
            threading.Event().wait(0.1)
    raise SystemExit(f"the task is not completed within {PATIENCE} s")


class Attempts:
    """The attempts of a task. The first fails."""

    def __init__(self):
        self._arguments = []
        self._done = threading.Event()

    def record(self, *arguments):
        """Record the arguments of an attempt.

        Raises:
            RuntimeError: It is the first attempt.
        """
        self._arguments.append(arguments)
        if len(self._arguments) == 1:
            raise RuntimeError("the first attempt fails")
        self._done.set()

    def wait(self, *expected):
        """Wait for the second attempt; both must have the expected arguments."""
        if not self._done.wait(PATIENCE):
            raise SystemExit(f"no success within {PATIENCE} s; attempts: {self._arguments}")
        if self._arguments != [expected, expected]:
            raise SystemExit(f"expected two attempts with {expected}, got {self._arguments}")
        _await_completion()
        print(f"done with {metadata.version('google-cloud-tasks')}")

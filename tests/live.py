"""A real server in a thread of its own, and a real worker for it to deliver to."""

import asyncio
import concurrent.futures
import http.server
import json
import queue
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import grpc
from google.auth.credentials import AnonymousCredentials
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from drayman.core.clock import ManualClock, Micros
from drayman.server import Server
from drayman.settings import load
from drayman.store.contract import Store

Event = TypeVar("Event")

PATIENCE = 30.0
"""Seconds until a wait for an expected event fails."""


class _Verbs:
    """A store whose verbs begin in the loop that runs them, not in the thread that calls them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await getattr(self._store, name)(*args, **kwargs)

        return call


class LiveServer:
    """A server on free ports, with its store in memory and a manual clock.

    Settings are those of the command line: ``LiveServer(task_size="100")``.
    """

    def __init__(self, clock: ManualClock | None = None, **settings: Any) -> None:
        self.clock = clock or ManualClock()
        arguments = {"port": "0", "store": "memory"} | settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.server = Server(load(arguments, {}), clock=self.clock, emit=self.events.put)
        try:
            self.run(self.server.start())
        except BaseException:
            self._end()
            raise

    @property
    def store(self) -> Any:
        """The verbs of the server's store as coroutine functions, for ``run``."""
        return _Verbs(self.server.store)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.http_port}"

    def begin(self, coroutine: Any) -> "concurrent.futures.Future[Any]":
        """Run a coroutine in the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine in the server's loop and return its result."""
        return self.begin(coroutine).result(PATIENCE)

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function in the server's loop and return its result."""
        done: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(lambda: done.set_result(function()))
        return done.result(PATIENCE)

    def advance(self, by: Micros) -> None:
        """Move the server's clock ahead."""
        self.call(lambda: self.clock.advance(by))
        self.call(lambda: None)  # idle connections whose time is over are closed by now

    def client(self, transport: str = "grpc") -> tasks_v2.CloudTasksClient:
        """Return Google's own client, connected; close its transport when done."""
        if transport == "rest":
            return tasks_v2.CloudTasksClient(
                transport="rest",
                credentials=AnonymousCredentials(),
                client_options={"api_endpoint": self.url},
            )
        channel = grpc.insecure_channel(
            self.address, options=[("grpc.max_receive_message_length", -1)]
        )
        return tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))

    def connect(self) -> socket.socket:
        """Return a connection to the HTTP port."""
        return socket.create_connection(("127.0.0.1", self.server.http_port), PATIENCE)

    def request(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        """Send an HTTP request; return the status and the JSON value of the response.

        The body is ``content``, as it is if it is bytes, otherwise as JSON.
        """
        encoded = content is None or isinstance(content, bytes)
        body = content if encoded else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.url}{path}", body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def next_event(self, kind: type[Event]) -> Event:
        """Return the next event of a kind, waiting for it; those before it are discarded."""
        while not isinstance(event := self.events.get(timeout=PATIENCE), kind):
            pass
        return event

    def stop(self) -> None:
        self.run(self.server.stop())
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


class Delivery(NamedTuple):
    """A request that the worker received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Worker:
    """An HTTP server that records requests and responds with ``answers``, or 200."""

    def __init__(self) -> None:
        self.deliveries: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[int] = queue.SimpleQueue()
        worker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                worker.deliveries.put(
                    Delivery(self.command, self.path, dict(self.headers.items()), body)
                )
                try:
                    status = worker.answers.get_nowait()
                except queue.Empty:
                    status = 200
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer  # noqa: N815 - names of the base class

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def next(self) -> Delivery:
        """Return the next delivery, waiting for it."""
        return self.deliveries.get(timeout=PATIENCE)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)

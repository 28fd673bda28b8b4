"""The target of the programs: records deliveries by client, and refuses some at first."""

import http.server
import threading
from collections import defaultdict
from typing import NamedTuple


class Delivery(NamedTuple):
    """A request that the target has received.

    Attributes:
        method: Its HTTP method.
        queue: The id of the queue, from its header.
        retries: The number of earlier attempts, from its header.
        marker: The value of ``X-Interop``, which programs set on their tasks.
        body: Its body.
    """

    method: str
    queue: str | None
    retries: str | None
    marker: str | None
    body: bytes


class Target(http.server.ThreadingHTTPServer):
    """An HTTP server that records deliveries by path; the first one to ``…/retry`` gets a 503."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._deliveries: defaultdict[str, list[Delivery]] = defaultdict(list)
        self._arrived = threading.Condition()

    def record(self, path: str, delivery: Delivery) -> int:
        """Record a delivery; return the status to respond with."""
        with self._arrived:
            self._deliveries[path].append(delivery)
            self._arrived.notify_all()
            first = len(self._deliveries[path]) == 1
        return 503 if first and path.endswith("/retry") else 200

    def deliveries(self, prefix: str) -> dict[str, list[Delivery]]:
        """Return the deliveries below a path, by the rest of their path."""
        with self._arrived:
            return self._below(prefix)

    def wait(self, prefix: str, count: int, seconds: float) -> None:
        """Wait until so many deliveries have arrived below a path, or the time is over."""
        with self._arrived:
            self._arrived.wait_for(
                lambda: sum(map(len, self._below(prefix).values())) >= count, seconds
            )

    def _below(self, prefix: str) -> dict[str, list[Delivery]]:
        return {
            path.removeprefix(prefix): [*deliveries]
            for path, deliveries in self._deliveries.items()
            if path.startswith(prefix)
        }


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Target

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        delivery = Delivery(
            self.command,
            self.headers["X-CloudTasks-QueueName"],
            self.headers["X-CloudTasks-TaskRetryCount"],
            self.headers["X-Interop"],
            body,
        )
        self.send_response(self.server.record(self.path, delivery))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing: the runner reports."""

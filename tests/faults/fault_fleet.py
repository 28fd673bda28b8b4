"""Three servers in processes of their own on one PostgreSQL, each behind a proxy of its own."""

import concurrent.futures
import contextlib
import signal
import threading
from pathlib import Path

import psycopg
from fault_target import Target

from drayman.core.clock import HOUR, SECOND, SystemClock
from drayman.store.postgres import address
from processes import LOCATION, serve
from tcp_proxy import proxy

SERVERS = 3
NEWER_VERSION = Path(__file__).with_name("newer_version.py")
VICTIM = 0
"""The server that fails, where one does."""
PATIENCE = 90 * SECOND
"""How long to wait for what is bound to happen."""
QUEUES = {
    "free": {},
    "named": {},
    "rated": {"rate_limits": {"max_dispatches_per_second": 12}},
    "slots": {"rate_limits": {"max_concurrent_dispatches": 4}},
    "failing": {"retry_config": {"max_attempts": 2, "min_backoff": {"seconds": 1}}},
    "later": {},
}
"""The queues, by id: unlimited; with names of the caller; a limited rate; limited concurrency;
whose tasks fail for good; whose tasks are due in an hour, if they are not deleted."""
clock = SystemClock()


def until(condition, what):
    """Wait until a condition holds; return what it returns."""
    give_up, pause = clock.now() + PATIENCE, threading.Event()
    while not (result := condition()):
        assert clock.now() < give_up, f"in vain: {what}"
        pause.wait(0.02)
    return result


class Fleet:
    """The servers, their target and their database; a context manager.

    Attributes:
        cluster: The PostgreSQL that takes writes.
        proxies: A proxy in front of it for each server; none if the servers name several hosts.
        target: Where the tasks go.
        servers: The servers.
        clients: A client of each.
        alive: The indexes of the servers that run.
        versions: How many versions later than this one the servers are that start from now on.
    """

    def __init__(self, folder, cluster, hosts="", schema=None, options=""):
        self.cluster = cluster
        self.servers = [None] * SERVERS
        self.clients = [None] * SERVERS
        self.alive = set(range(SERVERS))
        self.versions = 0
        self._folder = folder
        self._hosts = hosts
        self._url = cluster.url(schema) + options
        self._schema = address.parse(self._url).schema
        self._stack = contextlib.ExitStack()
        self._starts = 0

    def __enter__(self):
        with self._stack:
            self.target = Target()
            self._stack.callback(self.target.close)
            self.proxies = [
                self._stack.enter_context(proxy(self.cluster.socket))
                for _ in range(0 if self._hosts else SERVERS)
            ]
            self.start(0)
            with concurrent.futures.ThreadPoolExecutor() as pool:
                list(pool.map(self.start, range(1, SERVERS)))
            for queue, fields in QUEUES.items():
                name = f"{LOCATION}/queues/{queue}"
                self.clients[0].create_queue(parent=LOCATION, queue={"name": name, **fields})
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def start(self, index):
        """Start a server, in the place of one that has ended."""
        self._starts += 1
        folder = self._folder / f"server-{index}-{self._starts}"
        folder.mkdir(parents=True)
        way = self._hosts or self.proxies[index].parameters
        program = (str(NEWER_VERSION), str(self.versions)) if self.versions else ("-m", "drayman")
        server = self._stack.enter_context(
            serve(folder, "--grace", "20s", store=f"{self._url}&{way}", program=program)
        )
        self._stack.callback(self._resume, server)
        self.servers[index] = server
        self.clients[index] = self._stack.enter_context(server.client())
        self.alive.add(index)

    def end(self, index, how):
        """End a server by ``kill`` or ``stop`` of its process."""
        self.alive.discard(index)
        how(self.servers[index])

    def replace_ended(self):
        """Start servers in the place of those that have ended."""
        for index in sorted(set(range(SERVERS)) - self.alive):
            self.start(index)

    def is_ready(self, index):
        """Return whether a server's ``/readyz`` says so."""
        return self.servers[index].get("/readyz")[0] == 200

    def until_ready(self, ready, indexes=None):
        """Wait until ``/readyz`` of servers, by default of all that run, says yes or no."""
        for index in sorted(self.alive if indexes is None else indexes):
            until(lambda index=index: self.is_ready(index) is ready, f"ready: {ready}")

    def server_name(self, index):
        """Return a pattern of the name under which a server claims."""
        return f"%-{self.servers[index].process.pid}-%"

    def query(self, statement, *params):
        """Return the rows of a statement, on a connection of its own."""
        url = f"host={self.cluster.folder} user=drayman dbname=postgres"
        with contextlib.closing(psycopg.connect(url, autocommit=True)) as connection:
            connection.execute(f"SET search_path TO {self._schema}")
            cursor = connection.execute(statement, params or None)
            return cursor.fetchall() if cursor.description else []

    def until_nothing_is_due(self):
        """Wait until all tasks have ended that were due, and all their attempts."""
        soon = "SELECT count(*) FROM task WHERE schedule_time < %s"
        until(
            lambda: self.query(soon, clock.now() + HOUR // 2)[0][0] == 0, "the end of all due tasks"
        )
        self.until_claims(False)

    def until_claims(self, some, pattern="%"):
        """Wait until servers, by a pattern of their names, have claims or have none."""
        count = "SELECT count(*) FROM claim WHERE server LIKE %s"
        until(lambda: (self.query(count, pattern)[0][0] > 0) is some, f"claims: {some}")

    @staticmethod
    def _resume(server):
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGCONT)

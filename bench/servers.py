"""The servers that are measured: their command lines, and each in a process of its own."""

import contextlib
import dataclasses
import functools
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc

from bench import messages, processes
from bench.errors import Unmeasurable

HOST = "127.0.0.1"
START_SECONDS = 180
STOP_SECONDS = 30
CALL_SECONDS = 30
"""The deadline of a call, the longest that Cloud Tasks accepts."""
HIGHEST_RATE = {"max_dispatches_per_second": 500, "max_concurrent_dispatches": 1000}


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A Cloud Tasks server that can be started.

    Attributes:
        name: Its name in the table.
        command: Its command line with ``{host}`` and ``{port}``; optionally ``{http_port}``, a
            port for REST; ``{folder}``, an empty folder for its data; and ``{durability}``,
            ``safe`` or ``relaxed``.
    """

    name: str
    command: str

    @property
    def keeps_tasks(self) -> bool:
        """Whether its tasks survive a restart."""
        return "{folder}" in self.command

    def arguments(self, port: int, http_port: int, folder: Path, durability: str) -> list[str]:
        """Return its command line, filled in."""
        command = self.command.format(
            host=HOST,
            port=port,
            http_port=http_port,
            folder=shlex.quote(str(folder)),
            durability=durability,
        )
        return shlex.split(command)


PYTHON = shlex.quote(sys.executable)
DRAYMAN = Candidate(
    "drayman",
    f"{PYTHON} -m drayman serve --host {{host}} --port {{port}} --http-port {{http_port}}"
    " --store sqlite:{folder}/drayman.db --durability {durability} --log-level warning",
)
TRIVIAL = Candidate(
    "trivial",
    f"{PYTHON} -m bench.trivial --host {{host}} --port {{port}} --http-port {{http_port}}",
)


def parse_peer(text: str) -> Candidate:
    """Parse ``NAME=COMMAND``. ValueError."""
    name, _, command = text.partition("=")
    if not name or "{port}" not in command:
        raise ValueError(f"--peer {text}: expected NAME=COMMAND with {{port}} in COMMAND")
    candidate = Candidate(name, command)
    try:
        candidate.arguments(0, 0, Path(), "safe")
    except (LookupError, ValueError) as error:
        raise ValueError(f"--peer {text}: {error!r} in COMMAND") from error
    return candidate


@dataclasses.dataclass
class Server:
    """A server that runs.

    Attributes:
        start_seconds: The time from the start of its process to the first answer to a call.
    """

    candidate: Candidate
    process: subprocess.Popen
    port: int
    http_port: int
    channel: grpc.Channel
    start_seconds: float = 0.0

    @property
    def address(self) -> str:
        """Host and port of its gRPC API."""
        return f"{HOST}:{self.port}"

    @property
    def usage(self) -> processes.Usage:
        """What its processes use."""
        return processes.usage(self.process.pid)

    def call(self, method: str, **fields: Any) -> Any:
        """Make one call of the API. Unmeasurable, if it fails."""
        try:
            return messages.decode(method, self.send(method, messages.encode(method, **fields)))
        except grpc.RpcError as error:
            raise Unmeasurable(f"{method}: {error.code().name}") from error

    def create_queue(self, queue_id: str, **fields: Any) -> str:
        """Create a queue with the highest rate, unless it exists; return its name."""
        name = messages.queue_name(queue_id)
        queue = {"name": name, "rate_limits": HIGHEST_RATE} | fields
        request = messages.encode("CreateQueue", parent=messages.PARENT, queue=queue)
        try:
            self.send("CreateQueue", request)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.ALREADY_EXISTS:
                raise Unmeasurable(f"CreateQueue: {error.code().name}") from error
        return name

    @functools.cached_property
    def has_batches(self) -> bool:
        """Whether BatchCreateTasks creates the tasks before it replies."""
        queue = self.create_queue("probe")
        request = messages.create_tasks(queue, [(messages.IDLE_URL, messages.tomorrow())])
        try:
            reply = self.send("BatchCreateTasks", request)
        except grpc.RpcError:
            return False
        return messages.decode("BatchCreateTasks", reply).done

    def send(self, method: str, request: bytes) -> bytes:
        """Send an encoded request; return the encoded response. grpc.RpcError."""
        return self.channel.unary_unary(messages.path(method))(request, timeout=CALL_SECONDS)


@contextlib.contextmanager
def run(
    candidate: Candidate,
    folder: Path,
    durability: str = "safe",
    cores: set[int] = processes.SERVER_CORES,
) -> Iterator[Server]:
    """Run a server on its core, from its first answer to a call until the block ends."""
    port, http_port = _free_ports(2)
    http_port = http_port if "{http_port}" in candidate.command else port
    began = time.perf_counter()
    with (folder / "server.log").open("ab") as log, processes.pinned(cores):
        process = subprocess.Popen(
            candidate.arguments(port, http_port, folder, durability),
            stdout=log,
            stderr=subprocess.STDOUT,
            env={k: v for k, v in os.environ.items() if not k.startswith("DRAYMAN_")},
            process_group=0,  # a new session would get a scheduling group of its own on Linux
        )
    try:
        _wait_for_port(process, port, folder / "server.log")
        with grpc.insecure_channel(f"{HOST}:{port}", _CHANNEL_OPTIONS) as channel:
            server = Server(candidate, process, port, http_port, channel)
            _wait_for_answer(channel)
            server.start_seconds = time.perf_counter() - began
            yield server
    finally:
        _stop(process)


_CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as sockets:
        listening = [sockets.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in listening]


def _wait_for_port(process: subprocess.Popen, port: int, log: Path) -> None:
    def listens() -> bool:
        if process.poll() is not None:
            raise SystemExit(f"the server ended: {log.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return True
        return False

    if not processes.wait_until(listens, START_SECONDS):
        raise SystemExit(f"the server does not listen after {START_SECONDS} s")


def _wait_for_answer(channel: grpc.Channel) -> None:
    """Call GetQueue until the server answers; the queue does not exist."""
    request = messages.encode("GetQueue", name=messages.queue_name("none"))
    stub = channel.unary_unary(messages.path("GetQueue"))
    with contextlib.suppress(grpc.RpcError):
        stub(request, timeout=CALL_SECONDS, wait_for_ready=True)


def _stop(process: subprocess.Popen) -> None:
    """Terminate a server and all that it started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return

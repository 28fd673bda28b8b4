"""Attack a server of its own for some seconds with each attack, and print what came of it.

Meanwhile another caller creates tasks, one every 10 ms, and the server pushes them to a target. The
server has a core of its own where the system can pin processes; attackers and caller have the
others. All traffic is on the loopback interface.
"""

import argparse
import dataclasses
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import grpc

from bench import messages, processes, servers, target
from bench.attack import attacks
from bench.attack.attacks import ATTACKS, Attack

RESIDENT_LIMIT = 400 << 20
"""The most memory that the server may use, in bytes."""
DELAY_LIMIT = 0.100
"""The most time that 99 of 100 calls of the other caller may take, in seconds."""
PAUSE = 0.010
LARGE_TASKS, LARGE_BODY = 100, 30_000
DRAYMAN = servers.Candidate(
    "drayman",
    f"{servers.PYTHON} -m drayman serve --host {{host}} --port {{port}}"
    " --store sqlite:{folder}/drayman.db --durability {durability} --log-level error",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What an attack did.

    Attributes:
        sent: The bytes that the attackers sent.
        resident: The server's largest resident memory, in bytes.
        delays: The times of the other caller's calls, in seconds, in ascending order.
        failures: The other caller's calls that failed.
        delivered: The other caller's tasks that reached their target during the attack.
    """

    sent: int
    resident: int
    delays: Sequence[float]
    failures: int
    delivered: int

    @property
    def p99(self) -> float:
        """The time that 99 % of the other caller's calls did not exceed."""
        return self.delays[len(self.delays) * 99 // 100]

    @property
    def passed(self) -> bool:
        """Whether memory, other callers and dispatch stayed as they should."""
        return (
            self.resident < RESIDENT_LIMIT
            and self.p99 < DELAY_LIMIT
            and not self.failures
            and self.delivered > len(self.delays) // 2
        )


def main() -> None:
    """Read the command line, attack, and print the table; exit with 1 if the server gave in."""
    parser = argparse.ArgumentParser(prog="python -m bench.attack", description=__doc__)
    parser.add_argument("--only", default="", help="first part of the names of attacks")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each attack [4]")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end with us
    chosen = [each for each in ATTACKS if each.name.startswith(options.only)]
    print("| attack | sent | memory | other calls: median | 99 % | delivered | |")
    print("|---|--:|--:|--:|--:|--:|---|")
    passed = [show(attack, run(attack, options.seconds)) for attack in chosen]
    sys.exit(0 if all(passed) else 1)


def show(attack: Attack, outcome: Outcome) -> bool:
    """Print a row of the table."""
    median, p99 = outcome.delays[len(outcome.delays) // 2], outcome.p99
    calls = len(outcome.delays) + outcome.failures
    cells = [
        f"{attack.title} (`{attack.name}`, {attack.connections} connections)",
        f"{outcome.sent / 2**20:.1f} MB",
        f"{outcome.resident >> 20} MB",
        f"{median * 1e3:.1f} ms",
        f"{p99 * 1e3:.1f} ms",
        f"{outcome.delivered} of {calls}",
        "passed" if outcome.passed else "**failed**",
    ]
    print(f"| {' | '.join(cells)} |", flush=True)
    return outcome.passed


def run(attack: Attack, seconds: float) -> Outcome:
    """Attack a new server."""
    with (
        tempfile.TemporaryDirectory(prefix="drayman-attack-") as folder,
        processes.pinned(processes.LOAD_CORES),
        target.start() as sink,
        servers.run(DRAYMAN, Path(folder)) as server,
    ):
        prepare(server)
        queue = server.create_queue("caller")
        ours, theirs = processes.SPAWN.Pipe()
        with processes.spawned(attacks.run, theirs, attack.name, server.port, seconds):
            processes.receive(ours)  # the attack has begun
            delays, failures = call(server, messages.create_task(queue, sink.url), seconds)
            delivered = sink.arrived
            sent = processes.receive(ours)
        memory = peak_memory(server.process.pid)
        return Outcome(sent, memory, sorted(delays), failures, delivered)


def prepare(server: servers.Server) -> None:
    """Create what attacks ask for: a queue with large tasks."""
    queue = server.create_queue("attacked")
    server.call("PauseQueue", name=queue)
    http = {"url": messages.IDLE_URL, "body": bytes(LARGE_BODY)}
    requests = [{"parent": queue, "task": {"http_request": http}}] * LARGE_TASKS
    server.call("BatchCreateTasks", parent=queue, requests=requests)


def call(server: servers.Server, request: bytes, seconds: float) -> tuple[list[float], int]:
    """Make calls one after another; return their times, and how many failed."""
    stub = server.channel.unary_unary(messages.path("CreateTask"))
    delays, failures, end = [], 0, time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        try:
            stub(request, timeout=servers.CALL_SECONDS)
        except grpc.RpcError:
            failures += 1
        else:
            delays.append(time.perf_counter() - began)
        time.sleep(PAUSE)  # noqa: TID251 - a caller with pauses
    return delays, failures


def peak_memory(pid: int) -> int:
    """Return the largest resident memory of a process; the present one where it is not known."""
    path = Path(f"/proc/{pid}/status")
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return processes.usage(pid).resident


if __name__ == "__main__":
    main()

"""Claims, settlements and pushes beside few and many tasks that are due much later.

Each size has a store of its own in one database. Half of its pending tasks are in one queue, half
are spread over others, all due tomorrow. Tasks that are due are measured in those queues, and in
queues that have no pending tasks. The sizes take turns.
"""

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import messages
from bench.postgres import lines
from bench.postgres.database import Database
from bench.postgres.lines import Harness
from bench.pushes import QUEUES
from bench.rounds import Row
from bench.runs import Figure
from drayman.core.clock import SECOND, Micros
from drayman.core.delivery import Outcome
from drayman.core.lifecycle import AttemptResult, Claim, Verdict
from drayman.core.limits import Limits
from drayman.core.status import Code
from drayman.core.task import NewTask
from drayman.store.postgres import address, connection
from drayman.store.postgres.connection import Connection
from drayman.store.postgres.session import PostgresSession
from drayman.store.verbs import claims, results, tasks

CHUNK = 100_000
"""The pending tasks that a statement inserts."""
TASKS = 32
"""The tasks of a claim."""
REPEATS = 40
"""Claims of a case in a round."""
DELIVERED = Outcome(
    success=True, code=Code.OK, message="", responded=True, executed=True, previous_response=200
)
_FILL = """
INSERT INTO task (seq, generation, create_time, schedule_time, request)
SELECT first + n, (generations ->> (n %% jsonb_array_length(generations))::integer)::bigint,
  create_time, schedule_time + n, request
FROM task
CROSS JOIN (
  SELECT reserve_seqs(1, %(count)s::bigint) AS first, %(generations)s::jsonb AS generations
) AS reserved
CROSS JOIN generate_series(0, %(count)s::bigint - 1) AS n
WHERE seq = %(template)s
"""
EXPLAINED = """
EXPLAIN (ANALYZE, BUFFERS, COSTS OFF)
SELECT seq FROM task
WHERE generation = %(generation)s AND claim IS NULL AND schedule_time <= %(now)s
  AND seq + 0 >= 0
ORDER BY schedule_time, seq
LIMIT 32
FOR UPDATE SKIP LOCKED
"""
"""The part of ``insert_claims`` that looks for due tasks."""

OTHER = [f"other-{number}" for number in range(TASKS)]
FILLED = [f"filled-{number}" for number in range(TASKS)]
PUSHED = {
    "without": [f"pushed-other-{number}" for number in range(QUEUES)],
    "with": [f"pushed-filled-{number}" for number in range(QUEUES)],
}
"""Queues of the server; the others are claimed from in virtual time."""
CASES = {
    f"claim of {TASKS} tasks of one queue without pending tasks": OTHER[:1],
    f"claim of {TASKS} tasks of one queue with half of the pending tasks": FILLED[:1],
    f"claim of a task of each of {TASKS} queues without pending tasks": OTHER,
    f"claim of a task of each of {TASKS} queues with pending tasks": FILLED,
}


def name(size: int) -> str:
    """Return the column of a size."""
    return f"{size:,} pending"


def measure(
    harness: Harness, sizes: Sequence[int], rounds: int, progress: Callable[[str], None]
) -> list[Row]:
    """Fill a store for each size, then measure all in rounds."""
    with contextlib.ExitStack() as stack:
        for size in sizes:
            progress(f"filling a store with {size:,} tasks")
            stack.callback(harness.database.drop, schema(size))
            fill(harness, size)
        rows: dict[str, Row] = {}
        began = messages.clock.now()
        for number in range(rounds):
            now = began + number * len(CASES) * REPEATS * SECOND
            for size in sizes:
                progress(f"round {number + 1} of {rounds}, {name(size)}")
                for line in (
                    lambda size=size, now=now: _verbs(harness.database, size, now),
                    lambda size=size: _pushes(harness, size),
                ):
                    lines.add(rows, name(size), line)
        for size in sizes:
            print(f"{name(size)}: {explain(harness.database, size)}", flush=True)
        return list(rows.values())


def schema(size: int) -> str:
    """Return the schema of the store of a size."""
    return f"pending_{size}"


def fill(harness: Harness, size: int) -> None:
    """Create a store with so many pending tasks."""
    with _server(harness, size) as server:
        filled = [server.create_queue(queue) for queue in (*FILLED, *PUSHED["with"])]
        for queue in (*OTHER, *PUSHED["without"]):
            server.create_queue(queue)
        task = messages.create_task(filled[0], messages.IDLE_URL, messages.tomorrow())
        server.send("CreateTask", task)
    for setting in ("fsync", "full_page_writes"):  # while nothing is measured
        harness.database.configure(setting, "off")
    with harness.database.connection(schema(size)) as session:
        (template,) = session.execute("SELECT seq FROM task").fetchone()
        generations = [
            session.execute("SELECT generation FROM queue WHERE name = %s", [queue]).fetchone()[0]
            for queue in filled
        ]
        mixed = generations[:1] * (len(generations) - 2) + generations
        for first in range(0, size, CHUNK):
            params = {"count": min(CHUNK, size - first), "template": template}
            session.execute(_FILL, params | {"generations": str(mixed)})
        session.execute("VACUUM (ANALYZE) task")
        session.execute("CHECKPOINT")
    for setting in ("full_page_writes", "fsync"):
        harness.database.configure(setting, "on")


def explain(database: Database, size: int) -> str:
    """Return the plan of the search for due tasks in the queue with half of the pending tasks."""
    with _session(database, size) as session:
        params = {
            "generation": _generation(session.connection, FILLED[0]),
            "now": messages.clock.now(),
        }
        with connection.transaction(session.connection):
            due = session.connection.execute(EXPLAINED, params)
            return "\n  ".join(line for (line,) in due)


def _generation(connected: Connection, queue: str) -> int:
    query = "SELECT generation FROM queue WHERE name = %s"
    return int(connection.one(connected, query, [messages.queue_name(queue)])[0])


@contextlib.contextmanager
def _server(harness: Harness, size: int) -> Iterator[lines.Server]:
    with contextlib.ExitStack() as stack:
        yield lines.run_one(stack, lines.candidate(harness.database.url(schema(size))))


@contextlib.contextmanager
def _session(database: Database, size: int) -> Iterator[PostgresSession]:
    """Connect as the writer of claims and results does."""
    connected = connection.connect(address.parse(database.url(schema(size))), limited=False)
    with contextlib.closing(connected):
        connected.execute("SET synchronous_commit TO off")
        yield PostgresSession(connected, Limits())


def _pushes(harness: Harness, size: int) -> Iterator[Figure]:
    with _server(harness, size) as server:
        for what, queues in PUSHED.items():
            line = f"create and push, {QUEUES} queues {what} pending tasks"
            yield from lines.push_to(
                harness, [server], line, [messages.queue_name(queue) for queue in queues]
            )


def _verbs(database: Database, size: int, now: Micros) -> Iterator[Figure]:
    """Claim and settle in virtual time, a second for each claim, so that no queue lacks tokens."""
    with _session(database, size) as session:
        (request,) = connection.one(
            session.connection, "SELECT request FROM task ORDER BY seq LIMIT 1"
        )
        for what, queues in CASES.items():
            claimed, settled = [], []
            for _ in range(REPEATS):
                now += SECOND
                _create(session, queues, request, now)
                cost, taken = _timed(session, lambda now=now: _claim(session, now))
                claimed.append(cost)
                settled.append(_timed(session, lambda: _settle(session, taken, now))[0])  # noqa: B023
            yield from _figures(what, claimed)
            yield from _figures(f"{what}: settled", settled)


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What a transaction took: wall time and the processor time of its process of PostgreSQL."""

    seconds: float
    cpu: float


def _figures(what: str, costs: Sequence[Cost]) -> Iterator[Figure]:
    wall = statistics.median(cost.seconds for cost in costs) * 1e3
    cpu = statistics.median(cost.cpu for cost in costs) * 1e6
    yield Figure(wall, "ms", what, higher_is_better=False)
    yield Figure(cpu, "µs", f"{what}: PostgreSQL's CPU", higher_is_better=False)


def _timed(session: PostgresSession, verb: Callable[[], Any]) -> tuple[Cost, Any]:
    """Run a verb in a transaction of its own."""
    process = session.connection.info.backend_pid
    cpu, began = _cpu(process), time.perf_counter()
    with connection.transaction(session.connection):
        result = verb()
    return Cost(time.perf_counter() - began, _cpu(process) - cpu), result


def _cpu(process: int) -> float:
    """Return the seconds that a process has run, to the nanosecond."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def _create(session: PostgresSession, queues: Sequence[str], request: bytes, now: Micros) -> None:
    due = [NewTask(None, now, request)] * (TASKS // len(queues))
    calls = [tasks.CreateTasks(messages.queue_name(queue), due, now) for queue in queues]
    with connection.transaction(session.connection):
        tasks.create_tasks(session, calls)


def _claim(session: PostgresSession, now: Micros) -> list[Claim]:
    taken = claims.claim_due(session, "bench", 1_000, {}, 1_000, now).claims
    if len(taken) != TASKS:
        raise SystemExit(f"{len(taken)} of {TASKS} tasks were claimed")
    return taken


def _settle(session: PostgresSession, taken: Sequence[Claim], now: Micros) -> None:
    ended = [AttemptResult(claim, DELIVERED, Verdict.COMPLETED, now, now) for claim in taken]
    results.settle(session, [results.Settle(ended, now)])

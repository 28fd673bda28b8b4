"""The faults, and what each may cost.

A fault is a function that causes it, waits until it shows, and ends it. ``run`` has load before,
during and after it, and checks the books.
"""

import contextlib
import signal
from collections.abc import Callable
from typing import NamedTuple

import fault_audit
import psycopg
from fault_fleet import SERVERS, VICTIM, clock, until
from fault_load import Load

from drayman.core.clock import SECOND
from small_disk import fill

ALL = range(SERVERS)
OTHERS = range(1, SERVERS)


def restart(fleet, load):
    """PostgreSQL crashes and starts again."""
    fleet.cluster.stop("immediate")
    fleet.until_ready(False)
    load.until_refused(ALL)
    fleet.cluster.start()


def killed_backends(fleet, load):
    """All connections are ended by an administrator, three times."""
    for _ in range(3):
        fleet.query(_END_CONNECTIONS)
        load.until_acknowledged(ALL, 1)


def failover(fleet, load):
    """The primary vanishes, and its synchronous standby is promoted."""
    fleet.cluster.stop("immediate")
    fleet.until_ready(False)
    load.until_refused(ALL)
    fleet.cluster, fleet.standby = fleet.standby, fleet.cluster
    fleet.cluster.promote()


def exhausted_connections(fleet, load):
    """Other programs take every connection of PostgreSQL."""
    with contextlib.ExitStack() as opened:
        parameters = f"host={fleet.cluster.folder} user=drayman dbname=postgres"

        def open_one():
            return opened.enter_context(
                contextlib.closing(psycopg.connect(parameters, autocommit=True))
            )

        first = open_one()
        while any(map(fleet.is_ready, ALL)):
            first.execute(_END_CONNECTIONS)
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    open_one()
        load.until_refused(ALL)


def partition(fleet, load):
    """The packets between one server and PostgreSQL vanish, until its claims are given away."""
    fleet.until_claims(True, fleet.server_name(VICTIM))
    fleet.proxies[VICTIM].blackhole()
    load.until_refused([VICTIM], 1)
    fleet.until_ready(False, [VICTIM])
    load.until_acknowledged(OTHERS)
    fleet.until_claims(False, fleet.server_name(VICTIM))
    fleet.proxies[VICTIM].heal()


def cut_network(fleet, load):
    """The packets between all servers and PostgreSQL vanish."""
    for each in fleet.proxies:
        each.blackhole()
    load.until_refused(ALL, 1)
    fleet.until_ready(False)
    for each in fleet.proxies:
        each.heal()


def reset_network(fleet, load):
    """All connections to PostgreSQL are reset, and new ones refused."""
    for each in fleet.proxies:
        each.cut()
    fleet.until_ready(False)
    load.until_refused(ALL)
    for each in fleet.proxies:
        each.heal()


def old_transaction(fleet, load):
    """Another program leaves a transaction open, so that no dead row is removed."""
    parameters = f"host={fleet.cluster.folder} user=drayman dbname=postgres"
    with contextlib.closing(psycopg.connect(parameters)) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT pg_current_xact_id()")
        load.until_acknowledged(ALL, 20)
        load.until_delivered(100)


def full_disk(fleet, load):
    """The disk of the tables is full."""
    fill(fleet.disk / "other")
    load.until_refused(ALL, 1)
    (fleet.disk / "other").unlink()


def killed_server(fleet, load):
    """A server is killed, and its claims are given away."""
    name = fleet.server_name(VICTIM)
    fleet.until_claims(True, name)
    fleet.end(VICTIM, lambda server: server.kill())
    load.until_acknowledged(OTHERS)
    fleet.until_claims(False, name)


def frozen_server(fleet, load):
    """A server is frozen until its claims are given away, and wakes up."""
    name = fleet.server_name(VICTIM)
    fleet.until_claims(True, name)
    fleet.servers[VICTIM].process.send_signal(signal.SIGSTOP)
    load.until_acknowledged(OTHERS)
    fleet.until_claims(False, name)
    fleet.servers[VICTIM].process.send_signal(signal.SIGCONT)


def stopped_server(fleet, load):
    """A server is stopped, as for an upgrade."""
    fleet.end(VICTIM, lambda server: server.stop())
    load.until_acknowledged(OTHERS)


def rolling_upgrade(fleet, load):
    """One server after the other gives way to one of a newer version, which changes the tables."""
    fleet.versions += 1
    ((before,),) = fleet.query(_FORMAT)
    for index in ALL:
        fleet.end(index, lambda server: server.stop())
        fleet.start(index)
        load.until_acknowledged(ALL, 10)
        load.until_delivered()
    assert fleet.query(_FORMAT) == [(before + 1,)]


_FORMAT = "SELECT max(number) FROM format"
_END_CONNECTIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'drayman'
"""
_UNAVAILABLE = frozenset({503})
_TOWARDS_THE_END = frozenset({503, 504})
"""Codes of calls to a server that ends or is frozen: the caller's library reports them."""


class Fault(NamedTuple):
    """A fault.

    Attributes:
        cause: Causes it and ends it.
        codes: The HTTP codes of calls that fail meanwhile.
        loses_outcomes: Whether outcomes of attempts may not be recorded, on any server.
        has_victim: Whether it concerns one server, which others take for dead.
        place: The kind of fleet that it needs.
    """

    cause: Callable[..., None]
    codes: frozenset[int] = _UNAVAILABLE
    loses_outcomes: bool = False
    has_victim: bool = False
    place: str = "plain"

    @property
    def name(self):
        """Its name, the one of its function."""
        return self.cause.__name__.replace("_", " ")


FAULTS = (
    Fault(killed_backends),
    Fault(old_transaction),
    Fault(stopped_server),
    Fault(exhausted_connections),
    Fault(reset_network),
    Fault(cut_network),
    Fault(partition, has_victim=True),
    Fault(frozen_server, codes=_TOWARDS_THE_END, has_victim=True),
    Fault(killed_server, has_victim=True),
    Fault(restart, loses_outcomes=True),
    Fault(rolling_upgrade),
    Fault(failover, loses_outcomes=True, place="standby"),
    Fault(full_disk, codes=frozenset({429, 503}), place="disk"),
)


class Summary(NamedTuple):
    """What a fault did.

    Attributes:
        fault: The fault.
        rounds: How often it was caused.
        acknowledged: The number of creations that were acknowledged.
        refused: The number of calls that failed.
        slowest: The longest time of a call that failed on a server that ran, in seconds.
        lost: The number of acknowledged tasks that are nowhere.
        duplicates: The number of repeated deliveries of a task that had succeeded.
        lasted: The seconds from each beginning of the fault to its end.
        recovered: The seconds after each end of the fault until the full rate.
    """

    fault: Fault
    rounds: int
    acknowledged: int
    refused: int
    slowest: float
    lost: int
    duplicates: int
    lasted: list[float]
    recovered: list[float]


def run(fault, fleet, rounds=1):
    """Cause a fault while load runs; check the books and return a summary."""
    fleet.target.exchanges.clear()
    for table in ("audit_queue", "audit_claim"):
        fleet.query(f"TRUNCATE {table}")
    spans, recovered, victims = [], [], []
    with Load(fleet) as load:
        for _ in range(rounds):
            load.until_acknowledged(fleet.alive, 40)  # for more than the two seconds of a rate
            load.until_delivered()
            if fault.has_victim:
                victims.append(fleet.server_name(VICTIM))
            began = clock.now()
            fault.cause(fleet, load)
            ended = clock.now()
            fleet.replace_ended()
            fleet.until_ready(True)
            load.until_acknowledged(fleet.alive)
            spans.append((began, ended))
            full = until(lambda ended=ended: load.recovered(spans[0][0], ended), "the full rate")
            recovered.append((full - ended) / SECOND)
    fleet.until_nothing_is_due()
    return _audited(fault, fleet, load, spans, victims, recovered)


def _audited(fault, fleet, load, spans, victims, recovered):
    result = fault_audit.books(fleet, load.calls)
    fault_audit.check_conservation(result)
    fault_audit.check_refusals(_by_the_server(fault, load), fault.codes)
    fault_audit.check_limits(fleet)
    fault_audit.check_counters(fleet)
    if not fault.has_victim and not fault.loses_outcomes:
        fault_audit.check_concurrency(fleet.target.exchanges, "slots", 4)
    lost_spans = spans if fault.loses_outcomes else []
    unexplained = fault_audit.unexplained(fleet, result, victims, lost_spans)
    assert not unexplained, f"repeated without a reason: {unexplained}, {spans}"
    refused = _by_the_server(fault, load)
    slowest = max((call.ended - call.began for call in refused), default=0) / SECOND
    return Summary(
        fault, len(spans), len(result.acknowledged), len(load.refused()), slowest,
        len(result.lost), len(result.duplicates), [(end - begin) / SECOND for begin, end in spans],
        recovered,
    )  # fmt: skip


def _by_the_server(fault, load):
    """Return the failed calls that a server has responded to."""
    ends = fault.cause in (killed_server, stopped_server, frozen_server)
    return [call for call in load.refused() if not (ends and call.server == VICTIM)]

"""What must hold after a fault: nothing is lost, limits hold, each repetition is explained.

Triggers in the database record the claims: from each queue's row the tokens and slots that claims
take, by the time of its token bucket, and of each claim its server.
"""

import collections
import itertools
from typing import NamedTuple

from fault_fleet import QUEUES

from drayman.core.clock import SECOND

TRIGGERS = """
CREATE TABLE audit_queue (
  queue text, time bigint, rate double precision, burst bigint, slots bigint,
  started bigint, in_flight bigint, claims bigint
);
CREATE FUNCTION audit_queue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit_queue VALUES (
    NEW.name, NEW.tokens_time, NEW.max_dispatches_per_second, NEW.max_burst_size,
    NEW.max_concurrent_dispatches, NEW.in_flight - OLD.in_flight, NEW.in_flight,
    (SELECT count(*) FROM claim WHERE claim.queue = NEW.key)
  );
  RETURN NULL;
END $$;
CREATE TRIGGER audit_queue AFTER UPDATE ON queue FOR EACH ROW
WHEN (NEW.in_flight > OLD.in_flight) EXECUTE FUNCTION audit_queue();
CREATE TABLE audit_claim (task text, server text);
CREATE FUNCTION audit_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit_claim
  SELECT coalesce(id, seq::text), NEW.server FROM task WHERE seq = NEW.task;
  RETURN NULL;
END $$;
CREATE TRIGGER audit_claim AFTER INSERT ON claim FOR EACH ROW EXECUTE FUNCTION audit_claim();
"""
"""What the triggers write is lost with the claims that a crash loses."""
FLUSH = SECOND
"""How long before a crash a claim or a result may have been committed that is not on disk:
PostgreSQL flushes after three times ``wal_writer_delay`` at the latest, which is 0.6 seconds."""


class Books(NamedTuple):
    """What became of the tasks.

    Attributes:
        acknowledged: The ids of the tasks whose creation was acknowledged.
        deleted: Those whose deletion was acknowledged.
        unsure: Those whose deletion failed, so that it may have taken effect.
        pending: Those that are stored.
        dead: Those that failed for good.
        delivered: For each task the exchanges that succeeded.
    """

    acknowledged: frozenset[str]
    deleted: frozenset[str]
    unsure: frozenset[str]
    pending: frozenset[str]
    dead: frozenset[str]
    delivered: dict[str, list]

    @property
    def lost(self):
        """The acknowledged tasks of which nothing is left."""
        ends = self.delivered.keys() | self.dead | self.deleted | self.pending | self.unsure
        return self.acknowledged - ends

    @property
    def duplicates(self):
        """The successful exchanges of tasks that succeeded again later."""
        return [each for all_of in self.delivered.values() for each in all_of[:-1]]


def books(fleet, calls):
    """Return what became of all tasks, once nothing is due."""
    delivered = collections.defaultdict(list)
    for exchange in fleet.target.exchanges:
        if exchange.status == 200:
            delivered[exchange.task].append(exchange)
    pending = fleet.query("SELECT coalesce(id, seq::text) FROM task JOIN queue USING (generation)")
    dead = fleet.query("SELECT id FROM dead_letter")
    return Books(
        _ids(call for call in calls if call.method == "create" and call.error is None),
        _ids(call for call in calls if call.method == "delete" and call.error is None),
        _ids(call for call in calls if call.method == "delete" and call.error is not None),
        frozenset(task for (task,) in pending),
        frozenset(task for (task,) in dead),
        delivered,
    )


def check_conservation(result):
    """Check that each acknowledged task has exactly one end; a repeated attempt may fail."""
    assert not result.lost, f"lost: {sorted(result.lost)}"
    ends = [result.deleted, result.pending, result.dead, result.delivered.keys()]
    for one, other in itertools.combinations(ends, 2):
        assert not one & other, f"two ends: {sorted(one & other)}"


def check_refusals(calls, codes):
    """Check that failed calls have one of some codes, and those of the server say when to retry."""
    for call in calls:
        assert call.error.code in codes, f"{call}: {call.error}"
        assert call.has_hint or call.error.code != 503, f"{call}: {call.error}"


def check_limits(fleet):
    """Check the rates over all windows, and the concurrency, by what the database recorded."""
    rows = fleet.query(
        "SELECT queue, time, rate, burst, slots, started, in_flight, claims FROM audit_queue"
    )
    by_queue = collections.defaultdict(list)
    for queue, time, rate, burst, slots, started, in_flight, claims in rows:
        assert in_flight <= slots, f"{in_flight} of {slots} slots of {queue}"
        assert claims <= slots, f"{claims} claims for {slots} slots of {queue}"
        by_queue[queue].append((time, started, rate, burst))
    assert len(by_queue) == len(QUEUES) - 1
    for queue, starts in by_queue.items():
        excess = excess_of(sorted(starts))
        assert excess <= 1e-3, f"{excess} attempts above the rate of {queue}"


def check_counters(fleet):
    """Check that no slot of a queue is taken when nothing is in flight."""
    assert fleet.query("SELECT name FROM queue WHERE in_flight <> 0") == []
    assert fleet.query("SELECT FROM claim") == []


def check_concurrency(exchanges, queue, limit):
    """Check how many requests of a queue the target had at a time."""
    events = [
        event
        for each in exchanges
        if each.queue == queue
        for event in ((each.began, 1), (each.ended, -1))
    ]
    most = max(itertools.accumulate(step for _, step in sorted(events)), default=0)
    assert most <= limit, f"{most} requests of {queue} at a time"


def unexplained(fleet, result, victims, faults):
    """Return the successful exchanges whose outcome should have been recorded, and was not.

    Those of ``victims``, patterns of names of servers, need not be, nor those from the last flush
    before the beginning of one of ``faults`` until its end.
    """
    claimed = fleet.query("SELECT task FROM audit_claim WHERE server LIKE ANY (%s)", victims)
    by_victims = {task for (task,) in claimed}
    return [
        each
        for each in result.duplicates
        if each.task not in by_victims
        and not any(began - FLUSH <= each.ended <= ended for began, ended in faults)
    ]


def excess_of(starts):
    """Return by how much starts exceed the bound of a token bucket in their worst window."""
    excess, level, before = 0.0, 0.0, None
    for time, started, rate, burst in starts:
        if before is not None:
            level = max(0.0, level - rate * (time - before) / SECOND)
        level, before = level + started, time
        excess = max(excess, level - burst)
    return excess


def _ids(calls):
    return frozenset(call.task for call in calls)

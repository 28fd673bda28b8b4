"""The verbs of dispatch, on a connection inside a transaction."""

import collections
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from drayman.core import back_pressure, bucket, fairness
from drayman.core.back_pressure import State as Pressure
from drayman.core.back_pressure import Tally
from drayman.core.bucket import Bucket
from drayman.core.clock import Micros
from drayman.core.lifecycle import AttemptResult, Claim, SettleResult, Verdict
from drayman.core.limits import Limits
from drayman.core.queue import State
from drayman.store.contract import Claims
from drayman.store.sqlite import batches, keys, ledger, tasks
from drayman.store.sqlite.rows import Connection, QueueRow, TaskRow, queue_of, sql, task_of, text

_SQL = sql("dispatch.sql")
_TASK = sql("task.sql")
_QUEUES_A_TURN = 64


class Turn(NamedTuple):
    """The arguments of one ``claim_due``."""

    server: str
    limit: int
    held: Mapping[str, int]
    slots: int
    now: Micros
    oldest: int
    """The first task that is not too old; what is older is left to the sweep."""


class _Held(NamedTuple):
    number: int
    task: int
    queue: int
    forced_at: Micros | None


def claim_due(connection: Connection, turn: Turn, limits: Limits) -> Claims:
    """Claim granted attempts, then due tasks of the queues that have waited longest."""
    slots = turn.slots + sum(turn.held.values())
    claims = _take_grants(connection, turn, fairness.granted(turn.slots, slots))
    left, free = turn.limit - len(claims), turn.slots - len(claims)
    held = collections.Counter(turn.held)
    held.update(claim.queue.name for claim in claims)
    looked_at, levels = 0, {}
    for queue in _ready_queues(connection, turn.now):
        if left <= 0 or free <= 0 or looked_at == _QUEUES_A_TURN:
            break
        share = min(left, fairness.share(free, held[queue.name], slots))
        if share <= 0:
            continue  # passed over, and as ready as before
        state = _pressure(connection, queue, turn.now, limits)
        levels[queue.name] = back_pressure.level(state, queue.max_dispatches_per_second, turn.now)
        claimed = _claim(connection, queue, share, turn, state)
        looked_at += 1
        claims += claimed
        left -= len(claimed)
        free -= len(claimed)
    more = free > 0 and (left <= 0 or looked_at == _QUEUES_A_TURN)
    return Claims(claims, turn.now if more else _next_wake(connection, turn.now), levels)


def settle(
    connection: Connection, calls: Sequence[tuple[Sequence[AttemptResult], Micros]], limits: Limits
) -> list[list[SettleResult | None]]:
    """Note the outcomes of all calls of a group, in a handful of statements."""
    ended: dict[int, AttemptResult] = {}
    for given, _ in calls:
        for each in given:
            ended.setdefault(each.claim, each)  # an attempt ends once
    now = max((now for _, now in calls), default=0)
    rows = connection.execute(_SQL["end_claims"], {"numbers": json.dumps(list(ended))})
    unordered = {number: _Held(number, *rest) for number, *rest in rows.fetchall()}
    held = {number: unordered[number] for number in ended if number in unordered}
    completed = {claim.task for n, claim in held.items() if ended[n].verdict is Verdict.COMPLETED}
    others = [claim for claim in held.values() if claim.task not in completed]
    deciders, heirs = _deciders(connection, others), _heirs(connection, others)
    # Of several ends of a task the last counts, and decides if none is left in flight.
    last = {claim.task: claim for claim in others if deciders.get(claim.task) in held}
    dead = {task: claim for task, claim in last.items()
            if ended[claim.number].verdict is Verdict.FAILED and task not in heirs}  # fmt: skip
    going_on = [(deciders[task], ended[claim.number], heirs.get(task), task)
                for task, claim in last.items() if task not in dead]  # fmt: skip
    _note_ends(connection, going_on)
    decided = {claim.number for task, claim in last.items() if task not in heirs}
    fates = {
        number: SettleResult.SETTLED if claim.task in completed or number in decided
        else SettleResult.SUPERSEDED if claim.task in deciders
        else SettleResult.GONE
        for number, claim in held.items()
    }  # fmt: skip
    ledger.note_attempts(connection, [(ended[number], fates[number]) for number in held])
    ledger.note_dead(
        connection, [(task, ended[claim.number]) for task, claim in dead.items()], limits, now
    )
    gone: dict[int, set[int]] = collections.defaultdict(set)
    for claim in held.values():
        if claim.task in completed or claim.task in dead:
            gone[claim.queue].add(claim.task)
    for queue, seqs in gone.items():
        tasks.remove(connection, queue, sorted(seqs), now + limits.task_tombstone)
    _end_attempts(connection, [(claim.queue, ended[n]) for n, claim in held.items()], now)
    noted = {number: ended[number] for number in held}
    return [
        [fates[each.claim] if noted.get(each.claim) is each else None for each in given]
        for given, _ in calls
    ]


def release(connection: Connection, server: str | None, now: Micros) -> int:
    """Return the attempts of a server (None: of all) to their queues."""
    query = "all_claims" if server is None else "claims_of"
    rows = connection.execute(_SQL[query], {"server": server}).fetchall()
    for claim in map(_Held._make, rows):
        connection.execute(_SQL["drop_claim"], {"number": claim.number})
        if claim.forced_at is None:
            connection.execute(_SQL["unclaim"], {"seq": claim.task, "number": claim.number})
        else:
            _grant_again(connection, claim)
    _free_slots(connection, [queue for _, _, queue, _ in rows], now)
    return len(rows)


def sweep(connection: Connection, now: Micros, limit: int, limits: Limits) -> int:
    """Remove remains, in small steps."""
    removed = ledger.sweep(connection, now, max(1, limit // 8), limits)  # however much is purged
    removed += _sweep_retired(connection, limit - removed, limits)
    removed += _sweep_old(connection, now, limit - removed, limits)
    given = {"now": now, "limit": limit - removed}
    removed += connection.execute(_SQL["sweep_task_tombstones"], given).rowcount
    removed += batches.sweep(connection, now, limit - removed)
    connection.execute(_SQL["sweep_queue_tombstones"], {"now": now, "limit": limit})
    keys.sweep(connection, now)
    return removed + ledger.sweep(connection, now, limit - removed, limits)


def _take_grants(connection: Connection, turn: Turn, most: int) -> list[Claim]:
    claims: list[Claim] = []
    limit = min(turn.limit, most)
    while len(claims) < limit:
        given = {"limit": limit - len(claims)}
        rows = connection.execute(_SQL["granted"], given).fetchall()
        if not rows:
            break
        for number, forced_at, key, seq, live in rows:
            if not live:  # purged, or deleted with its queue
                connection.execute(_SQL["drop_claim"], {"number": number})
                continue
            connection.execute(_SQL["take_grant"], {"number": number, "server": turn.server})
            queue = QueueRow(*connection.execute(_SQL["queue_by_key"], {"key": key}).fetchone())
            task = TaskRow(*connection.execute(_SQL["get_task"], {"seq": seq}).fetchone())
            claims.append(Claim(number, queue_of(queue), task_of(queue.name, task), forced_at))
            _free_slots(connection, [key], turn.now, sign=-1)
    return claims


def _ready_queues(connection: Connection, now: Micros) -> Iterator[QueueRow]:
    """Yield each queue that may have work, the longest ready first."""
    last, seen = {"wake_time": -1, "key": 0}, set()
    while True:
        given = {"now": now, "limit": _QUEUES_A_TURN} | last
        rows = connection.execute(_SQL["ready_queues"], given).fetchall()
        for row in map(QueueRow._make, rows):
            if row.key not in seen:  # one that was served may be ready again, behind the others
                seen.add(row.key)
                yield row
            last = {"wake_time": row.wake_time or 0, "key": row.key}
        if len(rows) < _QUEUES_A_TURN:
            return


def _claim(
    connection: Connection, row: QueueRow, share: int, turn: Turn, state: Pressure
) -> list[Claim]:
    most = row.max_dispatches_per_second
    rate, burst = back_pressure.effective(state, most, row.max_burst_size, turn.now)
    tokens = bucket.refill(Bucket(row.tokens, row.tokens_time), rate, burst, turn.now)
    running = row.state == State.RUNNING
    open_slots = row.max_concurrent_dispatches - row.in_flight
    count = min(bucket.available(tokens), open_slots, share) if running else 0
    claims = _claim_tasks(connection, row, count, turn) if count > 0 else []
    tokens = bucket.take(tokens, len(claims))
    wake_time = None
    if running and open_slots > len(claims):
        ready = turn.now
        if share > len(claims):  # else it is this turn's limit, not the queue's
            ready = bucket.ready_at(tokens, rate, burst)
            if rate < most:
                ready = min(ready, turn.now + back_pressure.LOOK)
        wake_time = _wake_time(connection, row, ready, turn.oldest)
    connection.execute(
        _SQL["after_claim"],
        {
            "key": row.key,
            "tokens": tokens.tokens,
            "tokens_time": tokens.time,
            "claimed": len(claims),
            "wake_time": wake_time,
        },
    )
    return claims


def _claim_tasks(connection: Connection, row: QueueRow, count: int, turn: Turn) -> list[Claim]:
    (last,) = connection.execute(_SQL["last_claim"]).fetchone()
    given = {"generation": row.generation, "queue": row.key, "server": turn.server,
             "now": turn.now, "limit": count, "last": last, "oldest": turn.oldest}  # fmt: skip
    if not connection.execute(_SQL["claim"], given).rowcount:
        return []
    queue = queue_of(row)
    rows = connection.execute(_SQL["claim_tasks"], given).fetchall()
    claims = [
        Claim(task.claim or 0, queue, task_of(row.name, task)) for task in map(TaskRow._make, rows)
    ]
    return sorted(claims, key=lambda claim: claim.number)


def _wake_time(connection: Connection, row: QueueRow, ready: Micros, oldest: int) -> Micros | None:
    """Return when a queue that may dispatch from ``ready`` on is worth another look."""
    given = {"generation": row.generation, "oldest": oldest}
    found = connection.execute(_SQL["next_schedule"], given).fetchone()
    return None if found is None else max(ready, int(found[0]))


def _pressure(connection: Connection, row: QueueRow, now: Micros, limits: Limits) -> Pressure:
    """Return the back pressure on a queue, and let a new or idle one ramp up if it must."""
    state = back_pressure.loads(row.throttle)
    idle = row.throttle is None or now - row.tokens_time > back_pressure.IDLE
    if limits.ramp_up and idle and row.state == State.RUNNING:
        state = back_pressure.ramp(state, row.max_dispatches_per_second, now)
        _set_throttle(connection, row.key, state)
    return state


def _set_throttle(connection: Connection, key: int, state: Pressure) -> None:
    connection.execute(_SQL["set_throttle"], {"key": key, "throttle": back_pressure.dumps(state)})


def _next_wake(connection: Connection, now: Micros) -> Micros | None:
    (time,) = connection.execute(_SQL["next_wake"], {"now": now}).fetchone()
    return None if time is None else int(time)


def _note_ends(
    connection: Connection, ends: Sequence[tuple[int | None, AttemptResult, int | None, int]]
) -> None:
    """Note ends after which their tasks go on: scheduled again, or decided on by an heir."""
    if ends:
        noted = [
            (task, decider, each.schedule_time, each.response_time, int(each.code),
             text(each.message), int(each.responded), int(each.executed),
             each.previous_response, heir)
            for decider, each, heir, task in ends
        ]  # fmt: skip
        connection.execute(_SQL["note_ends"], {"ended": json.dumps(noted)})


def _heirs(connection: Connection, ended: Sequence[_Held]) -> dict[int, int]:
    """Return the attempts that are left in flight of the tasks whose attempts have ended.

    Only beside an attempt that RunTask asked for there may be another; the latest is the heir.
    """
    forced = [each.task for each in ended if each.forced_at is not None]
    if not forced:
        return {}
    rows = connection.execute(_SQL["left_in_flight"], {"tasks": json.dumps(forced)}).fetchall()
    return dict(rows)


def _deciders(connection: Connection, ended: Sequence[_Held]) -> dict[int, int | None]:
    """Return the attempts that were to decide on the tasks that are still there."""
    if not ended:
        return {}
    given = {"tasks": json.dumps([each.task for each in ended])}
    return dict(connection.execute(_SQL["deciders"], given).fetchall())


def _free_slots(connection: Connection, queues: Sequence[int], now: Micros, sign: int = 1) -> None:
    for key, count in collections.Counter(queues).items():
        given = {"key": key, "ended": sign * count, "time": now}
        connection.execute(_SQL["free_slots"], given).fetchone()


def _end_attempts(
    connection: Connection, ended: Sequence[tuple[int, AttemptResult]], now: Micros
) -> None:
    """Free the slots of attempts that ended, and note what they say of their targets."""
    counts = collections.Counter(queue for queue, _ in ended)
    tallies: dict[int, Tally] = collections.defaultdict(Tally)
    for queue, each in ended:
        tallies[queue] = tallies[queue].plus(each.signal, each.hold, each.attempt)
    for key, count in counts.items():
        given = {"key": key, "ended": count, "time": now}
        found = connection.execute(_SQL["free_slots"], given).fetchone()
        if found and tallies[key].answers:
            kept, rate = found
            state = back_pressure.note(back_pressure.loads(kept), tallies[key], rate, now)
            _set_throttle(connection, key, state)


def _grant_again(connection: Connection, claim: _Held) -> None:
    given = {"seq": claim.task, "queue": claim.queue, "now": claim.forced_at}
    (new,) = connection.execute(_TASK["grant"], given).fetchone()
    given = {"seq": claim.task, "number": claim.number, "new": new}
    if not connection.execute(_SQL["move_claim"], given).rowcount:
        connection.execute(_SQL["drop_claim"], {"number": new})  # the task is gone


def _sweep_retired(connection: Connection, limit: int, limits: Limits) -> int:
    removed = 0
    for _ in range(limit):
        if removed >= limit:
            break
        retired = connection.execute(_SQL["oldest_retired"]).fetchone()
        if retired is None:
            break
        generation, queue, time = retired
        given = {"generation": generation, "limit": limit - removed}
        seqs = [seq for (seq,) in connection.execute(_SQL["tasks_of"], given).fetchall()]
        if not seqs:
            connection.execute(_SQL["unretire"], given)
            continue
        tasks.remove(connection, queue, seqs, time + limits.task_tombstone)
        removed += len(seqs)
    return removed


def oldest(now: Micros, limits: Limits) -> int:
    """Return the number of the first task that is not too old."""
    return (now - limits.retention) * tasks.SEQ_PER_MICRO


def _sweep_old(connection: Connection, now: Micros, limit: int, limits: Limits) -> int:
    given = {"oldest": oldest(now, limits), "limit": limit}
    by_queue: dict[int, list[int]] = collections.defaultdict(list)
    for seq, queue in connection.execute(_SQL["old_tasks"], given).fetchall():
        by_queue[queue].append(seq)
    for queue, seqs in by_queue.items():
        ledger.note_old(connection, seqs, limits, now)
        tasks.remove(connection, queue, seqs, now + limits.task_tombstone)
    return sum(map(len, by_queue.values()))

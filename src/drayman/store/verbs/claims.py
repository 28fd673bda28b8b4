"""The verb that claims attempts, and those that return claims to their queues."""

import collections
import json
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from drayman.core import admission, back_pressure, fairness, task_ids
from drayman.core.admission import QueueLoad
from drayman.core.back_pressure import Pressure
from drayman.core.bucket import Bucket
from drayman.core.clock import Micros
from drayman.core.lifecycle import Claim, EndedClaim
from drayman.core.queue import State
from drayman.store import damage
from drayman.store.contract import Claims, QueueDamagedError
from drayman.store.rows import QueueRow, TaskRow, to_load, to_queue, to_task
from drayman.store.session import Session
from drayman.store.verbs import tasks

_Result = TypeVar("_Result")
_Unclaim = Callable[[Session, EndedClaim], bool]
_MAX_QUEUES = 64
"""The most queues that one claim considers."""


class ClaimRequest(NamedTuple):
    """The arguments of one ``claim_due``."""

    server: str
    limit: int
    held: Mapping[str, int]
    slots: int
    now: Micros


class _Admission(NamedTuple):
    """What a claim takes from one queue.

    Attributes:
        row: The queue.
        bucket: Its tokens before the claims.
        numbers: The numbers of the claims, each with the seq of its task.
        ready: When it may start more attempts, None for not before a change.
    """

    row: QueueRow
    bucket: Bucket
    numbers: Sequence[tuple[Any, ...]]
    ready: Micros | None

    @property
    def claimed(self) -> int:
        return len(self.numbers)


def claim_due(
    session: Session, server: str, limit: int, held: Mapping[str, int], slots: int, now: Micros
) -> Claims:
    """Claim granted attempts, then due tasks of the queues that have been ready longest."""
    request = ClaimRequest(server, limit, held, slots, now)
    all_slots = slots + sum(held.values())
    grant_limit = min(limit, fairness.grant_limit(slots, all_slots))
    claims = _claim_readable_grants(session, request, grant_limit)
    short = len(claims) >= grant_limit
    in_flight = collections.Counter(held)
    in_flight.update(claim.queue.name for claim in claims)
    admissions: list[_Admission] = []
    claimed, rate_factors = len(claims), {}
    for queue in _ready_queues(session, now):
        left, free = limit - claimed, slots - claimed
        if left <= 0 or free <= 0 or len(admissions) == _MAX_QUEUES:
            short = True
            break
        if session.damaged.skips(queue.key, now):
            continue
        share = min(left, fairness.share(free, in_flight[queue.name], all_slots))
        if share <= 0:
            short = True
            continue  # skipped; it stays ready
        load = to_load(queue)._replace(pressure=_pressure(session, queue, now))
        factor = back_pressure.rate_factor(load.pressure, load.rate, now)
        rate_factors[queue.name] = factor
        taken = _claim_readable_queue(session, queue, load, share, request)
        short = short or taken.claimed >= share
        claimed += taken.claimed
        admissions.append(taken)
    claims += _locating(session, admissions, now, _claim_tasks)
    _locating(session, admissions, now, _record)
    exhausted = limit <= len(claims) or len(admissions) == _MAX_QUEUES
    more = slots > len(claims) and exhausted
    next_due = now if more else _next_wake_time(session, now)
    return Claims(claims, next_due, short, rate_factors, session.damaged.retry_times(now))


def release(session: Session, server: str | None, now: Micros) -> int:
    """Return the claims of a server (None: of all) to their queues."""
    if server is None:
        rows = session.all("list_claims")
    else:
        rows = session.all("list_claims_of_server", server=server)
    claims = [EndedClaim(*row) for row in rows]
    for claim in claims:
        session.run("delete_claim", number=claim.number)
    return _return_claims(session, claims, _unclaim, now)


def release_unsent(session: Session, numbers: Sequence[int], now: Micros) -> int:
    """Return claims to their queues whose attempts do not count."""
    rows = session.all("end_claims", numbers=json.dumps(list(numbers)))
    claims = sorted(EndedClaim(*row) for row in rows)
    return _return_claims(session, claims, _unclaim_unsent, now)


def release_unknown(session: Session, server: str, known: Collection[int], now: Micros) -> int:
    """Return claims of a server that it does not know of to their queues."""
    rows = session.all("list_claims_of_server", server=server)
    return release_unsent(session, [number for number, *_ in rows if number not in known], now)


def _return_claims(
    session: Session, claims: Sequence[EndedClaim], unclaim: _Unclaim, now: Micros
) -> int:
    """Make the tasks of ended claims due again."""
    for claim in claims:
        if claim.forced_at is None:
            unclaim(session, claim)
        else:
            _grant_again(session, claim, claim.forced_at)
    free_slots(session, collections.Counter(claim.queue for claim in claims), now)
    return len(claims)


def _unclaim(session: Session, claim: EndedClaim) -> bool:
    """Schedule the task of a claim again, if the claim was to decide on it."""
    return bool(session.run("unclaim_task", seq=claim.task, number=claim.number))


def _unclaim_unsent(session: Session, claim: EndedClaim) -> bool:
    """Schedule the task of a claim again, and do not count the attempt."""
    return bool(session.run("unclaim_unsent_task", seq=claim.task, number=claim.number))


def free_slots(
    session: Session,
    counts: Mapping[int, int],
    now: Micros,
    removed: Mapping[int, int] = types.MappingProxyType({}),
) -> list[tuple[int, str | None, float]]:
    """Free concurrency slots of queues, by key, and make the queues ready for a claim.

    Tasks of these queues that were ``removed``, by generation, are subtracted from their counts.
    Returns key, pressure and rate of each queue that still exists.
    """
    if not counts:
        return []
    rows = session.all(
        "free_slots",
        queues=json.dumps(list(counts.items())),
        removed=json.dumps(dict(removed)),
        now=now,
    )
    return [(key, pressure, rate) for key, pressure, rate in rows]


def _claim_readable_grants(session: Session, request: ClaimRequest, limit: int) -> list[Claim]:
    if session.damaged.skips(damage.GRANTS, request.now):
        return []
    try:
        return _claim_grants(session, request, limit)
    except Exception as error:
        _skip(session, damage.GRANTS, "attempts granted by RunTask", error, request.now)
        raise


def _skip(session: Session, key: int, name: str, error: Exception, now: Micros) -> None:
    """Have later claims skip a queue that cannot be read. QueueDamagedError undoes this claim."""
    if session.is_damage(error) and session.damaged.add(key, name, now):
        raise QueueDamagedError(name) from error


def _claim_grants(session: Session, request: ClaimRequest, limit: int) -> list[Claim]:
    claims: list[Claim] = []
    while len(claims) < limit:
        rows = session.all("list_grants", limit=limit - len(claims))
        if not rows:
            break
        for number, forced_at, queue, seq, exists in rows:
            if exists:
                session.run("take_grant", number=number, server=request.server)
                claims.append(_granted(session, number, forced_at, queue, seq))
                free_slots(session, {queue: -1}, request.now)
            else:  # purged, or deleted with its queue
                session.run("delete_claim", number=number)
    return claims


def _granted(session: Session, number: int, forced_at: Micros, queue: int, seq: int) -> Claim:
    owner = to_queue(QueueRow(*session.one("get_queue_by_key", key=queue)))
    task = to_task(owner.name, TaskRow(*session.one("get_task", seq=seq)))
    return Claim(number, owner, task, forced_at)


def _ready_queues(session: Session, now: Micros) -> Iterator[QueueRow]:
    """Yield each queue that may have due tasks, in the order in which they became ready."""
    after = (-1, 0)
    while True:
        rows = session.all(
            "lock_ready_queues", now=now, wake_time=after[0], key=after[1], limit=_MAX_QUEUES
        )
        for row in map(QueueRow._make, rows):
            yield row
            after = (row.wake_time or 0, row.key)
        if len(rows) < _MAX_QUEUES:
            return


def _claim_readable_queue(
    session: Session, row: QueueRow, load: QueueLoad, share: int, request: ClaimRequest
) -> _Admission:
    try:
        return _claim_queue(session, row, load, share, request)
    except Exception as error:
        _skip(session, row.key, row.name, error, request.now)
        raise


def _locating(
    session: Session,
    admissions: Sequence[_Admission],
    now: Micros,
    step: Callable[[Session, Sequence[_Admission], Micros], _Result],
) -> _Result:
    """Run a step for all queues; if rows cannot be read, find out of which queue they are."""
    try:
        return step(session, admissions, now)
    except Exception as error:
        if session.is_damage(error):
            for each in admissions:
                try:
                    step(session, [each], now)
                except Exception as cause:  # noqa: BLE001 - the first error is raised otherwise
                    _skip(session, each.row.key, each.row.name, cause, now)
        raise


def _claim_queue(
    session: Session, row: QueueRow, load: QueueLoad, share: int, request: ClaimRequest
) -> _Admission:
    """Insert the claims that a queue admits."""
    admitted = admission.admit(load, share, request.now)
    oldest = task_ids.oldest_seq(request.now, session.retention.task_retention)
    numbers: list[tuple[Any, ...]] = []
    if admitted.attempts > 0:
        numbers = session.all(
            "insert_claims", queue=row.key, generation=row.generation, server=request.server,
            now=request.now, limit=admitted.attempts, oldest=oldest,
        )  # fmt: skip
    ready = admission.next_claim(load, admitted, len(numbers), share)
    return _Admission(row, admitted.bucket, numbers, ready)


def _claim_tasks(session: Session, admissions: Sequence[_Admission], now: Micros) -> list[Claim]:
    """Count the attempts of all claimed tasks; return the claims in the order of their numbers."""
    numbers = [pair for each in admissions for pair in each.numbers]
    if not numbers:
        return []
    queues = {each.row.generation: to_queue(each.row) for each in admissions if each.numbers}
    rows = session.all("claim_tasks", claims=json.dumps(numbers), now=now)
    claims = []
    for task in map(TaskRow._make, rows):
        queue = queues[task.generation]
        claims.append(Claim(task.claim or 0, queue, to_task(queue.name, task)))
    return sorted(claims, key=lambda claim: claim.number)


def _record(session: Session, admissions: Sequence[_Admission], now: Micros) -> None:
    """Record what was claimed from each queue, and when it may have a due task again."""
    if not admissions:
        return
    earliest = _earliest_tasks(
        session, [each for each in admissions if each.ready is not None], now
    )
    rows = [
        (each.row.key, each.bucket.tokens - each.claimed, each.bucket.time, each.claimed,
         _wake_time(each.ready, earliest.get(each.row.key)))
        for each in admissions
    ]  # fmt: skip
    session.run("record_claims", queues=json.dumps(rows))


def _earliest_tasks(
    session: Session, admissions: Sequence[_Admission], now: Micros
) -> dict[int, Micros | None]:
    """Return the schedule time of the next waiting task of queues, by key."""
    if not admissions:
        return {}
    oldest = task_ids.oldest_seq(now, session.retention.task_retention)
    keys = json.dumps([(each.row.key, each.row.generation) for each in admissions])
    return dict(session.all("next_schedule_times", queues=keys, oldest=oldest, now=now))


def _wake_time(ready: Micros | None, earliest: Micros | None) -> Micros | None:
    """Return when a queue that may start attempts from ``ready`` on has a due task."""
    return None if ready is None or earliest is None else max(ready, earliest)


def _next_wake_time(session: Session, now: Micros) -> Micros | None:
    (time,) = session.one("next_wake_time", now=now)
    return None if time is None else int(time)


def _pressure(session: Session, row: QueueRow, now: Micros) -> Pressure:
    """Return the back pressure on a queue; a new or idle queue ramps up if so configured."""
    pressure = back_pressure.decode(row.pressure)
    idle = row.pressure is None or now - row.tokens_time > back_pressure.IDLE_TIME
    if session.ramp_up and idle and row.state == State.RUNNING:
        pressure = back_pressure.ramp_up(pressure, row.max_dispatches_per_second, now)
        set_pressures(session, {row.key: pressure})
    return pressure


def set_pressures(session: Session, pressures: Mapping[int, Pressure]) -> None:
    """Store the back pressure of queues, by key."""
    rows = [(key, back_pressure.encode(pressure)) for key, pressure in pressures.items()]
    if rows:
        session.run("set_pressures", pressures=json.dumps(rows))


def _grant_again(session: Session, claim: EndedClaim, forced_at: Micros) -> None:
    """Grant the attempt of an ended claim again, if it was to decide on its task."""
    if not _unclaim(session, claim):
        return
    number = tasks.grant(session, claim.task, claim.queue, forced_at)
    session.run("move_claim", seq=claim.task, new=number)

"""The verb that claims attempts, and those that return claims to their queues."""

import collections
import json
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from drayman.core import admission, back_pressure, fairness, task_ids
from drayman.core.admission import QueueLoad
from drayman.core.back_pressure import Pressure
from drayman.core.clock import MILLISECOND, Micros
from drayman.core.lifecycle import Claim, EndedClaim
from drayman.core.queue import Queue, State
from drayman.store import damage
from drayman.store.contract import Claims, QueueDamagedError
from drayman.store.rows import QueueRow, TaskRow, to_load, to_queue, to_task
from drayman.store.session import Session
from drayman.store.verbs import tasks

_Result = TypeVar("_Result")
_Part = TypeVar("_Part", "QueueRow", "_Admission")
_Unclaim = Callable[[Session, EndedClaim], bool]
_MAX_QUEUES = 64
"""The most queues that one claim considers."""
_BLOCKED_GRANTS: Micros = 20 * MILLISECOND
"""When a grant is tried again whose queue another server has locked."""
_MANY = 16
"""A queue with so many due tasks is claimed from by a statement of its own."""


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
        load: Its state before the claim.
        share: The attempt slots that it may use.
        admitted: The attempts that it may start.
        due: The number of its due tasks, if it is known and all of them may start.
        numbers: The numbers of the claims, each with the seq of its task.
    """

    row: QueueRow
    load: QueueLoad
    share: int
    admitted: admission.Admission
    due: int | None
    numbers: list[tuple[int, int]]

    @property
    def taken(self) -> int:
        """The number of its tasks that this claim takes."""
        return len(self.numbers) if self.due is None else self.due

    @property
    def ready(self) -> Micros | None:
        """When it may start more attempts, None for not before a change."""
        return admission.next_claim(self.load, self.admitted, len(self.numbers), self.share)


def claim_due(
    session: Session, server: str, limit: int, held: Mapping[str, int], slots: int, now: Micros
) -> Claims:
    """Claim granted attempts, then due tasks of the queues that have been ready longest."""
    request = ClaimRequest(server, limit, held, slots, now)
    all_slots = slots + sum(held.values())
    grant_limit = min(limit, fairness.grant_limit(slots, all_slots))
    claims, blocked = _claim_readable_grants(session, request, grant_limit)
    short = len(claims) >= grant_limit
    in_flight = collections.Counter(held)
    in_flight.update(claim.queue.name for claim in claims)
    admissions: list[_Admission] = []
    claimed, rate_factors = len(claims), {}
    for queue, due in _ready_queues(session, request):
        left, free = limit - claimed, slots - claimed
        if left <= 0 or free <= 0 or len(admissions) == _MAX_QUEUES:
            short = True
            break
        share = min(left, fairness.share(free, in_flight[queue.name], all_slots))
        if share <= 0:
            short = True
            continue  # skipped; it stays ready
        load = _ramped_up(session, queue, to_load(queue), now)
        rate_factors[queue.name] = back_pressure.rate_factor(load.pressure, load.rate, now)
        taken = _admit(session, request, queue, load, share, due)
        short = short or taken.taken >= share
        claimed += taken.taken
        admissions.append(taken)
    _locating(session, [each for each in admissions if each.due], request, _claim_all)
    claims += _locating(session, admissions, request, _claim_tasks)
    _locating(session, admissions, request, _record)
    exhausted = limit <= len(claims) or len(admissions) == _MAX_QUEUES
    more = slots > len(claims) and exhausted
    next_due = now if more else _next_wake_time(session, now)
    if blocked:
        next_due = min(next_due or now + _BLOCKED_GRANTS, now + _BLOCKED_GRANTS)
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
    counts = collections.Counter(claim.queue for claim in claims)
    free_slots(session, {queue: Freed(count, now) for queue, count in counts.items()}, now)
    return len(claims)


def _unclaim(session: Session, claim: EndedClaim) -> bool:
    """Schedule the task of a claim again, if the claim was to decide on it."""
    return bool(session.run("unclaim_task", seq=claim.task, number=claim.number))


def _unclaim_unsent(session: Session, claim: EndedClaim) -> bool:
    """Schedule the task of a claim again, and do not count the attempt."""
    return bool(session.run("unclaim_unsent_task", seq=claim.task, number=claim.number))


class Freed(NamedTuple):
    """What the ends of attempts change in their queue.

    Attributes:
        slots: The number of concurrency slots that become free.
        due: When a claim may find a due task because of them, None if they make none due.
        pressure: The back pressure on the queue from now on, None if it stays the same.
    """

    slots: int
    due: Micros | None = None
    pressure: Pressure | None = None


def free_slots(
    session: Session,
    freed: Mapping[int, Freed],
    now: Micros,
    removed: Mapping[int, int] = types.MappingProxyType({}),
) -> None:
    """Free concurrency slots of queues, by key; a queue at its limit may start attempts again.

    Tasks of these queues that were ``removed``, by generation, are subtracted from their counts.
    """
    rows = [
        (key, each.slots, each.due, each.pressure and each.pressure._asdict())
        for key, each in freed.items()
    ]
    if rows:
        session.run(
            "free_slots", queues=json.dumps(rows), removed=json.dumps(dict(removed)), now=now
        )


def _claim_readable_grants(
    session: Session, request: ClaimRequest, limit: int
) -> tuple[list[Claim], bool]:
    if session.damaged.skips(damage.GRANTS, request.now):
        return [], False
    try:
        return _claim_grants(session, request, limit)
    except Exception as error:
        _skip(session, damage.GRANTS, "attempts granted by RunTask", error, request.now)
        raise


def _skip(session: Session, key: int, name: str, error: Exception, now: Micros) -> None:
    """Have later claims skip a queue that cannot be read. QueueDamagedError undoes this claim."""
    if session.is_damage(error) and session.damaged.add(key, name, now):
        raise QueueDamagedError(name) from error


def _claim_grants(session: Session, request: ClaimRequest, limit: int) -> tuple[list[Claim], bool]:
    """Claim granted attempts; return whether some are left because their queues are locked.

    To wait for a lock here might be to wait for each other in a circle: results have locked other
    queues before, in the same transaction.
    """
    claims: list[Claim] = []
    blocked = False
    taken: collections.Counter[int] = collections.Counter()
    while len(claims) < limit and not blocked:
        rows = session.all("list_grants", limit=limit - len(claims))
        if not rows:
            break
        queues = _lock_queues(session, {queue for _, _, queue, _, exists in rows if exists})
        for number, forced_at, key, seq, exists in rows:
            if exists and key not in queues:
                blocked = True
            elif exists and (task := session.first("get_task", seq=seq)):
                session.run("take_grant", number=number, server=request.server)
                queue = queues[key]
                task_of_queue = to_task(queue.name, TaskRow(*task))
                claims.append(Claim(number, queue, task_of_queue, forced_at))
                taken[key] += 1
            else:  # purged, deleted with its queue, or deleted since the grants were listed
                session.run("delete_claim", number=number)
    free_slots(session, {key: Freed(-count) for key, count in taken.items()}, request.now)
    return claims, blocked


def _lock_queues(session: Session, keys: Collection[int]) -> dict[int, Queue]:
    """Return queues by key, without those that another server has locked."""
    if not keys:
        return {}
    rows = session.all("lock_free_queues", queues=json.dumps(sorted(keys)))
    return {row.key: to_queue(row) for row in map(QueueRow._make, rows)}


def _ready_queues(session: Session, request: ClaimRequest) -> Iterator[tuple[QueueRow, int | None]]:
    """Yield each queue that may have due tasks, in the order in which they became ready.

    With the number of its due tasks, None if it is not known.
    """
    now, after = request.now, (-1, 0)
    while True:
        rows = session.all(
            "lock_ready_queues", now=now, wake_time=after[0], key=after[1], limit=_MAX_QUEUES
        )
        queues = [QueueRow._make(row) for row in rows]
        readable = [queue for queue in queues if not session.damaged.skips(queue.key, now)]
        # A queue alone is claimed from by one statement in any case.
        several = readable if len(readable) > 1 else []
        counts = _locating(session, several, request, _count_due)
        for queue in readable:
            yield queue, counts.get(queue.key)
        if len(queues) < _MAX_QUEUES:
            return
        after = (queues[-1].wake_time or 0, queues[-1].key)


def _count_due(
    session: Session, queues: Sequence[QueueRow], request: ClaimRequest
) -> dict[int, int]:
    """Return the number of due tasks of queues, by key, of those with few."""
    if not queues:
        return {}
    rows = session.all(
        "count_due_tasks", queues=json.dumps([(each.key, each.generation) for each in queues]),
        now=request.now, oldest=_oldest(session, request.now), limit=_MANY,
    )  # fmt: skip
    return {key: count for key, count in rows if count < _MANY}


def _locating(
    session: Session,
    parts: Sequence[_Part],
    request: ClaimRequest,
    step: Callable[[Session, Sequence[_Part], ClaimRequest], _Result],
) -> _Result:
    """Run a step for all queues; if rows cannot be read, find out of which queue they are."""
    try:
        return step(session, parts, request)
    except Exception as error:
        if session.is_damage(error):
            for part in parts:
                queue = part.row if isinstance(part, _Admission) else part
                try:
                    step(session, [part], request)
                except Exception as cause:  # noqa: BLE001 - the first error is raised otherwise
                    _skip(session, queue.key, queue.name, cause, request.now)
        raise


def _admit(
    session: Session,
    request: ClaimRequest,
    queue: QueueRow,
    load: QueueLoad,
    share: int,
    due: int | None,
) -> _Admission:
    """Return what a queue admits, with its claims, unless all of its due tasks may start.

    Such queues are claimed from by one statement, ``_claim_all``.
    """
    admitted = admission.admit(load, share, request.now)
    if due is not None and due <= admitted.attempts:
        return _Admission(queue, load, share, admitted, due, [])
    taken = _Admission(queue, load, share, admitted, None, [])
    if admitted.attempts > 0:
        _locating(session, [taken], request, _claim_first)
    return taken


def _claim_first(session: Session, admissions: Sequence[_Admission], request: ClaimRequest) -> None:
    """Insert as many claims of a queue as it admits."""
    (each,) = admissions
    each.numbers[:] = session.all(
        "insert_claims", queue=each.row.key, generation=each.row.generation,
        server=request.server, now=request.now, limit=each.admitted.attempts,
        oldest=_oldest(session, request.now),
    )  # fmt: skip


def _claim_all(session: Session, admissions: Sequence[_Admission], request: ClaimRequest) -> None:
    """Insert the claims of all due tasks of queues."""
    if not admissions:
        return
    by_key = {each.row.key: each for each in admissions}
    queues = [(each.row.key, each.row.generation, each.due) for each in admissions]
    rows = session.all(
        "insert_all_claims", queues=json.dumps(queues), server=request.server, now=request.now,
        oldest=_oldest(session, request.now),
    )  # fmt: skip
    for number, task, queue in rows:
        by_key[queue].numbers.append((number, task))


def _claim_tasks(
    session: Session, admissions: Sequence[_Admission], request: ClaimRequest
) -> list[Claim]:
    """Count the attempts of all claimed tasks; return the claims in the order of their numbers."""
    numbers = [pair for each in admissions for pair in each.numbers]
    if not numbers:
        return []
    queues = {each.row.generation: to_queue(each.row) for each in admissions if each.numbers}
    rows = session.all("claim_tasks", claims=json.dumps(numbers), now=request.now)
    claims = []
    for task in map(TaskRow._make, rows):
        queue = queues[task.generation]
        claims.append(Claim(task.claim or 0, queue, to_task(queue.name, task)))
    return sorted(claims, key=lambda claim: claim.number)


def _record(session: Session, admissions: Sequence[_Admission], request: ClaimRequest) -> None:
    """Record what was claimed from each queue, and when it may have a due task again."""
    if not admissions:
        return
    ready = [(each, each.ready) for each in admissions]
    earliest = _earliest_tasks(
        session, [each.row for each, time in ready if time is not None], request.now
    )
    rows = [
        (each.row.key, each.admitted.bucket.tokens - len(each.numbers), each.admitted.bucket.time,
         len(each.numbers), _wake_time(time, earliest.get(each.row.key)))
        for each, time in ready
    ]  # fmt: skip
    session.run("record_claims", queues=json.dumps(rows))


def _earliest_tasks(
    session: Session, queues: Sequence[QueueRow], now: Micros
) -> dict[int, Micros | None]:
    """Return the schedule time of the next waiting task of queues, by key."""
    if not queues:
        return {}
    keys = json.dumps([(each.key, each.generation) for each in queues])
    oldest = _oldest(session, now)
    return dict(session.all("next_schedule_times", queues=keys, oldest=oldest, now=now))


def _wake_time(ready: Micros | None, earliest: Micros | None) -> Micros | None:
    """Return when a queue that may start attempts from ``ready`` on has a due task."""
    return None if ready is None or earliest is None else max(ready, earliest)


def _next_wake_time(session: Session, now: Micros) -> Micros | None:
    (time,) = session.one("next_wake_time", now=now)
    return None if time is None else int(time)


def _oldest(session: Session, now: Micros) -> int:
    """Return the smallest seq of a task that may still be claimed."""
    return task_ids.oldest_seq(now, session.retention.task_retention)


def _ramped_up(session: Session, row: QueueRow, load: QueueLoad, now: Micros) -> QueueLoad:
    """Return the state of a queue; a new or idle queue ramps up if so configured."""
    idle = row.pressure is None or now - row.tokens_time > back_pressure.IDLE_TIME
    if not (session.ramp_up and idle and load.state == State.RUNNING):
        return load
    pressure = back_pressure.ramp_up(load.pressure, load.rate, now)
    session.run("set_pressure", key=row.key, pressure=back_pressure.encode(pressure))
    return load._replace(pressure=pressure)


def _grant_again(session: Session, claim: EndedClaim, forced_at: Micros) -> None:
    """Grant the attempt of an ended claim again, if it was to decide on its task."""
    if not _unclaim(session, claim):
        return
    number = tasks.grant(session, claim.task, claim.queue, forced_at)
    session.run("move_claim", seq=claim.task, new=number)

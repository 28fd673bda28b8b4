"""The verb that applies results of attempts."""

import collections
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from drayman.core import back_pressure, lifecycle
from drayman.core.back_pressure import Tally
from drayman.core.clock import Micros
from drayman.core.lifecycle import AttemptResult, Continuation, EndedClaim, SettleResult
from drayman.store import text
from drayman.store.session import Row, Session
from drayman.store.verbs import claims, history, tasks


class Settle(NamedTuple):
    """The arguments of one ``settle``."""

    results: Sequence[AttemptResult]
    now: Micros


def settle(session: Session, calls: Sequence[Settle]) -> list[list[SettleResult | None]]:
    """Apply the results of all calls of a group, in a handful of statements."""
    now = max((call.now for call in calls), default=0)
    results = lifecycle.first_results(result for call in calls for result in call.results)
    ended = _end_claims(session, results)
    # Before any row of a task: whoever deletes a task has locked its queue by then.
    pressures = _lock_pressures(session, {claim.queue for claim in ended})
    undecided = lifecycle.undecided(ended, results)
    resolution = lifecycle.resolve(
        ended, results, _current_claims(session, undecided), _remaining(session, undecided)
    )
    _continue_tasks(session, resolution.continued)
    history.add_attempts(session, ended, results, resolution.results)
    history.add_dead_letters(session, resolution.failed, now)
    gone = {
        (claim.task, claim.queue)
        for claim in ended
        if claim.task in resolution.completed or claim.task in resolution.failed
    }
    removed = tasks.remove(session, gone, now + session.retention.task_tombstone)
    _free_slots(session, pressures, ended, results, resolution.continued, removed, now)
    return [
        [_settled(each, results, resolution.results) for each in call.results] for call in calls
    ]


def _settled(
    result: AttemptResult,
    first: Mapping[int, AttemptResult],
    settled: Mapping[int, SettleResult],
) -> SettleResult | None:
    number = result.claim.number
    return settled.get(number) if first[number] is result else None


def _end_claims(session: Session, results: Mapping[int, AttemptResult]) -> list[EndedClaim]:
    """Delete the claims that are still held; return them in the order of their results."""
    rows = session.all("end_claims", numbers=json.dumps(list(results)))
    by_number = {row[0]: EndedClaim(*row) for row in rows}
    return [by_number[number] for number in results if number in by_number]


def _current_claims(session: Session, ended: Sequence[EndedClaim]) -> dict[int, int | None]:
    """Return the deciding claim of each task that still exists."""
    if not ended:
        return {}
    seqs = json.dumps([claim.task for claim in ended])
    return dict(session.all("current_claims", seqs=seqs))


def _remaining(session: Session, ended: Sequence[EndedClaim]) -> dict[int, int]:
    """Return the claim number of the latest attempt that is still in flight, by task.

    A task has several attempts in flight only if RunTask granted one of them.
    """
    forced = [claim.task for claim in ended if claim.forced_at is not None]
    if not forced:
        return {}
    return dict(session.all("remaining_attempts", seqs=json.dumps(forced)))


def _continue_tasks(session: Session, continued: Sequence[Continuation]) -> None:
    rows = [
        (task, current, result.schedule_time, result.end_time, int(result.outcome.code),
         text.clean(result.outcome.message), int(result.outcome.responded),
         int(result.outcome.executed), result.outcome.previous_response, following)
        for task, current, result, following in continued
    ]  # fmt: skip
    if rows:
        session.run("continue_tasks", tasks=json.dumps(rows))


def _free_slots(
    session: Session,
    pressures: Sequence[Row],
    ended: Sequence[EndedClaim],
    results: Mapping[int, AttemptResult],
    continued: Sequence[Continuation],
    removed: Mapping[int, int],
    now: Micros,
) -> None:
    """Free the slots of attempts that ended, and record their signals as back pressure.

    ``pressures`` has key, back pressure and rate of the queues that still exist, ``removed`` the
    number of tasks that were removed, by generation.
    """
    tallies: dict[int, Tally] = collections.defaultdict(Tally)
    for claim in ended:
        result = results[claim.number]
        tallies[claim.queue] = tallies[claim.queue].plus(
            result.outcome.signal, result.hold, result.claim.task.dispatch_count
        )
    slots = collections.Counter(claim.queue for claim in ended)
    dues, freed = _dues(ended, continued), {}
    for key, text_, rate in pressures:
        pressure, due = None, dues.get(key)
        if tallies[key].responses:
            before = back_pressure.decode(text_)
            pressure = back_pressure.record(before, tallies[key], rate, now)
            if min(before.factor, pressure.factor) < 1.0:  # its rate may have grown
                due = now
        freed[key] = claims.Freed(slots[key], due, pressure)
    claims.free_slots(session, freed, now, removed)


def _lock_pressures(session: Session, queues: Iterable[int]) -> list[Row]:
    """Return key, back pressure and rate of the queues that still exist."""
    keys = sorted(queues)
    return session.all("lock_pressures", queues=json.dumps(keys)) if keys else []


def _dues(ended: Sequence[EndedClaim], continued: Sequence[Continuation]) -> dict[int, Micros]:
    """Return when the first of the continued tasks is due, by the key of its queue."""
    queues = {claim.task: claim.queue for claim in ended}
    dues: dict[int, Micros] = {}
    for task, _, result, following in continued:
        if following is None:
            queue = queues[task]
            dues[queue] = min(result.schedule_time, dues.get(queue, result.schedule_time))
    return dues

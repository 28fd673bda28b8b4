"""What results that are settled together do to their tasks.

In the table, claim 1 is the first attempt of task 10. Claims 2 and 3 are further attempts of it,
granted by RunTask. Claim 7 belongs to task 70.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core import delivery, lifecycle
from drayman.core.delivery import Kind, Response
from drayman.core.lifecycle import (
    AttemptResult,
    Claim,
    Continuation,
    EndedClaim,
    SettleResult,
    Verdict,
)
from drayman.core.queue import Queue
from drayman.core.task import Task

COMPLETED, RETRY, FAILED = Verdict
SETTLED, SUPERSEDED, GONE = SettleResult
QUEUE = Queue("projects/p/locations/l/queues/q")
TASKS = {1: 10, 2: 10, 3: 10, 7: 70}


def attempt_result(number, verdict):
    task = Task(f"{QUEUE.name}/tasks/t", 0, 0, b"")
    outcome = delivery.outcome(Kind.HTTP, Response(200 if verdict is COMPLETED else 500))
    return AttemptResult(Claim(number, QUEUE, task), outcome, verdict, 0, 0)


def ended_claim(number, task=None):
    return EndedClaim(number, task or TASKS[number], 5, None)


@pytest.mark.parametrize(
    ("verdicts", "current", "remaining", "completed", "failed", "continued", "results"),
    [
        # One attempt decides on its task.
        ({1: COMPLETED}, {}, {}, {10}, {}, [], {1: SETTLED}),
        ({1: RETRY}, {10: 1}, {}, set(), {}, [(10, 1, 1, None)], {1: SETTLED}),
        ({1: FAILED}, {10: 1}, {}, set(), {10: 1}, [], {1: SETTLED}),
        # Each task is decided on its own.
        ({1: FAILED, 7: RETRY}, {10: 1, 70: 7}, {}, set(), {10: 1}, [(70, 7, 7, None)],
         {1: SETTLED, 7: SETTLED}),
        ({1: COMPLETED, 7: FAILED}, {70: 7}, {}, {10}, {70: 7}, [], {1: SETTLED, 7: SETTLED}),
        # The task no longer exists.
        ({1: RETRY}, {}, {}, set(), {}, [], {1: GONE}),
        ({1: FAILED}, {}, {}, set(), {}, [], {1: GONE}),
        # Another attempt decides.
        ({1: RETRY}, {10: 2}, {10: 2}, set(), {}, [], {1: SUPERSEDED}),
        ({1: FAILED}, {10: 2}, {10: 2}, set(), {}, [], {1: SUPERSEDED}),
        ({1: FAILED}, {10: None}, {}, set(), {}, [], {1: SUPERSEDED}),
        # A success completes the task, whichever attempt decides.
        ({1: COMPLETED}, {}, {10: 2}, {10}, {}, [], {1: SETTLED}),
        ({1: COMPLETED, 2: FAILED}, {}, {}, {10}, {}, [], {1: SETTLED, 2: SETTLED}),
        ({1: FAILED, 2: COMPLETED}, {}, {}, {10}, {}, [], {1: SETTLED, 2: SETTLED}),
        # A task does not fail for good while another attempt of it is in flight.
        ({2: FAILED}, {10: 2}, {10: 1}, set(), {}, [(10, 2, 2, 1)], {2: SUPERSEDED}),
        ({2: RETRY}, {10: 2}, {10: 1}, set(), {}, [(10, 2, 2, 1)], {2: SUPERSEDED}),
        ({1: FAILED, 2: FAILED}, {10: 2}, {10: 3}, set(), {}, [(10, 2, 2, 3)],
         {1: SUPERSEDED, 2: SUPERSEDED}),
        # Of several failures the last one decides.
        ({1: FAILED, 2: RETRY}, {10: 2}, {}, set(), {}, [(10, 2, 2, None)],
         {1: SUPERSEDED, 2: SETTLED}),
        ({2: RETRY, 1: FAILED}, {10: 2}, {}, set(), {10: 1}, [], {1: SETTLED, 2: SUPERSEDED}),
        ({2: FAILED, 1: RETRY}, {10: 2}, {}, set(), {}, [(10, 2, 1, None)],
         {1: SETTLED, 2: SUPERSEDED}),
    ],
)  # fmt: skip
def test_results_of_a_group_are_resolved(
    verdicts, current, remaining, completed, failed, continued, results
):
    by_claim = {number: attempt_result(number, verdict) for number, verdict in verdicts.items()}
    ended = [ended_claim(number) for number in verdicts]
    resolution = lifecycle.resolve(ended, by_claim, current, remaining)
    assert resolution.completed == completed
    assert resolution.failed == {task: by_claim[number] for task, number in failed.items()}
    assert resolution.continued == [
        Continuation(task, old, by_claim[number], new) for task, old, number, new in continued
    ]
    assert resolution.results == results


def test_a_result_whose_claim_is_not_held_is_ignored():
    results = {1: attempt_result(1, FAILED), 7: attempt_result(7, COMPLETED)}
    resolution = lifecycle.resolve([ended_claim(1)], results, {10: 1}, {})
    assert resolution == (set(), {10: results[1]}, [], {1: SETTLED})


def test_no_results_have_no_effect():
    assert lifecycle.resolve([], {}, {}, {}) == (set(), {}, [], {})


def test_claims_are_undecided_unless_a_result_completes_their_task():
    verdicts = {1: FAILED, 2: COMPLETED, 7: RETRY}
    results = {number: attempt_result(number, verdict) for number, verdict in verdicts.items()}
    ended = [ended_claim(number) for number in verdicts]
    assert lifecycle.undecided(ended, results) == [ended_claim(7)]
    assert lifecycle.undecided([], results) == []


def test_only_the_first_result_of_a_claim_counts():
    first, second, other = (
        attempt_result(1, RETRY), attempt_result(1, COMPLETED), attempt_result(2, FAILED),
    )  # fmt: skip
    results = lifecycle.first_results([first, other, second])
    assert list(results) == [1, 2]
    assert results[1] is first
    assert results[2] is other


def settle(tasks, in_flight, numbers, results):
    """Settle results as the store does; return the tasks that failed for good.

    ``tasks`` has the deciding claim of each task, ``in_flight`` the task of each claim.
    """
    ended = [ended_claim(number, in_flight.pop(number)) for number in numbers]
    undecided = lifecycle.undecided(ended, results)
    current = {claim.task: tasks[claim.task] for claim in undecided if claim.task in tasks}
    remaining = {
        claim.task: max(number for number, task in in_flight.items() if task == claim.task)
        for claim in undecided
        if claim.task in in_flight.values()
    }
    resolution = lifecycle.resolve(ended, results, current, remaining)
    assert resolution.results.keys() == set(numbers)
    for continuation in resolution.continued:
        assert tasks[continuation.task] == continuation.current
        tasks[continuation.task] = continuation.next
    for task in resolution.completed | resolution.failed.keys():
        tasks.pop(task, None)
    return set(resolution.failed)


@given(st.data())
def test_a_group_has_the_effect_of_its_results_one_by_one(data):
    in_flight = dict(enumerate(data.draw(st.lists(st.integers(1, 3), max_size=8)), start=1))
    claims_of = {task: [n for n in in_flight if in_flight[n] == task] for task in (1, 2, 3)}
    tasks = {
        task: data.draw(st.sampled_from([*claims, None]))
        for task, claims in claims_of.items()
        if data.draw(st.booleans())
    }
    order = data.draw(st.permutations(list(in_flight)))
    ended = order[: data.draw(st.integers(0, len(order)))]
    verdicts = data.draw(st.lists(st.sampled_from(Verdict), min_size=8, max_size=8))
    results = {n: attempt_result(n, verdicts[n - 1]) for n in in_flight}

    as_group, one_by_one = dict(tasks), dict(tasks)
    failed_in_group = settle(as_group, dict(in_flight), ended, results)
    still_in_flight, failed_one_by_one = dict(in_flight), set()
    for number in ended:
        failed_one_by_one |= settle(one_by_one, still_in_flight, [number], results)
    assert as_group == one_by_one
    assert failed_in_group == failed_one_by_one

"""A record is the same after it was written as JSON and parsed again."""

import dataclasses
import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drayman.core.errors import ServiceError
from drayman.core.history import DeadLetter
from drayman.core.limits import QueueLimits, TaskLimits
from drayman.core.queue import State
from drayman.core.status import Code
from drayman.core.task import Attempt, Task
from drayman.encryption.cipher import TaskCipher
from drayman.store.verbs.transfer import StoredTask, Tombstone
from drayman.tasks_v2 import types
from drayman.transfer import records
from drayman.transfer.records import KmsKey, RecordError
from drayman.wire import queues, tasks
from message_strategies import QUEUE, messages

KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
CIPHER = TaskCipher({KEY: b"k" * 16})
MOMENTS = st.integers(0, 4_000_000_000_000_000)
COUNTS = st.integers(0, 2**31 - 1)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


def attempts():
    responded = st.builds(Attempt, MOMENTS, MOMENTS, MOMENTS, st.sampled_from(Code), TEXTS)
    return st.none() | responded | st.tuples(MOMENTS, MOMENTS).map(lambda times: Attempt(*times))


@st.composite
def requests(draw):
    content = draw(messages(types.Task.pb().DESCRIPTOR))
    try:
        message = types.Task.pb()(**content | {"name": ""})
        new = tasks.parse(QUEUE, message, 0, TaskLimits(schedule_horizon=1 << 60))
    except (ServiceError, ValueError):  # ValueError: half of a character
        assume(False)
    return CIPHER.seal(KEY, new.request) if draw(st.booleans()) else new.request


def possible(task):
    """Return a task without the counts and attempts that only dispatched tasks have."""
    if task.dispatch_count:
        return task
    return task._replace(response_count=0, first_dispatch_time=None, last_attempt=None)


stored_tasks = st.builds(
    Task,
    st.sampled_from([f"{QUEUE}/tasks/t", f"{QUEUE}/tasks/1795665606474150001"]),
    MOMENTS, MOMENTS, requests(), COUNTS, COUNTS, COUNTS, st.none() | st.integers(-1, 999),
    st.none() | MOMENTS, attempts(),
).map(possible)  # fmt: skip


@st.composite
def stored_queues(draw):
    content = draw(messages(types.Queue.pb().DESCRIPTOR))
    try:
        message = types.Queue.pb()(**content)
        queue = queues.parse(message, QUEUE, QueueLimits())
    except (ServiceError, ValueError):
        assume(False)
    return dataclasses.replace(
        queue,
        state=draw(st.sampled_from(State)),
        purge_time=draw(st.none() | MOMENTS),
        rate_limits=dataclasses.replace(queue.rate_limits, max_burst_size=draw(st.integers(1, 9))),
    )


any_record = st.one_of(
    stored_queues(),
    st.builds(StoredTask, stored_tasks, st.none() | st.integers(1, 2**63 - 1)),
    st.builds(DeadLetter, st.just(0), stored_tasks, MOMENTS, TEXTS, TEXTS),
    st.builds(Tombstone, st.just(f"{QUEUE}/tasks/t"), MOMENTS),
    st.just(KmsKey("projects/p/locations/l", KEY)),
)


def unified(record):
    """Return a record whose requests are messages: one message has many serializations."""
    if isinstance(record, StoredTask):
        return record._replace(task=_unified_task(record.task))
    if isinstance(record, DeadLetter):
        task = _unified_task(record.task)
        return dataclasses.replace(record, task=task._replace(execution_count=0))
    return record


def _unified_task(task):
    if task.request.startswith(b"\0"):
        return task
    return task._replace(request=tasks.Message.FromString(task.request))


@given(any_record)
def test_a_record_is_parsed_as_it_was_rendered(record):
    line = json.dumps(records.render(record))
    parsed = records.parse(json.loads(line))
    assert unified(parsed) == unified(record)
    assert records.render(parsed) == json.loads(line)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (1, "it is no record of this version"),
        ({"task": {"name": "t"}}, "Task name must be formatted"),
        ({"task": {"name": f"{QUEUE}/tasks/t"}}, "Task.payload_type is not set."),
        (
            {"task": {"name": f"{QUEUE}/tasks/t", "httpRequest": {"url": "http://x"}}},
            "must have createTime and scheduleTime, httpMethod and dispatchDeadline.",
        ),
        ({"queue": {"name": QUEUE, "state": "FAST"}}, "FAST"),
        ({"queue": {"name": QUEUE, "retryConfig": {"maxAttempts": -2}}}, "RetryConfig.maxAttempts"),
        ({"tombstone": {"name": f"{QUEUE}/tasks/t", "expireTime": "soon"}}, "soon is not a time"),
        (
            {"cmekConfig": {"name": "projects/p/locations/l/cmekConfig", "kmsKey": "k"}},
            "Resource name [k]",
        ),
    ],
)
def test_what_is_wrong_with_a_record_is_said(value, problem):
    with pytest.raises(RecordError) as error:
        records.parse(value)
    assert problem in str(error.value)

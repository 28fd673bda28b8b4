"""Time passes when a test lets it; what is due meanwhile is delivered in order, at its time."""

import asyncio
import datetime
import itertools
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moments import START

from drayman import tasks
from drayman.testing import TIMEOUT, Server

SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)


def times(server):
    """Return when deliveries were made, counted from the start."""
    return [delivery.time - START for delivery in server.deliveries]


def test_nothing_is_delivered_before_the_test_says_so(cloud_tasks, enqueue):
    enqueue()
    cloud_tasks.wait_until_idle()
    assert cloud_tasks.deliveries == []
    cloud_tasks.assert_enqueued(count=1)


def test_the_clock_stands_until_it_is_moved(still):
    assert still.clock.now == START
    still.advance(hours=1, minutes=30)
    assert still.clock.now == START + 1.5 * HOUR
    still.advance(SECOND)
    still.advance_to(START + 2 * HOUR)
    assert still.clock.now == START + 2 * HOUR


def test_time_moves_forward_only(still):
    with pytest.raises(ValueError, match="time only moves forward"):
        still.advance(hours=-1)
    with pytest.raises(ValueError, match="time only moves forward"):
        still.advance_to(START - SECOND)


def test_a_time_span_has_a_unit(still):
    with pytest.raises(TypeError, match=r"takes a timedelta, or units such as seconds=60"):
        still.advance(60)


def test_a_time_span_is_a_timedelta_or_units(still):
    with pytest.raises(TypeError, match="takes a timedelta or units, not both"):
        still.advance(HOUR, minutes=30)
    assert still.clock.now == START


@pytest.mark.parametrize("when", ["2030-01-02", START.date(), 5])
def test_a_time_is_a_datetime(still, when):
    moves = (still.advance_to, still.reset, lambda at: still.assert_enqueued(at=at))
    for move in moves:
        with pytest.raises(TypeError, match="is not a datetime"):
            move(when)


def test_the_clock_stays_within_valid_times(still):
    for move in (lambda: still.advance(days=3_000_000), lambda: Server(start=START.replace(1900))):
        with pytest.raises((ValueError, OverflowError), match="within the years 1970 and 8999"):
            move()


def test_without_a_start_the_clock_catches_up_with_the_system(cloud_tasks, enqueue):
    enqueue(delay=60)  # by the clock of this process, which has gone on
    cloud_tasks.assert_enqueued(at=MINUTE)
    assert cloud_tasks.advance(seconds=30) == 0
    assert cloud_tasks.advance(seconds=30) == 1


def test_a_task_in_29_days_is_delivered_at_its_time(still, enqueue):
    enqueue(at=START + datetime.timedelta(days=29))
    assert still.advance(days=28) == 0
    still.assert_enqueued(at=datetime.timedelta(days=1))
    assert still.advance(days=2) == 1
    still.assert_delivered(at=START + datetime.timedelta(days=29))
    still.assert_empty()


def test_advance_delivers_in_the_order_of_due_times(still, enqueue):
    for hours, queue in ((3, "a"), (1, "b"), (2, "a")):
        enqueue(f"https://a.example/{hours}", queue=queue, at=START + hours * HOUR)
    assert still.advance(hours=3) == 3
    assert [delivery.url[-1] for delivery in still.deliveries] == ["1", "2", "3"]
    assert times(still) == [HOUR, 2 * HOUR, 3 * HOUR]


def test_retries_come_when_the_backoff_says(still, enqueue):
    still.queue("mail", min_backoff=MINUTE, max_backoff=HOUR, max_doublings=5)
    enqueue()
    still.respond("*", [503, 500, 200])
    assert still.advance(minutes=1) == 2
    assert still.advance(hours=1) == 1
    assert times(still) == [0 * MINUTE, MINUTE, 3 * MINUTE]
    assert [delivery.retry_count for delivery in still.deliveries] == [0, 1, 2]


def test_run_all_delivers_retries_and_what_is_scheduled(still, enqueue):
    enqueue(at=START + HOUR)
    still.respond("*", [500])
    assert still.run_all() == 2
    still.assert_empty()
    assert still.clock.now > START + HOUR


def test_run_all_ends_with_a_task_that_always_fails(still, enqueue):
    still.queue("mail", max_attempts=4)
    enqueue()
    still.respond("*", 500)
    assert still.run_all() == 4
    still.assert_empty()


def test_run_all_has_a_bound(still, enqueue):
    enqueue()
    still.respond("*", 500)
    with pytest.raises(RuntimeError, match="more than 10 attempts"):
        still.run_all(limit=10)
    with pytest.raises(RuntimeError, match="more than 3 attempts"):
        still.advance(days=1, limit=3)


def test_run_all_delivers_what_a_handler_enqueues(still, enqueue):
    def forward(delivery):
        enqueue("https://a.example/second", json=delivery.json)

    still.respond("*/mail", forward)
    enqueue(json=[1])
    assert still.run_all() == 2
    still.assert_delivered(url="https://a.example/second", json=[1], count=1)


def test_run_next_makes_one_attempt_and_moves_to_its_time(still, enqueue):
    enqueue("https://a.example/1", at=START + HOUR)
    enqueue("https://a.example/2", at=START + HOUR)
    assert still.run_next()
    assert still.clock.now == START + HOUR
    still.assert_delivered(count=1)
    assert still.run_next()
    assert not still.run_next()
    assert times(still) == [HOUR, HOUR]


def test_rate_limits_count_in_the_time_of_the_clock(still, enqueue):
    still.queue("mail", max_dispatches_per_second=1)
    for _ in range(20):
        enqueue()
    still.run_all()
    last = times(still)[-4:]  # after the burst
    assert [later - last[0] for later in last] == [0 * SECOND, SECOND, 2 * SECOND, 3 * SECOND]


def test_a_target_that_times_out_takes_the_deadline_and_others_go_on(still, enqueue):
    enqueue("https://slow.example", deadline=600)
    enqueue("https://a.example/1", at=START + MINUTE)
    still.respond("https://slow.example", [TIMEOUT])
    assert still.advance(minutes=5) == 2
    still.assert_enqueued(url="https://slow.example", count=1)
    assert still.run_all() == 1
    urls = [(delivery.url[:12], delivery.time - START) for delivery in still.deliveries]
    assert urls[:2] == [("https://slow", 0 * MINUTE), ("https://a.ex", MINUTE)]
    assert urls[2][1] >= 10 * MINUTE


def test_a_queue_whose_only_slot_waits_goes_on_after_the_deadline(still, enqueue):
    still.queue("mail", max_concurrent_dispatches=1, max_attempts=1)
    enqueue("https://a.example/1", deadline=60)
    enqueue("https://a.example/2")
    still.respond("https://a.example/1", TIMEOUT)
    assert still.run_all() == 2
    assert times(still) == [0 * MINUTE, MINUTE]
    still.assert_empty()


def test_a_handler_cannot_move_the_clock(still, enqueue):
    threads = []
    still.respond("*", [lambda _: still.run_all() and 200])
    still.respond("*/second", lambda _: threads.append(threading.current_thread()))
    enqueue()
    enqueue("https://a.example/second", at=START + HOUR)
    still.advance(hours=1)
    assert "a handler of a delivery cannot move it" in str(still.deliveries[0].error)
    assert threads == [threading.current_thread()]


def test_tasks_can_be_delivered_at_once_until_they_are_held_again(still, enqueue):
    still.deliver_at_once()
    enqueue()
    still.wait_until_idle()
    still.assert_delivered(count=1)
    enqueue(at=START + HOUR)
    still.wait_until_idle()
    still.assert_delivered(count=1)
    still.advance(hours=1)
    still.assert_delivered(count=2)
    still.hold()
    enqueue()
    still.wait_until_idle()
    still.assert_delivered(count=2)
    assert still.run_all() == 1


def test_what_was_due_is_delivered_when_the_hold_ends(still, enqueue):
    enqueue()
    still.deliver_at_once()
    still.wait_until_idle()
    still.assert_delivered(count=1)
    still.deliver_at_once()


def test_a_reset_holds_again_and_ends_attempts_that_wait(still, enqueue):
    still.respond("*", TIMEOUT)
    still.deliver_at_once()
    enqueue()
    still.wait_until_idle()
    still.reset(START)
    enqueue()
    still.wait_until_idle()
    assert still.deliveries == []
    assert still.run_all() == 1


def test_waiting_until_idle_has_a_time_limit(still, enqueue):
    entered, left = threading.Event(), threading.Event()

    def block(_delivery):
        entered.set()
        left.wait()

    still.respond("*", block)
    still.deliver_at_once()
    enqueue()
    entered.wait()
    message = r"not idle after 0.01 s; requests without a response: \['https://app.example/mail'\]"
    with pytest.raises(TimeoutError, match=message):
        still.wait_until_idle(timeout=0.01)
    left.set()
    still.wait_until_idle()


def test_a_queue_that_does_not_exist_is_not_idle(still, enqueue):
    enqueue()
    still.wait_until_idle(queue="mail")
    with pytest.raises(LookupError, match="there is no queue 'mial'"):
        still.wait_until_idle(queue="mial")


def test_the_time_limit_does_not_depend_on_the_time_of_the_system(still, enqueue, monkeypatch):
    times = itertools.count(2 * 10**18, 3_600 * 10**9)  # an hour for each look at the clock
    enqueue()
    monkeypatch.setattr(time, "time_ns", lambda: next(times))
    assert still.run_all() == 1
    still.deliver_at_once()
    still.wait_until_idle()


def test_a_handler_that_hangs_is_named_after_the_time_limit():
    async def hang(_delivery):
        await asyncio.Event().wait()

    with Server(timeout=0.05) as server:
        server.respond("*", hang)
        task = tasks.http_task("https://a.example/hangs")
        server.client().create_task(parent=server.queue("mail"), task=task)
        message = r"no end after 0.05 s; requests without a response: \['https://a.example/hangs'\]"
        with pytest.raises(TimeoutError, match=message):
            server.run_all()


DELAYS = st.integers(0, 50)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), DELAYS),
        st.tuples(st.just("advance"), DELAYS),
        st.tuples(st.just("next"), st.just(0)),
    ),
    max_size=12,
)


def run(server, client, steps):
    """Do what a script says, then everything that is left; return the expected times."""
    server.reset(START)
    queue = server.queue("mail", max_dispatches_per_second=500)
    server.respond("*/fails/*", [500, 503])
    expected = []
    for index, (step, argument) in enumerate(steps):
        if step == "create":
            due = server.clock.now + argument * SECOND
            fails = "/fails" if index % 3 == 0 else ""
            url = f"https://a.example{fails}/{index}"
            client.create_task(parent=queue, task=tasks.http_task(url, at=due))
            expected.append((due, url))
        elif step == "advance":
            server.advance(seconds=argument)
        else:
            server.run_next()
    server.run_all()
    return expected


@given(steps=STEPS)
@settings(max_examples=25)
def test_each_first_attempt_is_made_at_its_time_whatever_moves_the_clock(steps, server_and_client):
    server, client = server_and_client
    expected = run(server, client, steps)
    first = {}
    for delivery in server.deliveries:
        first.setdefault(delivery.url, delivery.time)
    for due, url in expected:
        assert abs(first[url] - due) < SECOND / 10  # the rate of the queue may delay it
    assert [delivery.time for delivery in server.deliveries] == sorted(
        delivery.time for delivery in server.deliveries
    )
    server.assert_empty()


@given(steps=STEPS)
@settings(max_examples=10)
def test_the_same_steps_make_the_same_deliveries(steps, server_and_client):
    server, client = server_and_client

    def deliveries():
        run(server, client, steps)
        return [(each.task, each.url, each.time, each.status) for each in server.deliveries]

    assert deliveries() == deliveries()


@pytest.fixture(scope="module")
def server_and_client():
    with Server(start=START) as server:
        yield server, server.client()


@pytest.mark.parametrize("at_once", [False, True])
def test_no_task_is_lost_when_the_clock_moves_while_tasks_are_created(still, at_once):
    queue, client = still.queue("mail"), still.client()
    if at_once:
        still.deliver_at_once()

    def create(start):
        for index in range(start, start + 25):
            url = f"https://a.example/{index}"
            at = START + (index % 5) * SECOND
            client.create_task(parent=queue, task=tasks.http_task(url, at=at))

    creators = [threading.Thread(target=create, args=[start]) for start in range(0, 100, 25)]
    for creator in creators:
        creator.start()
    while any(creator.is_alive() for creator in creators):
        still.advance(milliseconds=100)
    for creator in creators:
        creator.join()
    still.advance(minutes=1)
    still.wait_until_idle()
    still.assert_empty()
    still.assert_delivered(count=100)

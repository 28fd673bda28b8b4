"""Servers for the tests of the console."""

import itertools

import pytest
from browser import Browser

from drayman.core.events import AttemptEnded, CallCrashed
from live import LiveServer

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def live():
    live = LiveServer()
    yield live
    live.stop()


@pytest.fixture(scope="module")
def client(live):
    client = live.client()
    yield client
    client.transport.close()


@pytest.fixture
def browser(live):
    return Browser(live)


@pytest.fixture
def queue(client):
    """A paused queue of this test alone: its tasks are not dispatched."""
    location = f"projects/p{next(_numbers)}/locations/l"
    name = f"{location}/queues/mail"
    client.create_queue(parent=location, queue={"name": name})
    client.pause_queue(name=name)
    return name


@pytest.fixture
def create_task(client, queue):
    """Create a task in the queue; return its name."""

    def create(url="http://127.0.0.1:1/hook", **request):
        task = {"http_request": {"url": url, **request}}
        return client.create_task(parent=queue, task=task).name

    return create


@pytest.fixture
def dead_letters(live, client):
    """A queue with the dead letters a, b and c."""
    location = f"projects/p{next(_numbers)}/locations/l"
    name = f"{location}/queues/webhooks"
    client.create_queue(parent=location, queue={"name": name, "retry_config": {"max_attempts": 1}})
    for task_id in "abc":
        target = {"url": f"http://127.0.0.1:1/{task_id}", "body": b"x"}
        task = {"name": f"{name}/tasks/{task_id}", "http_request": target}
        client.create_task(parent=name, task=task)
    while len(live.run(live.store.list_dead_letters(name, 0, 10))) < len("abc"):
        live.next_event(AttemptEnded)
    client.pause_queue(name=name)
    return name


@pytest.fixture(autouse=True)
def no_crash(live):
    """Fail a test in which a page crashed."""
    yield
    while not live.events.empty():
        event = live.events.get()
        if isinstance(event, CallCrashed):
            raise event.error

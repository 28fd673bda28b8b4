"""A test gets a whole server in its process, which is empty when it starts."""

import datetime
import os
import socket
import urllib.error
import urllib.request

import pytest
from google.api_core import exceptions

from drayman import tasks
from drayman.settings import SettingsError
from drayman.testing import Server

VARIABLE = "CLOUD_TASKS_EMULATOR_HOST"
HOUR = datetime.timedelta(hours=1)


def test_a_client_finds_the_server_by_the_environment(cloud_tasks):
    queue = cloud_tasks.queue("mail")
    with tasks.CloudTasksClient() as client:
        assert client.get_queue(name=queue).name == "projects/test/locations/local/queues/mail"


def test_the_environment_names_the_server_within_its_context_alone(monkeypatch):
    for before in (None, "localhost:1"):
        monkeypatch.delenv(VARIABLE, raising=False)
        if before:
            monkeypatch.setenv(VARIABLE, before)
        with Server() as server:
            assert os.environ[VARIABLE] == server.address
        assert os.environ.get(VARIABLE) == before


def test_a_server_that_is_closed_accepts_no_connection():
    with Server() as server:
        url = f"http://{server.address}/healthz"
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url)


def test_a_server_that_is_closed_says_so_and_may_be_closed_again():
    server = Server()
    server.close()
    server.close()
    for use in (server.run_all, server.reset, server.tasks, lambda: server.queue("mail")):
        with pytest.raises(RuntimeError, match="the server is closed"):
            use()


def test_settings_are_those_of_the_command_line(enqueue):
    with pytest.raises(exceptions.InvalidArgument):
        enqueue(delay=40 * 86_400)
    with Server(schedule_horizon="90d") as server:
        task = tasks.http_task("https://a.example", delay=40 * 86_400)
        server.client().create_task(parent=server.queue("mail"), task=task)
        assert len(server.tasks()) == 1


def test_a_queue_has_the_limits_that_a_test_sets_and_can_be_changed(cloud_tasks):
    name = cloud_tasks.queue("mail", max_dispatches_per_second=5, max_attempts=3, min_backoff=HOUR)
    assert cloud_tasks.queue("mail", max_attempts=7) == name
    assert cloud_tasks.queue("mail") == name
    queue = cloud_tasks.client().get_queue(name=name)
    assert queue.retry_config.max_attempts == 7
    full_name = "projects/p/locations/l/queues/q"
    assert cloud_tasks.queue(full_name) == full_name


def test_pending_tasks_have_decoded_fields(still, enqueue):
    name = enqueue(
        json={"to": "ada"}, headers={"X-A": "b"}, method="PUT", at=still.clock.now + HOUR
    )
    (task,) = still.tasks("mail")
    assert task.name == name
    assert task.queue == name.partition("/tasks/")[0]
    assert (task.method, task.url) == ("PUT", "https://app.example/mail")
    assert (task.json, task.body) == ({"to": "ada"}, b'{"to":"ada"}')
    assert task.headers["X-A"] == "b"
    assert task.schedule_time == still.clock.now + HOUR
    assert task.dispatch_count == 0


def test_pending_tasks_of_app_engine_have_their_relative_uri(cloud_tasks):
    queue = cloud_tasks.queue("mail")
    request = {"app_engine_http_request": {"relative_uri": "/work?a=b", "body": b"x"}}
    cloud_tasks.client().create_task(parent=queue, task=request)
    (task,) = cloud_tasks.tasks()
    assert (task.url, task.method, task.body) == ("/work?a=b", "POST", b"x")


def test_pending_tasks_can_be_those_of_one_queue(cloud_tasks, enqueue):
    for queue in ("a", "b"):
        enqueue(queue=queue)
    assert len(cloud_tasks.tasks()) == 2
    (task,) = cloud_tasks.tasks("a")
    assert cloud_tasks.tasks(task.queue) == [task]
    assert cloud_tasks.tasks("c") == []


def test_a_server_lists_the_tasks_of_a_store_that_exists(tmp_path):
    store = f"sqlite:{tmp_path}/tasks.db"
    with Server(store=store) as server:
        task = tasks.http_task("https://a.example")
        name = server.client().create_task(parent=server.queue("mail"), task=task).name
    with Server(store=store) as server:
        assert [each.name for each in server.tasks()] == [name]
        with pytest.raises(AssertionError, match="1 pending task, not none"):
            server.assert_empty("mail")


def test_a_queue_that_was_deleted_has_no_tasks(cloud_tasks, enqueue):
    queue = enqueue().partition("/tasks/")[0]
    cloud_tasks.client().delete_queue(name=queue)
    assert cloud_tasks.tasks() == []


def test_googles_client_works_as_it_is(cloud_tasks, google_client):
    queue = cloud_tasks.queue("mail")
    google_client.create_task(parent=queue, task={"http_request": {"url": "https://a.example"}})
    assert cloud_tasks.run_all() == 1
    cloud_tasks.assert_delivered(url="https://a.example")


def test_a_reset_leaves_nothing_and_sets_the_time(cloud_tasks, enqueue):
    named = enqueue(name="projects/test/locations/local/queues/mail/tasks/one")
    cloud_tasks.respond("*", 500)
    cloud_tasks.run_next()
    cloud_tasks.advance(days=20)
    cloud_tasks.reset()
    assert (cloud_tasks.tasks(), cloud_tasks.deliveries) == ([], [])
    assert abs(cloud_tasks.clock.now - datetime.datetime.now(datetime.UTC)) < HOUR  # noqa: TID251 - the system's
    assert enqueue(name=named) == named
    cloud_tasks.run_all()
    cloud_tasks.assert_delivered(status=200, count=1)


def test_connections_outlive_a_reset_and_days_of_the_clock(cloud_tasks):
    host, _, port = cloud_tasks.address.partition(":")
    with socket.create_connection((host, int(port))) as silent:
        urllib.request.urlopen(f"http://{cloud_tasks.address}/healthz").close()  # accepted later
        cloud_tasks.advance(days=29)
        cloud_tasks.reset()
        silent.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert silent.recv(1 << 16).startswith(b"HTTP/1.1 200")


def test_a_name_is_free_again_when_its_tombstone_has_expired(still, enqueue):
    name = enqueue(name="projects/test/locations/local/queues/mail/tasks/one")
    still.run_all()
    still.advance(hours=23)
    with pytest.raises(exceptions.AlreadyExists):
        enqueue(name=name)
    still.advance(hours=2)
    enqueue(name=name)
    assert still.run_all() == 1


def test_a_paused_queue_delivers_when_it_is_resumed(still, enqueue):
    queue, client = enqueue().partition("/tasks/")[0], still.client()
    client.pause_queue(name=queue)
    assert still.run_all() == 0
    still.assert_enqueued(count=1)
    client.resume_queue(name=queue)
    assert still.run_all() == 1


def test_servers_can_run_side_by_side():
    with Server() as one, Server() as other:
        one.client().create_task(
            parent=one.queue("mail"), task=tasks.http_task("https://a.example")
        )
        assert len(one.tasks()) == 1
        assert other.tasks() == []


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"task_tombstone": "soon"}, "--task-tombstone"),
        ({"colour": "red"}, "no settings of drayman serve: colour"),
    ],
)
def test_a_server_with_a_wrong_setting_does_not_start(settings, error):
    with pytest.raises((SettingsError, TypeError), match=error):
        Server(**settings)


def test_settings_may_be_numbers_booleans_and_lists():
    with Server(task_size=100, mask_queries=True, location=["l"]) as server:
        with pytest.raises(exceptions.InvalidArgument):
            server.queue("projects/p/locations/other/queues/q")
        queue = server.queue("projects/p/locations/l/queues/q")
        with pytest.raises(exceptions.InvalidArgument):
            server.client().create_task(
                parent=queue, task=tasks.http_task("https://a.example", body=b"x" * 200)
            )

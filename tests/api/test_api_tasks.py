"""The calls of tasks, through Google's own client."""

import datetime

import pytest
from google.cloud import tasks_v2

from drayman.core.clock import DAY, HOUR, SECOND
from drayman.core.events import AttemptEnded
from drayman.core.task import NewTask
from drayman.wire import pages

URL = "http://example.com/x"
FULL, BASIC = tasks_v2.Task.View.FULL, tasks_v2.Task.View.BASIC
GONE = (
    "The task no longer exists, though a task with this name existed recently. "
    "The task either successfully completed or was deleted."
)
MISSING = "Requested entity was not found."


def create(client, queue, view=0, **task):
    task.setdefault("http_request", {"url": URL})
    if "app_engine_http_request" in task:
        del task["http_request"]
    return client.create_task(request={"parent": queue, "task": task, "response_view": view})


def moment(micros):
    return datetime.datetime.fromtimestamp(micros / SECOND, tz=datetime.UTC)


def test_an_http_task_is_stored_with_its_defaults(client, queue, server):
    server.advance(123_456)
    task = create(
        client, queue, FULL, http_request={"url": URL, "headers": {"x-Own": "1"}, "body": b"b"}
    )
    now = server.clock.now()
    assert task.name.startswith(f"{queue}/tasks/")
    assert task.name.rpartition("/")[2].isdigit()
    assert task.view is FULL
    assert task.http_request.http_method is tasks_v2.HttpMethod.POST
    assert dict(task.http_request.headers) == {"x-Own": "1", "User-Agent": "Google-Cloud-Tasks"}
    assert task.http_request.body == b"b"
    assert task.dispatch_deadline == datetime.timedelta(minutes=10)
    assert task.schedule_time == moment(now)
    assert task.create_time == moment(now // SECOND * SECOND)
    assert (task.dispatch_count, task.response_count) == (0, 0)
    assert "first_attempt" not in task
    assert task == client.get_task(request={"name": task.name, "response_view": FULL})


def test_an_app_engine_task_shows_its_host(client, queue):
    task = create(client, queue, app_engine_http_request={"body": b"four"})
    assert task.app_engine_http_request.app_engine_routing.host.endswith(".r.appspot.com")
    assert "dispatch_deadline" not in task


@pytest.mark.parametrize("kind", ["http_request", "app_engine_http_request"])
def test_basic_views_omit_only_the_body(client, queue, kind):
    request = {"body": b"secret", "headers": {"a": "b"}}
    if kind == "http_request":
        request["url"] = URL
    task = create(client, queue, **{kind: request})
    tasks = [
        task,
        client.get_task(name=task.name),
        client.get_task(request={"name": task.name, "response_view": BASIC}),
        *client.list_tasks(parent=queue),
    ]
    for shown in tasks:
        assert shown.view is BASIC
        assert getattr(shown, kind).body == b""
        assert getattr(shown, kind).headers["a"] == "b"
    (full,) = client.list_tasks(request={"parent": queue, "response_view": FULL})
    assert full.view is FULL
    assert getattr(full, kind).body == b"secret"


def test_a_past_schedule_time_becomes_now_and_a_later_one_keeps_its_microseconds(
    client, queue, server
):
    now = server.clock.now()
    later = create(client, queue, schedule_time=moment(now + HOUR + 7))
    assert later.schedule_time == moment(now + HOUR + 7)
    assert create(client, queue, schedule_time=moment(now - DAY)).schedule_time == moment(now)


def test_tasks_are_listed_in_order_of_creation_a_page_at_a_time(client, queue):
    """Recorded: every page with tasks has a token, the last one too; an empty page has none."""
    names = [create(client, queue).name for _ in range(3)]
    pager = client.list_tasks(request={"parent": queue, "page_size": 2})
    pages_ = [([task.name for task in page.tasks], page.next_page_token) for page in pager.pages]
    assert [(listed, bool(token)) for listed, token in pages_] == [
        (names[:2], True), (names[2:], True), ([], False)
    ]  # fmt: skip


def test_a_single_page_has_a_token_too(server, clients, location):
    queue = f"{location}/queues/q"
    clients["rest"].create_queue(parent=location, queue={"name": queue})
    clients["rest"].pause_queue(name=queue)
    assert server.request("GET", f"/v2/{queue}/tasks") == (200, {})
    create(clients["rest"], queue)
    _, page = server.request("GET", f"/v2/{queue}/tasks")
    assert [task["view"] for task in page["tasks"]] == ["BASIC"]
    assert page["nextPageToken"]


def test_a_negative_page_size_and_a_wrong_token_are_refused(client, queue, refused):
    """Recorded: paging of ListTasks; a missing queue comes after both (inferred)."""
    for parent in (queue, f"{queue}2"):
        for request, message in (
            ({"page_size": -1}, "ListTasksRequest.pageSize cannot be negative."),
            ({"page_token": "bad"}, "Invalid page_token"),
        ):
            request["parent"] = parent
            refused("INVALID_ARGUMENT", message, client.list_tasks, request)


def test_a_task_that_exists_throughout_a_listing_is_in_it_once(client, queue):
    names = [create(client, queue).name for _ in range(6)]
    first = next(client.list_tasks(request={"parent": queue, "page_size": 3}).pages)
    client.delete_task(name=names[1])
    client.delete_task(name=names[4])
    late = create(client, queue).name
    token = first.next_page_token
    rest = client.list_tasks(request={"parent": queue, "page_size": 3, "page_token": token})
    assert [task.name for task in rest] == [names[3], names[5], late]


def test_pages_hold_a_thousand_tasks_at_most(client, queue, server):
    message = tasks_v2.Task.serialize(tasks_v2.Task(http_request={"url": URL}))
    new_task = NewTask(None, server.clock.now() + HOUR, message)
    server.run(server.store.create_tasks(queue, [new_task] * 1_001, server.clock.now()))
    pages = client.list_tasks(request={"parent": queue, "page_size": 5_000}).pages
    assert [len(page.tasks) for page in pages] == [1_000, 1, 0]


def test_the_name_of_a_deleted_task_is_taken_for_a_day(client, queue, server, refused):
    name = f"{queue}/tasks/mine"
    assert create(client, queue, name=name).name == name
    refused("ALREADY_EXISTS", "Requested entity already exists", create, client, queue, name=name)
    client.delete_task(name=name)
    existed = (
        "The task cannot be created because a task with this name existed too recently. For more "
        "information about task de-duplication see https://cloud.google.com/tasks/docs/reference/"
        "rest/v2/projects.locations.queues.tasks/create#body.request_body.FIELDS.task."
    )
    refused("ALREADY_EXISTS", existed, create, client, queue, name=name)
    refused("NOT_FOUND", GONE, client.get_task, name=name)
    for call in (client.delete_task, client.run_task):
        refused("NOT_FOUND", MISSING, call, name=name)
    server.advance(DAY)
    for call in (client.get_task, client.delete_task, client.run_task):
        refused("NOT_FOUND", MISSING, call, name=name)
    assert create(client, queue, name=name).name == name


def test_run_delivers_from_a_paused_queue_and_success_ends_the_task(
    client, queue, worker, refused, server
):
    """Recorded: RunTask's answer shows an attempt that is decided and not sent."""
    tomorrow = moment(server.clock.now() + DAY)
    request = {"url": f"{worker.url}/run", "body": b"hi"}
    task = create(client, queue, http_request=request, schedule_time=tomorrow)
    granted = client.run_task(request={"name": task.name, "response_view": FULL})
    assert (granted.dispatch_count, granted.response_count) == (1, 0)
    assert "first_attempt" not in granted
    assert granted.schedule_time == tomorrow
    assert granted.last_attempt == tasks_v2.Attempt(schedule_time=tomorrow)
    assert (granted.view, granted.http_request.body) == (FULL, b"hi")
    delivery = worker.next()
    assert (delivery.method, delivery.path, delivery.body) == ("POST", "/run", b"hi")
    assert delivery.headers["X-CloudTasks-TaskName"] == task.name.rpartition("/")[2]
    assert float(delivery.headers["X-CloudTasks-TaskETA"]) == tomorrow.timestamp()
    server.next_event(AttemptEnded)
    refused("NOT_FOUND", GONE, client.get_task, name=task.name)


def test_run_answers_over_rest_as_recorded(server, clients, location, worker):
    queue = f"{location}/queues/q"
    clients["rest"].create_queue(parent=location, queue={"name": queue})
    clients["rest"].pause_queue(name=queue)
    task = create(clients["rest"], queue, http_request={"url": f"{worker.url}/run"})
    status, answer = server.request("POST", f"/v2/{task.name}:run", {})
    worker.next()
    server.next_event(AttemptEnded)
    assert (status, answer["dispatchCount"], answer["view"]) == (200, 1, "BASIC")
    assert answer["lastAttempt"] == {"scheduleTime": answer["scheduleTime"]}
    assert "firstAttempt" not in answer
    assert "responseCount" not in answer


def test_a_failed_run_shows_its_attempt(client, queue, worker, server):
    """Recorded: response status of the last attempt."""
    worker.answers.put(503)
    task = create(client, queue, http_request={"url": f"{worker.url}/fail"})
    client.run_task(name=task.name)
    worker.next()
    server.next_event(AttemptEnded)
    failed = client.get_task(name=task.name)
    assert (failed.dispatch_count, failed.response_count) == (1, 0)
    assert failed.first_attempt.dispatch_time == failed.last_attempt.dispatch_time
    assert "schedule_time" not in failed.first_attempt
    assert "response_time" in failed.last_attempt
    assert failed.last_attempt.response_status.code == 14
    assert failed.last_attempt.response_status.message == "UNAVAILABLE(14): HTTP status code 503"


def test_tasks_of_a_running_queue_are_delivered(client, location, worker, server):
    queue = f"{location}/queues/run"
    client.create_queue(parent=location, queue={"name": queue})
    create(client, queue, http_request={"url": f"{worker.url}/go", "http_method": "PUT"})
    assert worker.next()[:2] == ("PUT", "/go")
    server.next_event(AttemptEnded)


def test_a_page_token_of_another_kind_is_refused(client, queue, server, refused):
    token = pages.token(queue, "x", server.clock.now())
    message = "Invalid page_token"
    refused("INVALID_ARGUMENT", message, client.list_tasks, {"parent": queue, "page_token": token})

"""Changes made in the console, as a browser without scripts makes them."""

import datetime

import pytest
from google.api_core import exceptions
from google.cloud import tasks_v2

from drayman.console import app
from drayman.core.events import AttemptEnded

State = tasks_v2.Queue.State


def test_a_queue_is_created(browser, client):
    name = "projects/new/locations/l/queues/q"
    page = browser.submit(browser.open("new-queue"), "new-queue", name=name)
    assert "The queue was created." in page.text
    assert client.get_queue(name=name).state is State.RUNNING


def test_a_name_that_no_queue_can_have_is_refused_in_the_words_of_the_api(browser):
    page = browser.submit(
        browser.open("new-queue"), "new-queue", name="projects/p/locations/l/queues/a_b"
    )
    assert page.status == 400
    assert page.alert.startswith("INVALID_ARGUMENT Queue ID ")
    assert page.form("new-queue").fields["name"] == "projects/p/locations/l/queues/a_b"


def test_a_queue_is_resumed_and_paused(browser, client, queue):
    page = browser.submit(browser.open(queue), "/resume")
    assert "The queue is running." in page.text
    assert client.get_queue(name=queue).state is State.RUNNING
    page = browser.submit(page, "/pause")
    assert "The queue is paused: no attempts start." in page.text
    assert client.get_queue(name=queue).state is State.PAUSED


def test_a_queue_is_purged(browser, client, queue, create_task):
    create_task()
    page = browser.submit(browser.open(queue), "/purge")
    assert "The queue was purged." in page.text
    assert list(client.list_tasks(parent=queue)) == []


def test_a_queue_is_deleted(browser, client, queue):
    page = browser.submit(browser.open(queue), "/delete")
    assert "The queue and its tasks were deleted." in page.text
    with pytest.raises(exceptions.NotFound):
        client.get_queue(name=queue)


def test_settings_are_saved_one_by_one(browser, client, queue):
    client.update_queue(
        queue={"name": queue, "retry_config": {"max_attempts": 7}},
        update_mask={"paths": ["retry_config.max_attempts"]},
    )
    settings = browser.open(f"{queue}/settings")
    fields = {
        "rateLimits.maxDispatchesPerSecond": "12.5",
        "retryConfig.minBackoff": "2",
        "retryConfig.maxRetryDuration": "3600s",
        "stackdriverLoggingConfig.samplingRatio": "0.5",
    }
    page = browser.submit(settings, "/settings", **fields)
    assert "The settings were saved." in page.text
    saved = client.get_queue(name=queue)
    assert saved.rate_limits.max_dispatches_per_second == 12.5
    assert saved.retry_config.min_backoff == datetime.timedelta(seconds=2)
    assert saved.retry_config.max_retry_duration == datetime.timedelta(hours=1)
    assert saved.stackdriver_logging_config.sampling_ratio == 0.5
    assert saved.retry_config.max_attempts == 7


def test_a_setting_that_another_has_changed_meanwhile_stays(browser, client, queue):
    settings = browser.open(f"{queue}/settings")
    client.update_queue(
        queue={"name": queue, "rate_limits": {"max_dispatches_per_second": 7}},
        update_mask={"paths": ["rate_limits.max_dispatches_per_second"]},
    )
    refused = browser.submit(settings, "/settings", **{"retryConfig.maxDoublings": "many"})
    page = browser.submit(refused, "/settings", **{"retryConfig.maxDoublings": "3"})
    changed = client.get_queue(name=queue)
    assert changed.retry_config.max_doublings == 3
    assert changed.rate_limits.max_dispatches_per_second == 7
    assert "No setting was changed." in browser.submit(page, "/settings").text


def test_a_setting_that_a_form_does_not_have_stays(browser, client, queue):
    client.update_queue(
        queue={"name": queue, "retry_config": {"max_attempts": 7}},
        update_mask={"paths": ["retry_config.max_attempts"]},
    )
    settings = browser.open(f"{queue}/settings")
    settings.form("/settings").fields.pop("retryConfig.maxAttempts")
    browser.submit(settings, "/settings", **{"retryConfig.maxDoublings": "3"})
    changed = client.get_queue(name=queue).retry_config
    assert (changed.max_attempts, changed.max_doublings) == (7, 3)


def test_an_empty_setting_is_reset_to_its_default(browser, client, queue):
    settings = browser.open(f"{queue}/settings")
    settings = browser.submit(settings, "/settings", **{"retryConfig.maxAttempts": "5"})
    browser.submit(settings, "/settings", **{"retryConfig.maxAttempts": ""})
    assert client.get_queue(name=queue).retry_config.max_attempts == 100


def test_a_setting_that_the_api_refuses_stays_in_the_form_with_the_error(browser, client, queue):
    settings = browser.open(f"{queue}/settings")
    path = "rateLimits.maxDispatchesPerSecond"
    for text in ("9000", "many"):
        page = browser.submit(settings, "/settings", **{path: text})
        assert page.status == 400
        assert page.alert.startswith("INVALID_ARGUMENT ")
        assert page.form("/settings").fields[path] == text
    assert client.get_queue(name=queue).rate_limits.max_dispatches_per_second == 500


def test_a_task_is_created(browser, client, queue):
    page = browser.submit(
        browser.open(f"{queue}/new-task"),
        "/new-task",
        httpMethod="PUT",
        url="https://shop.example/a",
        headers="X-Order: 17\r\nContent-Type: text/plain\r\n",
        body="one\r\ntwo",
        scheduleTime="2023-11-15T01:02",
        dispatchDeadline="60",
        taskId="mine",
    )
    assert "The task was created." in page.text
    view = tasks_v2.Task.View.FULL
    task = client.get_task(request={"name": f"{queue}/tasks/mine", "response_view": view})
    assert task.http_request.http_method is tasks_v2.HttpMethod.PUT
    assert task.http_request.headers["X-Order"] == "17"
    assert task.http_request.body == b"one\ntwo"
    assert task.dispatch_deadline == datetime.timedelta(seconds=60)
    assert task.schedule_time == datetime.datetime(2023, 11, 15, 1, 2, tzinfo=datetime.UTC)


def test_a_task_that_the_api_refuses_stays_in_the_form_with_the_error(browser, queue):
    form = browser.open(f"{queue}/new-task")
    page = browser.submit(form, "/new-task", url="ftp://shop.example", httpMethod="POST")
    assert page.status == 400
    assert page.alert.startswith("INVALID_ARGUMENT ")
    assert page.form("/new-task").fields["url"] == "ftp://shop.example"
    page = browser.submit(form, "/new-task", url="http://x", headers="no colon")
    assert page.alert == (
        'INVALID_ARGUMENT The header line "no colon" must have the form "Name: value".'
    )


def test_a_task_is_run(browser, create_task, live):
    page = browser.submit(browser.open(create_task()), "/run")
    assert "An attempt of the task was started." in page.text
    live.next_event(AttemptEnded)


def test_a_task_is_deleted(browser, client, queue, create_task):
    page = browser.submit(browser.open(create_task()), "/delete")
    assert "The task was deleted." in page.text
    assert list(client.list_tasks(parent=queue)) == []


def test_a_change_to_a_task_that_is_gone_shows_why(browser, client, create_task):
    name = create_task()
    page = browser.open(name)
    client.delete_task(name=name)
    page = browser.submit(page, "/run")
    assert page.status == 404
    assert page.alert.startswith("NOT_FOUND ")


def test_selected_dead_letters_are_replayed_and_deleted(browser, client, dead_letters):
    page = browser.open(f"{dead_letters}/deadLetters")
    task = f"{dead_letters}/tasks/"
    page = browser.submit(page, "/replay", task=[f"{task}a"], select="tasks")
    assert "Dead letters replayed: 1." in page.text
    assert [each.name for each in client.list_tasks(parent=dead_letters)] == [f"{task}a"]
    form = page.form("/replay")
    page.forms.append(form._replace(action=form.action.replace("/replay", "/delete")))
    page = browser.submit(
        page, "/deadLetters/delete", task=[f"{task}b", f"{task}c"], select="tasks"
    )
    assert "Dead letters deleted: 2." in page.text
    assert "No task failed for good." in page.text


def test_all_dead_letters_of_a_code_are_replayed(browser, client, dead_letters):
    page = browser.open(f"{dead_letters}/deadLetters?code=UNKNOWN")
    page = browser.submit(page, "/replay", select="all")
    assert "Dead letters replayed: 3." in page.text
    assert len(list(client.list_tasks(parent=dead_letters))) == 3


def test_a_dead_letter_is_replayed_from_its_page(browser, client, dead_letters):
    page = browser.submit(browser.open(f"{dead_letters}/deadLetters/b"), "/replay")
    assert "Dead letters replayed: 1." in page.text
    page = browser.submit(browser.open(f"{dead_letters}/deadLetters/c"), "/deadLetters/delete")
    assert "Dead letters deleted: 1." in page.text
    assert [each.name[-1] for each in client.list_tasks(parent=dead_letters)] == ["b"]


def test_dead_letters_that_cannot_be_replayed_are_named(browser, client, dead_letters):
    page = browser.open(f"{dead_letters}/deadLetters")
    target = {"http_request": {"url": "http://127.0.0.1:1/"}}
    browser.submit(page, "/replay", task=[f"{dead_letters}/tasks/a"], select="tasks")
    page = browser.submit(
        page, "/replay", task=[f"{dead_letters}/tasks/{each}" for each in "ab"], select="tasks"
    )
    assert page.status == 400
    assert page.alert.startswith(
        "FAILED_PRECONDITION Dead letters replayed: 1. Not changed: 1. a: "
    )
    client.create_task(parent=dead_letters, task=target)


def test_a_change_of_dead_letters_needs_a_selection(browser, dead_letters):
    page = browser.submit(browser.open(f"{dead_letters}/deadLetters"), "/replay", select="tasks")
    assert page.alert == "INVALID_ARGUMENT No dead letter is selected."


@pytest.mark.parametrize("route", [route.path for route in app.ROUTES if route.action])
def test_no_change_is_made_by_a_get(browser, queue, create_task, client, route):
    name = create_task()
    url = route.format(queue=queue, task_id=name.rpartition("/")[2])
    page = browser.open(url)
    assert page.status in {200, 404}
    assert client.get_task(name=name).dispatch_count == 0
    assert client.get_queue(name=queue).state is State.PAUSED

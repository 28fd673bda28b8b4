"""Pages of the console, as a browser without scripts gets them."""

import base64
import re

import pytest

from drayman.console import app, views
from drayman.core.clock import SECOND
from drayman.core.events import AttemptEnded

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\"'"


def test_browsers_are_led_to_the_console_and_other_clients_are_not(browser):
    for path in ("/", "/console"):
        status, headers, _ = browser.send("GET", path)
        assert (status, headers["Location"]) == (303, "/console/")
    status, headers, _ = browser.send("GET", "/", headers={"Accept": "application/json"})
    assert (status, headers["Content-Type"]) == (404, "application/json; charset=UTF-8")


def test_every_page_is_served_and_never_stored(browser, queue, create_task):
    name = create_task()
    paths = [route.path for route in app.ROUTES if route.action is None]
    for path in paths:
        if "deadLetters/" in path:
            continue
        page = browser.open(path.format(queue=queue, task_id=name.rpartition("/")[2]))
        assert page.status == 200, path
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"


def test_nothing_within_a_page_runs_and_nothing_is_loaded_from_elsewhere(
    browser, queue, create_task
):
    for path in ("", queue, create_task(), f"{queue}/settings", f"{queue}/new-task"):
        page = browser.open(path)
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        for tag, attributes in page.elements:
            assert not {name for name in attributes if name.startswith("on") or name == "style"}
            assert tag not in {"style", "iframe", "object"}
            for name in ("src", "href", "action", "formaction", "hx-get"):
                assert attributes.get(name, "/console/").startswith(("/console/", "#")), (
                    tag,
                    attributes,
                )


def test_static_files_are_stored_for_good_under_a_url_of_their_content(browser):
    page = browser.open("")
    urls = [attributes["src"] for tag, attributes in page.elements if tag == "script"]
    assert len(urls) == 2
    for url in urls:
        status, headers, content = browser.send("GET", url)
        assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
        assert "immutable" in headers["Cache-Control"]
        assert content
    for path in ("/console/static/", "/console/static/none.js", "/console/static/..%2fapp.py"):
        assert browser.send("GET", path)[0] == 404


def test_queues_are_listed_with_counts_and_a_page_at_a_time(browser, queue, create_task):
    create_task()
    parent = queue.rpartition("/queues/")[0]
    page = browser.open(f"/console/?parent={parent}")
    assert f"/console/{queue}" in page.links()
    assert "paused" in page.text
    assert "mail p" in page.text


def test_a_page_of_queues_leads_to_the_next(browser, client):
    parent = "projects/many/locations/l"
    for number in range(views.QUEUES_PAGE + 1):
        client.create_queue(parent=parent, queue={"name": f"{parent}/queues/q{number:02}"})
    first = browser.open(f"/console/?parent={parent}")
    more = next(link for link in first.links() if "pageToken" in link)
    second = browser.open(more)
    assert f"/console/{parent}/queues/q00" in first.links()
    assert f"/console/{parent}/queues/q25" in second.links() - first.links()
    assert f"/console/?parent={parent.replace('/', '%2F')}" in second.links()


def test_tasks_are_listed_a_page_at_a_time(browser, queue, create_task):
    names = [create_task(f"http://127.0.0.1:1/{number}") for number in range(views.PAGE + 1)]
    first = browser.open(queue)
    (more,) = [link for link in first.links() if "pageToken" in link]
    second = browser.open(more)
    shown = {name for name in names if f"/console/{name}" in first.links()}
    assert len(shown) == views.PAGE
    assert {f"/console/{name}" for name in set(names) - shown} <= second.links()


def test_an_empty_queue_shows_the_next_step(browser, queue):
    page = browser.open(queue)
    assert "No tasks wait in this queue." in page.text
    assert f"/console/{queue}/new-task" in page.links()


def test_a_task_is_shown_with_its_request_and_its_next_time(browser, queue, client, live):
    task = {
        "http_request": {
            "url": "https://shop.example/mail?x=1&y=2",
            "headers": {"X-Order": "17"},
            "body": b'{"order":17,"to":["a","b"],"none":{}}',
        },
        "schedule_time": {"seconds": (live.clock.now() + 90 * SECOND) // SECOND},
    }
    page = browser.open(client.create_task(parent=queue, task=task).name)
    assert "https://shop.example/mail?x=1&y=2" in page.text
    assert "X-Order 17" in page.text
    assert page.pre == '{\n  "order": 17,\n  "to": [\n    "a",\n    "b"\n  ],\n  "none": {}\n}'
    assert "in 90 s" in page.text or "in 89 s" in page.text


@pytest.mark.parametrize("body", [HOSTILE, f'{{"a":"{HOSTILE[:-2]}"}}'])
def test_what_callers_have_sent_is_text_and_never_markup(browser, create_task, queue, body):
    url = "http://127.0.0.1:1/?<script>alert(1)</script>"
    name = create_task(url, body=body.encode(), headers={"X-Test": HOSTILE})
    for path in (name, queue):
        page = browser.open(path)
        tags = [tag for tag, _ in page.elements]
        assert tags.count("script") == 2
        assert tags.count("img") == 1
        assert "alert(1)" in page.text


def test_hidden_characters_of_bodies_show(browser, create_task):
    page = browser.open(create_task(body="pay \u202e001 to\x07 me".encode()))
    assert page.pre == "pay \\u202e001 to\\u0007 me"


def test_a_name_in_the_path_is_text(browser):
    page = browser.open("/console/%3Cscript%3Ealert(1)%3C/script%3E")
    assert page.status == 404
    assert page.alert == "NOT_FOUND The console has no page /console/<script>alert(1)</script>."


@pytest.mark.parametrize(
    "query", ["notice=%3Cscript%3E", "notice=replayed&count=%3Cb%3E", "notice=run&x=%ff"]
)
def test_a_link_cannot_put_its_own_words_on_a_page(browser, query):
    page = browser.open(f"/console/?{query}")
    assert "<b>" not in page.html
    assert [tag for tag, _ in page.elements].count("script") == 2


def test_a_large_body_is_cut(browser, create_task):
    page = browser.open(create_task(body=b"x" * 500_000))
    assert "text, 488.3 KiB; the first 32.0 KiB are shown" in page.text
    assert len(page.pre) == 32 << 10


def test_attempts_are_shown_with_their_results(browser, client, live):
    parent = "projects/attempts/locations/l"
    queue = f"{parent}/queues/q"
    client.create_queue(
        parent=parent,
        queue={
            "name": queue,
            "stackdriver_logging_config": {"sampling_ratio": 1.0},
            "retry_config": {"min_backoff": {"seconds": 3000}},
        },
    )
    name = client.create_task(
        parent=queue, task={"http_request": {"url": "http://127.0.0.1:1/down"}}
    ).name
    live.next_event(AttemptEnded)
    page = browser.open(name)
    assert "retry, next in 50 min" in page.text
    assert "UNKNOWN(2): HTTP status code 0" in page.text
    assert "no connection" in page.text
    assert f"/console/{name}" in browser.open(f"{queue}/attempts").links()


def test_dead_letters_are_shown_with_their_requests(browser, dead_letters):
    page = browser.open(f"{dead_letters}/deadLetters")
    assert f"/console/{dead_letters}/deadLetters/a" in page.links()
    assert "all 1 attempts failed" in page.text
    letter = browser.open(f"{dead_letters}/deadLetters/a")
    assert letter.pre == "x"
    assert "http://127.0.0.1:1/a" in letter.text
    assert (
        f"/console/{dead_letters}/deadLetters/a" in browser.open(f"{dead_letters}/attempts").links()
    )
    filtered = browser.open(f"{dead_letters}/deadLetters?code=NOT_FOUND")
    assert "No task with NOT_FOUND failed for good." in filtered.text


def test_dead_letters_of_a_deleted_queue_are_shown(browser, dead_letters, client):
    client.delete_queue(name=dead_letters)
    page = browser.open(f"{dead_letters}/deadLetters")
    assert page.status == 200
    assert "deleted" in page.text
    assert f"/console/{dead_letters}/deadLetters/a" in page.links()
    assert browser.open(f"{dead_letters}/deadLetters/a").status == 200
    assert browser.open(dead_letters).status == 404


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("projects/p/locations/l/queues/none", 404, "NOT_FOUND"),
        ("projects/p/locations/l/queues/none/tasks/t", 404, "NOT_FOUND"),
        ("projects/p/locations/l/queues/a_b", 400, "INVALID_ARGUMENT"),
        ("?pageToken=x", 400, "INVALID_ARGUMENT"),
        ("?a=%ff", 400, "INVALID_ARGUMENT The query or the form is malformed."),
    ],
)
def test_a_page_that_cannot_be_shown_has_the_error_of_the_api(browser, path, status, message):
    page = browser.open(path)
    assert page.status == status
    assert page.alert.startswith(message)


def test_a_live_page_loads_itself_again_without_its_notice(browser, queue):
    page = browser.open(f"{queue}?notice=paused&pageToken=")
    assert "The queue is paused" in page.text
    (live_part,) = [attributes for _, attributes in page.elements if attributes.get("id") == "live"]
    assert live_part["hx-get"] == f"/console/{queue}"


def test_head_is_answered_without_a_page(browser):
    status, headers, content = browser.send("HEAD", "/console/")
    assert (status, content) == (200, "")
    assert int(headers["Content-Length"]) > 1000


def test_a_binary_body_is_shown_in_hex(browser, create_task):
    page = browser.open(create_task(body=bytes(range(20))))
    assert page.pre.splitlines()[1] == f"000010  {'10 11 12 13':<48} ...."
    assert base64.b64encode(bytes(range(20))).decode() not in page.html


def test_the_caller_of_a_page_is_authenticated_once(browser, queue):
    def authenticated():
        _, _, metrics = browser.send("GET", "/metrics")
        (line,) = re.findall(r'drayman_calls_total\{code="OK",method="other"\} (.*)', metrics)
        return float(line)

    browser.open(queue)
    before = authenticated()
    browser.open(queue)
    assert authenticated() == before + 1

"""The console in Chromium: each action is clicked once, and each page checked for accessibility."""

import json
from pathlib import Path

import chromium
import pytest
from playwright.sync_api import expect

from drayman.access import keys
from drayman.core.clock import SECOND
from drayman.core.document import API_KEY, Document
from drayman.core.events import AttemptEnded
from live import PATIENCE, LiveServer

AXE = next(Path(__file__).with_name("axe").glob("axe-*.min.js")).read_text()
PHONE = {"width": 360, "height": 720}

expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture(scope="module")
def browser():
    yield from chromium.launch()


@pytest.fixture
def page(browser, live):
    yield from chromium.open_page(browser, live.url)


@pytest.fixture
def task(queue, client):
    """The name of a task whose body and headers try to run scripts."""
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    body = json.dumps({"html": hostile, "order": 17}).encode()
    request = {"url": "https://shop.example/?<b>", "headers": {"X-Html": hostile}, "body": body}
    task = {"name": f"{queue}/tasks/mine", "http_request": request}
    return client.create_task(parent=queue, task=task).name


def click(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def confirm(page, button, answer):
    """Click a button that opens a dialog, and answer it."""
    click(page, button)
    page.locator("dialog[open]").get_by_role("button", name=answer, exact=True).click()


def notice(page, text):
    expect(page.locator(".notice")).to_have_text(text)


def test_a_queue_lives_from_its_creation_to_its_deletion(page):
    page.goto("")
    page.get_by_role("link", name="New queue").click()
    page.get_by_label("Full name").fill("projects/clicked/locations/l/queues/orders")
    click(page, "Create queue")
    notice(page, "The queue was created.")
    click(page, "Pause")
    notice(page, "The queue is paused: no attempts start.")
    page.get_by_role("link", name="New task", exact=True).click()
    page.get_by_label("URL").fill("http://127.0.0.1:1/orders")
    page.get_by_label("Method").select_option("PUT")
    page.get_by_label("Header fields").fill("X-Order: 17")
    page.get_by_label("Body").fill('{"order":17}')
    page.get_by_label("Task id").fill("order-17")
    click(page, "Create task")
    notice(page, "The task was created.")
    expect(page.get_by_role("heading", name="order-17")).to_be_visible()
    expect(page.locator("pre")).to_have_text('{\n  "order": 17\n}')
    confirm(page, "Delete…", "Delete task")
    notice(page, "The task was deleted.")
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Dispatches per second").fill("25")
    click(page, "Save settings")
    notice(page, "The settings were saved.")
    expect(page.get_by_label("Dispatches per second")).to_have_value("25")
    page.get_by_role("link", name="Tasks").click()
    click(page, "Resume")
    notice(page, "The queue is running.")
    confirm(page, "Purge…", "Purge queue")
    notice(page, "The queue was purged.")
    confirm(page, "Delete…", "Delete queue")
    notice(page, "The queue and its tasks were deleted.")


def test_a_task_is_run(page, task, live):
    page.goto(task)
    click(page, "Run now")
    notice(page, "An attempt of the task was started.")
    live.next_event(AttemptEnded)


def test_dead_letters_are_selected_replayed_and_deleted(page, dead_letters):
    page.goto(f"{dead_letters}/deadLetters")
    page.get_by_label("Status code").select_option("UNKNOWN")
    click(page, "Show")
    page.get_by_label("Select a", exact=True).check()
    click(page, "Replay selected")
    notice(page, "Dead letters replayed: 1.")
    page.get_by_label("Select all of this page").check()
    page.get_by_label("Select c", exact=True).uncheck()
    confirm(page, "Delete selected…", "Delete")
    notice(page, "Dead letters deleted: 1.")
    page.get_by_role("link", name="c", exact=True).click()
    click(page, "Replay")
    notice(page, "Dead letters replayed: 1.")
    expect(page.get_by_text("No task failed for good.")).to_be_visible()


def test_all_dead_letters_are_replayed_or_deleted(page, dead_letters, client, live):
    page.goto(f"{dead_letters}/deadLetters")
    confirm(page, "Replay all…", "Replay")
    notice(page, "Dead letters replayed: 3.")
    client.resume_queue(name=dead_letters)
    for _ in "abc":
        live.next_event(AttemptEnded)
    page.goto(f"{dead_letters}/deadLetters")
    confirm(page, "Delete all…", "Delete")
    notice(page, "Dead letters deleted: 3.")


def test_a_dead_letter_is_deleted_on_its_page(page, dead_letters):
    page.goto(f"{dead_letters}/deadLetters/a")
    confirm(page, "Delete…", "Delete dead letter")
    notice(page, "Dead letters deleted: 1.")


def test_a_page_loads_itself_again_and_stops_when_told(page, queue, create_task):
    page.goto(queue)
    expect(page.get_by_text("No tasks wait in this queue.")).to_be_visible()
    create_task()
    expect(page.locator("tbody tr")).to_have_count(1)
    toggle = page.get_by_role("button", name="Pause updates")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    create_task()
    toggle.click()
    expect(page.locator("tbody tr")).to_have_count(2)


def test_a_task_that_ends_while_it_is_shown_is_said_to_be_gone(page, task, client):
    page.goto(task)
    client.delete_task(name=task)
    expect(page.get_by_role("alert")).to_contain_text("NOT_FOUND")


def test_the_focus_stays_where_it_is_when_a_page_loads_itself_again(page, task, queue, create_task):
    page.goto(queue)
    link = page.get_by_role("link", name=task.rpartition("/")[2])
    link.focus()
    create_task()
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(link).to_be_focused()


def test_dialogs_are_left_by_the_keyboard_and_give_the_focus_back(page, queue, client):
    page.goto(queue)
    button = page.get_by_role("button", name="Purge…")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Purge mail?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert client.get_queue(name=queue).name == queue


def test_the_keyboard_reaches_the_search_and_the_content(page, queue):
    page.goto("")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    search = page.get_by_label("Project or location")
    expect(search).to_be_focused()
    page.keyboard.type(queue.rpartition("/queues/")[0])
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_every_page_is_accessible_in_both_colours_and_fits_a_phone(
    page, task, queue, client, dead_letters
):
    client.update_queue(
        queue={"name": queue, "stackdriver_logging_config": {"sampling_ratio": 1.0}},
        update_mask={"paths": ["stackdriver_logging_config"]},
    )
    page.set_viewport_size(PHONE)
    for path in (
        "", "new-queue", queue, task, f"{queue}/settings", f"{queue}/new-task",
        f"{dead_letters}/attempts", f"{dead_letters}/deadLetters", f"{dead_letters}/deadLetters/a",
        f"{queue}/deadLetters", "none",
    ):  # fmt: skip
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        page.evaluate(AXE)
        for colours in ("light", "dark"):
            page.emulate_media(color_scheme=colours)
            assert violations(page) == [], (path, colours)


def violations(page):
    """Return what axe finds on a page."""
    return page.evaluate(
        """async () => (await axe.run()).violations.map(
            (rule) => [rule.id, rule.nodes.map((node) => [node.html, node.failureSummary])])"""
    )


def test_the_accessibility_check_finds_what_is_wrong(page):
    page.goto("")
    page.evaluate("document.querySelector('h1').append(document.createElement('button'))")
    page.evaluate(AXE)
    assert [rule for rule, _ in violations(page)] == ["button-name"]


def test_a_page_whose_server_stops_says_so(browser):
    live = LiveServer()
    pages = chromium.open_page(browser, live.url)
    page = next(pages)
    page.goto("")
    live.stop()
    expect(page.get_by_text("The server does not answer.")).to_be_visible()
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    next(pages, None)


def test_people_sign_in_and_out(browser):
    live = LiveServer(auth="keys")
    key, text = keys.generate("ada", "", ("roles/owner",), live.clock.now())
    live.run(live.store.put_document(Document(API_KEY, key.id, keys.encode(key))))
    live.advance(SECOND)
    pages = chromium.open_page(browser, live.url)
    page = next(pages)
    page.goto("")
    expect(page.get_by_label("API key or token")).to_be_focused()
    page.evaluate(AXE)
    assert violations(page) == []
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    assert page.evaluate("document.cookie") == ""
    click(page, "Sign out")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    next(pages, None)
    live.stop()


def test_dialogs_are_accessible(page, queue):
    page.goto(queue)
    click(page, "Purge…")
    page.evaluate(AXE)
    assert violations(page) == []

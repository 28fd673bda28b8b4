"""Who may see and do what in the console: modes, sessions, permissions, and other sites."""

import json
import urllib.parse

import pytest
from browser import Browser

from drayman.access import keys as api_keys
from drayman.console import app, sessions
from drayman.console.sessions import LIFETIME, MAX_SESSIONS, Sessions
from drayman.core.clock import SECOND
from drayman.core.document import API_KEY, Document
from drayman.core.queue import Queue, State, creation, replacement
from live import LiveServer

QUEUE = "projects/p/locations/l/queues/mail"
PAGES = [route.path.format(queue=QUEUE, task_id="t") for route in app.ROUTES if not route.action]
CHANGES = [route.path.format(queue=QUEUE, task_id="t") for route in app.ROUTES if route.action]


def start(**settings):
    live = LiveServer(**settings)
    now = live.clock.now()
    live.run(live.store.update_queue(QUEUE, creation(Queue(QUEUE)), now))
    live.run(live.store.update_queue(QUEUE, replacement(state=State.PAUSED), now))
    return live


def create_key(live, name, role):
    """Create an API key; return its text."""
    key, text = api_keys.generate(name, "", (role,), live.clock.now())
    live.run(live.store.put_document(Document(API_KEY, key.id, api_keys.encode(key))))
    live.advance(SECOND)
    return text


def form_token(browser):
    """Return the token of forms, which a read-only console has in none that changes something."""
    return browser.open("new-queue").form("new-queue").fields["form_token"]


@pytest.fixture(scope="module")
def live():
    """A server whose callers need API keys."""
    live = start(auth="keys")
    yield live
    live.stop()


@pytest.fixture(scope="module")
def keys(live):
    """The text of an API key of each role."""
    return {
        role: create_key(live, role.replace("/", "-"), role)
        for role in (
            "roles/owner",
            "roles/viewer",
            "roles/cloudtasks.viewer",
            "roles/cloudtasks.taskRunner",
        )
    }


@pytest.fixture(scope="module")
def task(live, keys):
    """The name of a task in the queue."""
    headers = {"x-goog-api-key": keys["roles/owner"], "Content-Type": "application/json"}
    content = b'{"task":{"httpRequest":{"url":"http://127.0.0.1:1/","body":"c2VjcmV0"}}}'
    _, _, response = Browser(live).send("POST", f"/v2/{QUEUE}/tasks", content, headers)
    return json.loads(response)["name"]


@pytest.fixture
def sign_in(browser, keys):
    """Open a session with the key of a role; return the page."""

    def sign_in(role, path=""):
        return browser.submit(browser.open(path), "sign-in", credentials=keys[role])

    return sign_in


@pytest.mark.parametrize("path", PAGES)
def test_without_credentials_every_page_is_a_form_to_sign_in(browser, path):
    page = browser.open(path)
    assert page.status == 401
    assert page.headers["WWW-Authenticate"] == 'Bearer realm="drayman"'
    assert page.has_form("/sign-in")
    assert page.alert == ""
    assert "mail" not in page.text


@pytest.mark.parametrize("path", CHANGES)
def test_without_credentials_no_change_is_made(browser, path):
    page = browser.open("")
    token = page.form("/sign-in").fields["form_token"]
    status, _, _ = browser.send("POST", f"/console/{path}", f"form_token={token}")
    assert status == 401


def test_a_key_opens_a_session_on_the_page_that_was_asked_for(browser, sign_in):
    page = sign_in("roles/owner", QUEUE)
    assert page.status == 200
    assert "roles-owner" in page.text
    assert page.has_form("/resume")
    assert "paused" in browser.open(QUEUE).text


def test_the_cookie_is_for_the_console_alone_and_out_of_reach_of_scripts(browser, keys):
    form = browser.open("").form("sign-in")
    body = urllib.parse.urlencode(form.fields | {"credentials": keys["roles/owner"]})
    for headers, end in (({}, "SameSite=Strict"), ({"X-Forwarded-Proto": "https"}, "Secure")):
        _, fields, _ = browser.send("POST", form.action, body, headers)
        cookie = fields["Set-Cookie"]
        assert "; Path=/console; Max-Age=43200; HttpOnly; SameSite=Strict" in cookie
        assert cookie.endswith(end)
        assert keys["roles/owner"] not in cookie
        browser.cookies.clear()


def test_a_wrong_key_opens_none(browser):
    page = browser.submit(browser.open(""), "sign-in", credentials="drayman_wrong")
    assert page.status == 400
    assert page.alert.startswith("INVALID_ARGUMENT API key not valid.")
    assert browser.cookies == {}
    assert browser.open("").status == 401


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/v2/x", "/console/a b"]
)
def test_signing_in_leads_to_no_other_site(browser, keys, target):
    page = browser.submit(browser.open(""), "sign-in", credentials=keys["roles/owner"], next=target)
    assert page.status == 200
    assert "Queues" in page.text


def test_signing_out_ends_the_session(browser, sign_in):
    page = sign_in("roles/owner")
    cookies = dict(browser.cookies)
    assert browser.submit(page, "sign-out").status == 401
    browser.cookies = cookies
    assert browser.open("").status == 401


def test_a_session_ends_with_its_time(browser, sign_in, live):
    sign_in("roles/owner")
    live.advance(LIFETIME)
    assert browser.open("").status == 401


def test_a_session_ends_with_its_key(browser, live):
    text = create_key(live, "short-lived", "roles/owner")
    browser.submit(browser.open(""), "sign-in", credentials=text)
    live.run(live.store.delete_document(API_KEY, text.split("_")[1], live.clock.now()))
    live.advance(SECOND)
    page = browser.open("")
    assert page.status == 400
    assert page.has_form("/sign-in")


def test_credentials_in_header_fields_need_no_session(browser, keys):
    page = browser.open("", **{"X-Goog-Api-Key": keys["roles/viewer"]})
    assert page.status == 200


def test_a_viewer_sees_no_buttons(sign_in, browser, task):
    sign_in("roles/viewer")
    for path in ("", QUEUE, task, f"{QUEUE}/deadLetters", f"{QUEUE}/settings"):
        page = browser.open(path)
        assert page.status == 200
        posts = {form.action for form in page.forms if form.method == "post"}
        assert posts <= {"/console/sign-out", f"/console/{QUEUE}/settings"}
        assert not [tag for tag, attributes in page.elements if "data-dialog" in attributes]
    assert "New task" not in browser.open(QUEUE).text
    assert "Save settings" not in browser.open(f"{QUEUE}/settings").text


@pytest.mark.parametrize("path", [path for path in CHANGES if path != "new-queue"])
def test_a_viewer_makes_no_change(sign_in, browser, path):
    page = sign_in("roles/viewer")
    token = page.form("sign-out").fields["form_token"]
    body = f"form_token={token}&select=all&url=http://x&httpMethod=POST&retryConfig.maxAttempts=3"
    status, _, content = browser.send("POST", f"/console/{path}", body)
    assert status == 403
    assert "PERMISSION_DENIED" in content


def test_bodies_are_shown_to_those_who_may_see_them(sign_in, browser, task):
    sign_in("roles/viewer")
    assert browser.open(task).pre == "secret"


def test_what_a_caller_may_not_see_is_left_out_with_a_sentence(sign_in, browser, task):
    page = sign_in("roles/cloudtasks.viewer")
    assert page.status == 200
    assert 'lacks IAM permission "drayman.queues.getStats"' in page.text
    page = browser.open(QUEUE)
    assert page.status == 200
    assert f"/console/{task}" in page.links()
    sign_in_again = browser.open(task)
    assert "drayman.attempts.list" in sign_in_again.text


def test_a_caller_who_may_see_no_queue_gets_the_error_of_the_api(sign_in):
    page = sign_in("roles/cloudtasks.taskRunner", QUEUE)
    assert page.status == 403
    assert page.alert.startswith("PERMISSION_DENIED ")
    assert "cloudtasks.queues.get" in page.alert


def test_a_form_of_another_session_is_refused(live, sign_in, browser):
    foreign = Browser(live).open("").form("sign-in").fields["form_token"]
    sign_in("roles/owner")
    status, _, content = browser.send("POST", f"/console/{QUEUE}/resume", f"form_token={foreign}")
    assert status == 403
    assert "The page is out of date. Load it again, then repeat what you did." in content


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
    ],
)
def test_forms_of_other_sites_are_refused_even_with_a_token(sign_in, browser, headers):
    page = sign_in("roles/owner", QUEUE)
    form = page.form("/resume")
    body = urllib.parse.urlencode(form.fields)
    status, _, content = browser.send("POST", form.action, body, headers)
    assert status == 403
    assert json.loads(content)["error"]["status"] == "PERMISSION_DENIED"


def test_a_form_without_a_token_is_refused_without_authentication_too():
    live = start()
    try:
        browser = Browser(live)
        for body in ("", "form_token=x", "form_token="):
            status, _, content = browser.send("POST", f"/console/{QUEUE}/resume", body)
            assert status == 403
            assert "The page is out of date." in content
        assert not browser.open("").has_form("sign-out")
    finally:
        live.stop()


def test_a_read_only_console_offers_and_makes_no_change():
    live = start(console="read-only")
    try:
        browser = Browser(live)
        page = browser.open(QUEUE)
        assert "read-only" in page.text
        assert page.forms == []
        token = form_token(browser)
        for path in CHANGES:
            status, _, content = browser.send("POST", f"/console/{path}", f"form_token={token}")
            assert status in {403, 404}, path
            assert "the server was started with --console read-only" in content or status == 404
        assert live.run(live.store.get_queue(QUEUE)).state is State.PAUSED
    finally:
        live.stop()


@pytest.mark.parametrize("no_dispatch", ["true", "false"])
def test_the_console_says_that_a_server_delivers_nothing(no_dispatch):
    live = start(no_dispatch=no_dispatch)
    try:
        for path in ("", QUEUE):
            assert ("delivers nothing" in Browser(live).open(path).text) is (no_dispatch == "true")
    finally:
        live.stop()


def test_a_console_that_is_off_serves_nothing():
    live = start(console="off")
    try:
        browser = Browser(live)
        for path in ("/", "/console", "/console/", f"/console/{QUEUE}"):
            assert browser.send("GET", path)[0] == 404
    finally:
        live.stop()


def test_a_form_is_bounded_and_one_of_an_unknown_caller_more_narrowly(browser, sign_in):
    token = browser.open("").form("sign-in").fields["form_token"]
    body = f"form_token={token}&credentials=" + "x" * (16 << 10)
    status, _, content = browser.send("POST", "/console/sign-in", body)
    assert status == 400
    assert "Request payload size exceeds the limit: 16384 bytes." in content
    token = sign_in("roles/owner").form("sign-out").fields["form_token"]
    for body, message in (
        (f"form_token={token}&body=" + "%41" * (app.FORM_SIZE // 3), b"limit: 1048576 bytes"),
        (f"form_token={token}&body=" + "x" * app.FORM_SIZE, b"limit: 1048576 bytes"),
        (f"form_token={token}" + "&task=t" * 2000, b"The query or the form is malformed."),
    ):
        status, fields, content = browser.send("POST", f"/console/{QUEUE}/new-task", body)
        assert status == 400
        assert fields["Content-Type"] == "text/html; charset=utf-8"
        assert message.decode() in content


def test_sessions_are_bounded_and_the_oldest_ends_first():
    opened = Sessions()
    ids = [opened.open({}, 0) for _ in range(MAX_SESSIONS + 1)]
    assert opened.find(ids[0], 0) is None
    assert opened.find(ids[1], 0) is not None
    assert opened.find(ids[1], LIFETIME) is None


def test_a_token_of_an_issuer_is_a_credential_too():
    assert sessions.credentials(" a.b.c ") == {b"authorization": b"Bearer a.b.c"}
    assert sessions.credentials("drayman_1_2") == {b"x-goog-api-key": b"drayman_1_2"}


@pytest.mark.parametrize(
    ("cookie", "session_id"),
    [
        (b"", ""),
        (b"drayman_session", ""),
        (b"=;;", ""),
        (b"other=1", ""),
        (b'other={"a": [1]}; drayman_session=x', "x"),
        (b"drayman_session=x;\xff\x00=[", "x"),
    ],
)
def test_a_session_is_found_whatever_cookies_other_programs_have_set(cookie, session_id):
    assert sessions.session_id({b"cookie": cookie}) == session_id

"""http_task builds the usual task in one line."""

import datetime

import pytest

from drayman import tasks

URL = "https://example.com/work"


def test_a_value_is_sent_as_json():
    request = tasks.http_task(URL, json={"id": 7, "to": "é"}).http_request
    assert request.body == b'{"id":7,"to":"\\u00e9"}'
    assert dict(request.headers) == {"Content-Type": "application/json"}
    assert (request.url, request.http_method) == (URL, tasks.HttpMethod.POST)


def test_a_content_type_of_the_callers_own_stays():
    request = tasks.http_task(URL, json=[], headers={"content-type": "x/json", "A": "b"})
    assert dict(request.http_request.headers) == {"content-type": "x/json", "A": "b"}


@pytest.mark.parametrize(("body", "sent"), [("é", "é".encode()), (b"\xff", b"\xff"), (None, b"")])
def test_a_body_is_sent_as_it_is(body, sent):
    request = tasks.http_task(URL, body=body, method="PUT").http_request
    assert request.body == sent
    assert request.http_method == tasks.HttpMethod.PUT
    assert not request.headers


@pytest.mark.parametrize("delay", [90, 90.0, datetime.timedelta(seconds=90)])
def test_a_delay_counts_from_now(delay):
    before = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - what the delay counts from
    when = tasks.http_task(URL, delay=delay).schedule_time
    after = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - the same
    wait = datetime.timedelta(seconds=90)
    assert before + wait <= when <= after + wait


def test_a_time_is_the_time():
    at = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    assert tasks.http_task(URL, at=at).schedule_time == at
    assert tasks.http_task(URL, at=at.replace(tzinfo=None)).schedule_time == at
    assert "schedule_time" not in tasks.http_task(URL)


@pytest.mark.parametrize(
    "oidc",
    [
        "a@b.iam",
        {"service_account_email": "a@b.iam"},
        tasks.OidcToken(service_account_email="a@b.iam"),
    ],
)
def test_a_token_is_an_email_address_or_more(oidc):
    request = tasks.http_task(URL, oidc=oidc).http_request
    assert request.oidc_token.service_account_email == "a@b.iam"
    assert "oauth_token" not in request


def test_the_rest():
    name = "projects/p/locations/l/queues/q/tasks/t"
    task = tasks.http_task(URL, name=name, deadline=30, oauth={"scope": "s"})
    assert task.name == name
    assert task.dispatch_deadline == datetime.timedelta(seconds=30)
    assert task.http_request.oauth_token.scope == "s"


@pytest.mark.parametrize(
    "both",
    [
        {"json": 1, "body": b""},
        {"delay": 0, "at": datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)},
        {"oidc": "a", "oauth": "b"},
    ],
)
def test_what_excludes_one_another_is_refused(both):
    one, other = both
    with pytest.raises(ValueError, match=f"http_task takes {one} or {other}, not both"):
        tasks.http_task(URL, **both)


def test_none_is_a_value_too():
    request = tasks.http_task(URL, json=None).http_request
    assert request.body == b"null"
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}])
def test_what_json_has_no_form_for_is_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        tasks.http_task(URL, json=value)


@pytest.mark.parametrize("method", ["patch", "Patch", tasks.HttpMethod.PATCH, 6])
def test_a_method_is_written_in_any_case(method):
    assert tasks.http_task(URL, method=method).http_request.http_method == tasks.HttpMethod.PATCH


@pytest.mark.parametrize("method", ["FETCH", "", 99])
def test_a_method_that_is_none_is_named(method):
    with pytest.raises(ValueError, match=f"method must be one of POST, GET, .* but is {method!r}"):
        tasks.http_task(URL, method=method)


@pytest.mark.parametrize("name", ["t", "queues/q/tasks/t", "projects/p/locations/l/queues/q"])
def test_a_name_is_a_full_one(name):
    with pytest.raises(ValueError, match=f"name must be projects/.*but is '{name}'"):
        tasks.http_task(URL, name=name)

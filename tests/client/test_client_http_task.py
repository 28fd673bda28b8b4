"""http_task builds a task that delivers an HTTP request."""

import datetime

import pytest

from drayman import tasks

URL = "https://example.com/work"


def test_json_is_serialized_with_a_content_type():
    request = tasks.http_task(URL, json={"id": 7, "to": "é"}).http_request
    assert request.body == b'{"id":7,"to":"\\u00e9"}'
    assert dict(request.headers) == {"Content-Type": "application/json"}
    assert (request.url, request.http_method) == (URL, tasks.HttpMethod.POST)


def test_the_content_type_of_the_caller_is_kept():
    request = tasks.http_task(URL, json=[], headers={"content-type": "x/json", "A": "b"})
    assert dict(request.http_request.headers) == {"content-type": "x/json", "A": "b"}


@pytest.mark.parametrize(
    ("body", "encoded"), [("é", "é".encode()), (b"\xff", b"\xff"), (None, b"")]
)
def test_a_body_is_sent_without_a_content_type(body, encoded):
    request = tasks.http_task(URL, body=body, method="PUT").http_request
    assert request.body == encoded
    assert request.http_method == tasks.HttpMethod.PUT
    assert not request.headers


@pytest.mark.parametrize("delay", [90, 90.0, datetime.timedelta(seconds=90)])
def test_a_delay_counts_from_now(delay):
    before = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - what the delay counts from
    when = tasks.http_task(URL, delay=delay).schedule_time
    after = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - the same
    wait = datetime.timedelta(seconds=90)
    assert before + wait <= when <= after + wait


def test_a_time_is_the_schedule_time():
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
def test_a_token_is_an_email_address_a_dict_or_a_message(oidc):
    request = tasks.http_task(URL, oidc=oidc).http_request
    assert request.oidc_token.service_account_email == "a@b.iam"
    assert "oauth_token" not in request


def test_name_deadline_and_oauth_token_are_set():
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
def test_arguments_that_exclude_each_other_are_refused(both):
    first, second = both
    with pytest.raises(ValueError, match=f"http_task takes {first} or {second}, not both"):
        tasks.http_task(URL, **both)


def test_none_is_sent_as_json_null():
    request = tasks.http_task(URL, json=None).http_request
    assert request.body == b"null"
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}])
def test_a_number_that_json_cannot_represent_is_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        tasks.http_task(URL, json=value)


@pytest.mark.parametrize("method", ["patch", "Patch", tasks.HttpMethod.PATCH, 6])
def test_a_method_is_accepted_in_any_case(method):
    assert tasks.http_task(URL, method=method).http_request.http_method == tasks.HttpMethod.PATCH


@pytest.mark.parametrize("method", ["FETCH", "", 99])
def test_an_unknown_method_is_refused_by_name(method):
    with pytest.raises(ValueError, match=f"method must be one of POST, GET, .* but is {method!r}"):
        tasks.http_task(URL, method=method)


@pytest.mark.parametrize("name", ["t", "queues/q/tasks/t", "projects/p/locations/l/queues/q"])
def test_a_name_that_is_not_a_full_task_name_is_refused(name):
    with pytest.raises(ValueError, match=f"name must be projects/.*but is '{name}'"):
        tasks.http_task(URL, name=name)

"""A queue's HTTP target and App Engine routing (reference 2.9, 3.5)."""

import pytest

from drayman.core import routing
from drayman.core.clock import SECOND
from drayman.core.delivery import Kind, OAuthToken, OidcToken, Target
from drayman.core.routing import HttpTarget, UriOverride

TASK = "http://worker.example:8080/a/b?q=1&r=2"
TARGET = Target(Kind.HTTP, "POST", TASK, {"X-A": "1", "X-B": "2"}, b"body", 600 * SECOND)


@pytest.mark.parametrize(
    ("override", "url"),
    [
        ({}, TASK),
        ({"scheme": "https"}, "https://worker.example:8080/a/b?q=1&r=2"),
        ({"host": "other.example"}, "http://other.example:8080/a/b?q=1&r=2"),
        ({"port": 9}, "http://worker.example:9/a/b?q=1&r=2"),
        ({"port": 0}, "http://worker.example/a/b?q=1&r=2"),
        ({"path": "/c"}, "http://worker.example:8080/c?q=1&r=2"),
        ({"path": "c"}, "http://worker.example:8080/c?q=1&r=2"),
        ({"path": ""}, "http://worker.example:8080?q=1&r=2"),
        ({"path": "/c?d#e"}, "http://worker.example:8080/c%3Fd%23e?q=1&r=2"),
        ({"query": "x=#y"}, "http://worker.example:8080/a/b?x=%23y"),
        ({"query": "x=y"}, "http://worker.example:8080/a/b?x=y"),
        ({"query": ""}, "http://worker.example:8080/a/b"),
        (
            {"scheme": "https", "host": "h", "port": 0, "path": "/p", "query": "q"},
            "https://h/p?q",
        ),
    ],
)
def test_always_replaces_the_parts_that_are_set(override, url):
    assert routing.url(UriOverride(**override), TASK) == url


FULL = {"scheme": "https", "host": "h", "port": 9, "path": "/p", "query": "q=2"}


@pytest.mark.parametrize(
    ("task", "url"),
    [
        (TASK, TASK),
        ("http://w/x", "http://w/x"),
        ("http://w:1?y", "http://w:1?y"),
        ("http://w/", "http://w/"),
        ("http://w", "http://w"),
        ("", "https://h:9/p?q=2"),
    ],
)
def test_if_not_exists_leaves_a_url_as_it_is(task, url):
    """Recorded: a queue's http_target at dispatch. A URL without a path is inferred."""
    assert routing.url(UriOverride(**FULL, always=False), task) == url


def test_the_url_of_a_task_is_replaced_as_recorded():
    """Recorded: a queue's http_target at dispatch."""
    override = UriOverride("https", "h.example", 9, "/p", "q=1")
    assert routing.url(override, "https://example.com/work?b=2") == "https://h.example:9/p?q=1"


@pytest.mark.parametrize(
    ("task", "url"),
    [
        ("http://[::1]:8080/x", "http://h:8080/x"),
        ("http://[::1]/x", "http://h/x"),
        ("http://w/x#part", "http://h/x"),
        ("http://w/%zz", "http://h/%zz"),
    ],
)
def test_unusual_urls_are_parsed(task, url):
    assert routing.url(UriOverride(host="h"), task) == url


def test_an_ipv6_host_is_not_split():
    assert routing.url(UriOverride(port=1), "http://[::1]/x") == "http://[::1]:1/x"


def test_a_queue_without_overrides_changes_nothing():
    assert routing.apply(HttpTarget(), TARGET) == TARGET


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_the_method_is_replaced_and_the_body_stays(method):
    """Recorded: a queue's http_target at dispatch."""
    applied = routing.apply(HttpTarget(method=method), TARGET)
    assert (applied.method, applied.body) == (method, b"body")


def test_headers_of_the_same_name_are_replaced_whatever_their_case():
    applied = routing.apply(HttpTarget(headers={"x-a": "9", "X-C": "3"}), TARGET)
    assert applied.headers == {"X-B": "2", "x-a": "9", "X-C": "3"}


def test_the_token_of_the_queue_replaces_that_of_the_task():
    own, of_queue = OidcToken("task@example"), OAuthToken("queue@example", "scope")
    target = routing.apply(HttpTarget(), TARGET._replace(token=own))
    assert target.token == own
    assert routing.apply(HttpTarget(token=of_queue), target).token == of_queue


@pytest.mark.parametrize(
    ("parts", "bases"),
    [
        (("", "", ""), ["default", ""]),
        (("worker", "", ""), ["worker", ""]),
        (("worker", "v2", ""), ["v2.worker", "worker", ""]),
        (("", "v2", "7"), ["7.v2.default", "v2.default", "default", ""]),
        (("worker", "", "7"), ["7.worker", "worker", ""]),
    ],
)
def test_the_most_specific_base_url_of_a_service_comes_first(parts, bases):
    assert list(routing.app_engine_bases(*parts)) == bases

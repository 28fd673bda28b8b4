"""Page tokens and page sizes."""

import base64

import pytest

from drayman.core.clock import SECOND
from drayman.wire import pages

NOW = 1_700_000_000 * SECOND
SCOPE = "projects/p/locations/l/queues/q"
UNDECODABLE = "Invalid page_token"  # recorded: ListQueues, ListTasks
TOKEN = pages.token(SCOPE, "é:7", NOW)


def test_a_token_continues_the_list_it_was_made_for():
    assert pages.cursor(SCOPE, TOKEN, NOW) == "é:7"
    assert pages.cursor(SCOPE, "", NOW) == ""


@pytest.mark.parametrize(
    "token",
    ["x", "%", TOKEN[:-4] + "AAAA", "A" * 40, TOKEN + "é", base64.b64encode(b"x" * 20).decode(),
     "\0", "="]
)  # fmt: skip
def test_a_token_that_was_not_issued_is_refused(refused, token):
    error = refused(UNDECODABLE, pages.cursor, SCOPE, token, NOW)
    assert not error.details


def test_a_token_of_another_list_is_refused(refused):
    refused(UNDECODABLE, pages.cursor, f"{SCOPE}2", TOKEN, NOW)


def test_a_token_expires_after_two_hours(refused):
    assert pages.cursor(SCOPE, TOKEN, NOW + 2 * 3600 * SECOND) == "é:7"
    late = NOW + 2 * 3600 * SECOND + SECOND
    refused("Invalid page_token: it has expired.", pages.cursor, SCOPE, TOKEN, late)


@pytest.mark.parametrize("position", ["x", "-1", "9" * 30, "\u0661", "9223372036854775808"])
def test_a_token_of_another_kind_is_refused(refused, position):
    token = pages.token(SCOPE, position, NOW)
    refused(UNDECODABLE, pages.number, SCOPE, token, NOW)


@pytest.mark.parametrize(
    ("position", "number"), [("", 0), ("0", 0), ("7", 7), (str((1 << 63) - 1), (1 << 63) - 1)]
)
def test_a_token_of_a_number_is_read_as_one(position, number):
    assert pages.number(SCOPE, pages.token(SCOPE, position, NOW), NOW) == number


@pytest.mark.parametrize(
    ("page_size", "size"), [(0, 1_000), (1, 1), (1_000, 1_000), (1_001, 1_000), (2**31 - 1, 1_000)]
)
def test_a_page_is_as_large_as_asked_for_up_to_the_limit(page_size, size):
    assert pages.size("pageSize", page_size, 1_000) == size


def test_a_negative_page_size_is_refused(refused):
    field = "ListTasksRequest.pageSize"
    error = refused(f"{field} cannot be negative.", pages.size, field, -1, 1_000)
    assert not error.details

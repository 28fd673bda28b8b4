"""Retry hints in the headers of responses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core import retry_hint
from drayman.core.clock import DAY, SECOND
from drayman.core.delivery import Failure, NoResponse, Response
from drayman.core.retry_hint import RetryHint

NOW = 1_700_000_000 * SECOND  # Tue, 14 Nov 2023 22:13:20 GMT
LATER = "Tue, 14 Nov 2023 22:14:20 GMT"


def parse(status, **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return retry_hint.parse(Response(status, fields), NOW)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["60", " 60 ", "0" * 30 + "60", LATER])
def test_retry_after_applies_to_429_and_503(status, value):
    assert parse(status, retry_after=value) == RetryHint(not_before=NOW + 60 * SECOND)


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_retry_after_of_other_statuses_is_ignored(status):
    assert parse(status, retry_after="60") == RetryHint()


@pytest.mark.parametrize("value", ["never", "Never", " never ", "never; ever"])
def test_never_forbids_a_retry(value):
    assert parse(500, drayman_retry=value) == RetryHint(never=True)


@pytest.mark.parametrize("value", ["after; 60", "after;60", "After ; " + LATER])
def test_after_sets_the_time_of_the_retry(value):
    assert parse(404, drayman_retry=value) == RetryHint(at=NOW + 60 * SECOND)


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "1.5", "after", "after; soon", "²", "Tue, 99 Foo 2023", "\0"]
)
def test_values_that_cannot_be_parsed_are_ignored(value):
    assert parse(503, retry_after=value, drayman_retry=value) == RetryHint()


def test_the_delay_is_at_most_a_day_and_never_negative():
    assert parse(503, retry_after="999999999999").not_before == NOW + DAY
    assert parse(503, retry_after="Fri, 31 Dec 9999 23:59:59 GMT").not_before == NOW + DAY
    assert parse(503, retry_after="Thu, 01 Jan 1970 00:00:00 GMT").not_before == NOW


def test_without_a_signal_nothing_changes():
    assert retry_hint.parse(NoResponse(Failure.CONNECTION, "refused"), NOW) == RetryHint()


@given(st.text(), st.sampled_from([200, 429, 500, 503]))
def test_any_header_value_is_parsed_without_an_error(text, status):
    hint = parse(status, retry_after=text, drayman_retry=text)
    assert hint.at is None or NOW <= hint.at <= NOW + DAY

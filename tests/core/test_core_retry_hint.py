"""What a handler says of the next attempt in the headers of its answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core import retry_hint
from drayman.core.clock import DAY, SECOND
from drayman.core.delivery import Failure, NoResponse, Response
from drayman.core.retry_hint import RetryHint

NOW = 1_700_000_000 * SECOND  # Tue, 14 Nov 2023 22:13:20 GMT
LATER = "Tue, 14 Nov 2023 22:14:20 GMT"


def heard(status, **headers):
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return retry_hint.parse(Response(status, given), NOW)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["60", " 60 ", "0" * 30 + "60", LATER])
def test_retry_after_is_heard_of_those_who_are_busy(status, value):
    assert heard(status, retry_after=value) == RetryHint(not_before=NOW + 60 * SECOND)


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_retry_after_of_others_is_not(status):
    assert heard(status, retry_after="60") == RetryHint()


@pytest.mark.parametrize("value", ["never", "Never", " never ", "never; ever"])
def test_never(value):
    assert heard(500, drayman_retry=value) == RetryHint(never=True)


@pytest.mark.parametrize("value", ["after; 60", "after;60", "After ; " + LATER])
def test_after(value):
    assert heard(404, drayman_retry=value) == RetryHint(at=NOW + 60 * SECOND)


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "1.5", "after", "after; soon", "²", "Tue, 99 Foo 2023", "\0"]
)
def test_what_cannot_be_understood_is_not_heard(value):
    assert heard(503, retry_after=value, drayman_retry=value) == RetryHint()


def test_nobody_puts_a_task_off_for_ever_or_into_the_past():
    assert heard(503, retry_after="999999999999").not_before == NOW + DAY
    assert heard(503, retry_after="Fri, 31 Dec 9999 23:59:59 GMT").not_before == NOW + DAY
    assert heard(503, retry_after="Thu, 01 Jan 1970 00:00:00 GMT").not_before == NOW


def test_silence_says_nothing():
    assert retry_hint.parse(NoResponse(Failure.CONNECTION, "refused"), NOW) == RetryHint()


@given(st.text(), st.sampled_from([200, 429, 500, 503]))
def test_no_text_breaks_it(text, status):
    said = heard(status, retry_after=text, drayman_retry=text)
    assert said.at is None or NOW <= said.at <= NOW + DAY

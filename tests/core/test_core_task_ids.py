"""Task ids, and the errors for names that are in use or no longer exist."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core import errors, task_ids
from drayman.core.clock import DAY, HOUR, SECOND
from drayman.core.task_ids import NameUse

NOW = 1_700_000_000 * SECOND
SEQ = task_ids.first_seq(NOW)
FREE, TOMBSTONE, LIVE = NameUse(None, False), NameUse(None, True), NameUse(SEQ, False)
YEAR = 365 * DAY


@given(st.integers(NOW, NOW + 100 * YEAR))
def test_a_generated_id_is_parsed_to_its_seq(now):
    assert task_ids.parse(str(task_ids.first_seq(now))) == task_ids.first_seq(now)


@given(st.integers(NOW, NOW + 100 * YEAR), st.integers(1, YEAR))
def test_seqs_grow_with_time(now, later):
    last = task_ids.first_seq(now) + task_ids.SEQS_PER_MICRO - 1
    assert last <= task_ids.first_seq(now + later)


def test_the_first_seq_of_a_time_is_no_round_number():
    assert task_ids.first_seq(NOW) % task_ids.SEQS_PER_MICRO == 1


@pytest.mark.parametrize(
    "task_id",
    [
        "", "t", "1" * 18, "1" * 20, "-" + "1" * 18, "+" + "1" * 18, " " + "1" * 18,
        "1" * 18 + "_", "1_" + "1" * 17, "٣" * 19, "9223372036854775808", "9" * 19,
    ],
)  # fmt: skip
def test_an_id_of_another_form_has_no_seq(task_id):
    assert task_ids.parse(task_id) is None


def test_the_largest_seq_fits_into_64_bits():
    assert task_ids.parse("9223372036854775807") == 2**63 - 1


def test_the_oldest_seq_separates_tasks_by_their_retention():
    oldest = task_ids.oldest_seq(NOW, HOUR)
    assert task_ids.first_seq(NOW - HOUR) >= oldest
    assert task_ids.first_seq(NOW - HOUR - 1) < oldest


@pytest.mark.parametrize(
    ("use", "error"),
    [
        (FREE, None),
        (LIVE, errors.task_exists()),
        (TOMBSTONE, errors.task_existed()),
        (NameUse(SEQ, True), errors.task_exists()),
    ],
)
def test_a_name_is_free_without_a_task_and_a_tombstone(use, error):
    assert describe(task_ids.creation_error(use)) == describe(error)


@pytest.mark.parametrize(
    ("use", "task_id", "error"),
    [
        (FREE, "t", errors.entity_missing()),
        (TOMBSTONE, "t", errors.task_gone()),
        (FREE, str(SEQ), errors.task_gone()),
        (TOMBSTONE, str(SEQ), errors.task_gone()),
        (FREE, str(task_ids.first_seq(NOW - DAY)), errors.task_gone()),
        (FREE, str(task_ids.first_seq(NOW - DAY - 1)), errors.entity_missing()),
        (FREE, str(task_ids.first_seq(NOW + 1)), errors.entity_missing()),
    ],
)
def test_a_missing_task_that_existed_recently_has_its_own_message(use, task_id, error):
    assert describe(task_ids.missing_error(use, task_id, NOW, DAY)) == describe(error)


def describe(error):
    return error and (error.code, error.message)

"""Results of batches as stored bytes."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core import batch, errors
from drayman.core.batch import BatchResult
from drayman.core.errors import ServiceError
from drayman.core.task import Task

OPERATION = "projects/p/locations/l/operations/o"
TASKS = st.builds(
    Task,
    name=st.text(max_size=30),
    create_time=st.integers(0, 2**53),
    schedule_time=st.integers(0, 2**53),
    request=st.binary(max_size=100),
)
ITEMS = st.one_of(
    TASKS,
    st.binary(min_size=1, max_size=100),
    st.none(),
    st.sampled_from([errors.task_exists(), errors.entity_missing(), errors.no_project("p")]),
)
RESULTS = st.builds(
    BatchResult,
    operation=st.just(OPERATION),
    time=st.integers(0, 2**53),
    deletes=st.booleans(),
    results=st.lists(ITEMS, max_size=5),
    views=st.lists(st.integers(0, 2), max_size=5),
)


def comparable(item):
    return (item.code, item.message) if isinstance(item, ServiceError) else item


@given(RESULTS)
def test_a_result_is_decoded_as_it_was_encoded(result):
    decoded = batch.decode(OPERATION, batch.encode(result))
    assert list(map(comparable, decoded.results)) == list(map(comparable, result.results))
    assert dataclasses.replace(decoded, results=result.results) == result


@pytest.mark.parametrize("item", [Task("t", 1, 2, b"\0\xffsealed"), b"\0\xffsealed"])
def test_the_bytes_of_an_item_are_stored_unchanged(item):
    content = batch.encode(BatchResult(OPERATION, 1, deletes=False, results=[item]))
    assert content.endswith(b"\0\xffsealed")

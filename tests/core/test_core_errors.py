"""Errors as JSON values."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drayman.core import errors
from drayman.core.errors import (
    BadRequest,
    ErrorInfo,
    Help,
    LocalizedMessage,
    RetryInfo,
    ServiceError,
)
from drayman.edge.grpc_status import trailers

CLASSES = [  # other packages may define more, which are never stored
    class_ for class_ in ServiceError.__subclasses__() if class_.__module__ == errors.__name__
]
TEXT = st.text(max_size=50)
DETAILS = st.one_of(
    st.builds(Help, TEXT, TEXT),
    st.builds(ErrorInfo, TEXT, TEXT, st.dictionaries(TEXT, TEXT, max_size=3)),
    st.builds(LocalizedMessage, TEXT, TEXT),
    st.builds(BadRequest, st.lists(st.tuples(TEXT, TEXT), max_size=3)),
    st.builds(RetryInfo, st.integers(0, 2**40)),
)


def contents(error):
    """Return what callers see of an error; JSON has lists in the place of tuples."""
    details = [
        BadRequest([tuple(violation) for violation in each.violations])
        if isinstance(each, BadRequest)
        else each
        for each in error.details
    ]
    return type(error), error.code, error.message, details


@given(st.sampled_from(CLASSES), TEXT, st.lists(DETAILS, max_size=3))
def test_an_error_is_decoded_as_it_was_encoded(class_, message, details):
    error = class_(message, *details)
    decoded = errors.decode(json.loads(json.dumps(errors.encode(error))))
    assert contents(decoded) == contents(error)


@pytest.mark.parametrize(
    "error",
    [
        errors.no_project("p"), errors.queue_exists(), errors.queue_existed(),
        errors.queue_missing(), errors.entity_missing(), errors.operation_exists("b"),
        errors.task_exists(), errors.task_existed(), errors.task_gone(),
        errors.invalid_field("size", "is too large"), errors.invalid_argument(),
        errors.empty_resource("s.M"), errors.no_permission("p", "n"), errors.no_location("l"),
        errors.queue_name(), errors.queue_id("q"), errors.task_name(), errors.task_id("t"),
        errors.cmek_config_name(), errors.cmek_precondition(), errors.unknown_pattern("k"),
    ],
    ids=str,
)  # fmt: skip
def test_the_errors_of_the_service_survive_storage(error):
    assert contents(errors.decode(json.loads(json.dumps(errors.encode(error))))) == contents(error)


def test_an_error_is_encoded_by_code_message_and_details():
    assert errors.encode(errors.NotFound("none", Help("read", "https://a.example"))) == {
        "code": 5,
        "message": "none",
        "details": [["Help", {"description": "read", "url": "https://a.example"}]],
    }


@pytest.mark.parametrize("letter", ["x", "\u00fc", "\U0001f69a"])
def test_a_long_message_is_cut_between_characters(letter):
    message = errors.InvalidArgument("x" + letter * errors.MESSAGE_SIZE).message
    assert errors.MESSAGE_SIZE - 3 <= len(message.encode()) <= errors.MESSAGE_SIZE
    assert set(message) <= {"x", letter}


def test_the_error_of_a_field_names_it_and_has_no_details():
    error = errors.invalid_field("task.name", "must not be empty.")
    assert (error.message, error.details) == ("task.name must not be empty.", ())


@pytest.mark.parametrize("letter", ["x", "\u00fc", "\U0001f69a"])
@pytest.mark.parametrize(
    "of_text",
    [
        errors.no_project, errors.no_location, errors.queue_id, errors.task_id,
        errors.unknown_pattern, lambda text: errors.no_permission("cloudtasks.queues.get", text),
    ],
)  # fmt: skip
def test_an_error_that_quotes_a_long_text_fits_in_the_trailers_of_a_call(of_text, letter):
    error = of_text(letter * 100_000)
    assert error.message.endswith((".", ")"))
    size = sum(len(name) + len(value) for name, value in trailers(error))
    assert size < 8_000


def test_a_bug_is_described_with_its_type():
    assert errors.describe(errors.NotFound("none")) == "none"
    assert errors.describe(ValueError("oops")) == "internal error: ValueError('oops')"

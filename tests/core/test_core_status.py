"""Status codes (reference 3.4 and 4.2)."""

import pytest

from drayman.core import errors, status
from drayman.core.status import Code


@pytest.mark.parametrize(
    ("answer", "code"),
    [(200, 0), (204, 0), (299, 0), (301, 2), (400, 3), (401, 16), (403, 7), (404, 5), (405, 9),
     (409, 10), (410, 9), (418, 9), (429, 8), (499, 1), (500, 13), (501, 12), (502, 13), (503, 14),
     (504, 4), (505, 13), (507, 13)],
)  # fmt: skip
def test_a_response_has_the_recorded_status_of_the_last_attempt(answer, code):
    """Recorded: response status of the last attempt."""
    assert status.from_http(answer) == code


@pytest.mark.parametrize(
    ("answer", "code"),
    [(300, 2), (302, 2), (308, 2), (399, 2), (402, 9), (416, 9), (498, 9), (511, 13), (599, 13),
     (100, 2), (101, 2), (199, 2), (600, 2), (999, 2)],
)  # fmt: skip
def test_other_responses_have_the_code_of_their_class(answer, code):
    """Inferred from the rules in recorded: response status of the last attempt."""
    assert status.from_http(answer) == code


def test_every_code_has_its_http_status():
    assert set(status.HTTP_STATUS) == set(Code)
    assert {
        code: status.HTTP_STATUS[code]
        for code in (Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION, Code.NOT_FOUND,
                     Code.ALREADY_EXISTS, Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE)
    } == {
        Code.INVALID_ARGUMENT: 400, Code.FAILED_PRECONDITION: 400, Code.NOT_FOUND: 404,
        Code.ALREADY_EXISTS: 409, Code.RESOURCE_EXHAUSTED: 429, Code.UNAVAILABLE: 503,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (errors.queue_exists(), Code.ALREADY_EXISTS, "Queue already exists"),
        (
            errors.queue_existed(),
            Code.FAILED_PRECONDITION,
            "The queue cannot be created because a queue with this name existed too recently.",
        ),
        (
            errors.queue_missing(),
            Code.NOT_FOUND,
            (
                "Queue does not exist. If you just created the queue, wait at least a minute for "
                "the queue to initialize."
            ),
        ),
        (errors.entity_missing(), Code.NOT_FOUND, "Requested entity was not found."),
        (errors.task_exists(), Code.ALREADY_EXISTS, "Requested entity already exists"),
        (
            errors.task_existed(),
            Code.ALREADY_EXISTS,
            (
                "The task cannot be created because a task with this name existed too recently. "
                "For more information about task de-duplication see https://cloud.google.com/tasks/docs/"
                "reference/rest/v2/projects.locations.queues.tasks/create#body.request_body.FIELDS.task."
            ),
        ),
        (
            errors.task_gone(),
            Code.NOT_FOUND,
            (
                "The task no longer exists, though a task with this name existed recently. The "
                "task either successfully completed or was deleted."
            ),
        ),
    ],
)
def test_errors_have_the_messages_of_the_real_service(error, code, message):
    assert (error.code, error.message, str(error)) == (code, message, message)


def test_every_error_has_a_code_of_its_own():
    subclasses = errors.ServiceError.__subclasses__()
    kinds = [kind for kind in subclasses if kind.__module__.startswith("drayman.")]
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert Code.UNKNOWN not in {kind.code for kind in kinds}

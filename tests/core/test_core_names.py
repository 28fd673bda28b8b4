"""Names: which are read, which are refused, and in what words (reference 2.1, 4.1)."""

import pytest

from drayman.core import names
from drayman.core.errors import InvalidArgument

LOCATION = "projects/my-project/locations/europe-west1"
QUEUE = f"{LOCATION}/queues/mail"
TASK = f"{QUEUE}/tasks/welcome_1-A"


@pytest.mark.parametrize(
    "name", [LOCATION, "projects/example.com:old/locations/here", "projects/1.2/locations/a"]
)
def test_a_location_name_is_parsed(name):
    assert names.location("parent", name) == name


@pytest.mark.parametrize("queue_id", ["q", "Q-1", "a" * 100])
def test_a_queue_name_is_parsed(queue_id):
    name = f"{LOCATION}/queues/{queue_id}"
    assert names.queue("name", name) == name
    assert names.new_queue(LOCATION, name) == name
    assert names.location_of(name) == LOCATION
    assert names.short_id(name) == queue_id


@pytest.mark.parametrize("task_id", ["1", "a_b-C", "x" * 500])
def test_a_task_name_is_parsed(task_id):
    name = f"{QUEUE}/tasks/{task_id}"
    assert names.task("name", name) == (QUEUE, task_id)
    assert names.new_task(QUEUE, name) == task_id
    assert names.join_task(QUEUE, task_id) == name


NO_QUEUES = [
    "",
    "mail",
    LOCATION,
    f"{LOCATION}/queues/",
    f"{LOCATION}/queues/under_score",
    f"{LOCATION}/queues/{'a' * 101}",
    f"{QUEUE}/",
    f"{QUEUE}\n",
    f" {QUEUE}",
    f"{LOCATION}/queues/été",
    f"//cloudtasks.googleapis.com/{QUEUE}",
    TASK,
]


@pytest.mark.parametrize("name", NO_QUEUES)
def test_an_invalid_queue_name_is_refused_with_field_and_form(name):
    with pytest.raises(InvalidArgument) as refusal:
        names.queue("parent", name)
    assert refusal.value.message == (
        'Invalid resource field value in the request. "parent" must be formatted '
        '"projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>", '
        f'not "{name}".'
    )


@pytest.mark.parametrize("name", NO_QUEUES)
def test_a_queue_cannot_be_created_with_an_invalid_name(name):
    with pytest.raises(InvalidArgument) as refusal:
        names.new_queue(LOCATION, name)
    assert refusal.value.message == (
        'Queue name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/'
        '<QUEUE_ID>".'
    )


@pytest.mark.parametrize("name", ["", "projects/p", "projects//locations/l", QUEUE, LOCATION + "/"])
def test_an_invalid_location_name_is_refused(name):
    with pytest.raises(InvalidArgument, match='"parent" must be formatted "projects/<PROJECT_ID>'):
        names.location("parent", name)


@pytest.mark.parametrize(
    "name", ["", QUEUE, f"{QUEUE}/tasks/", f"{QUEUE}/tasks/a.b", f"{QUEUE}/tasks/{'x' * 501}",
             f"{TASK}/tasks/b", "tasks/a", f"{TASK}\n"]
)  # fmt: skip
def test_an_invalid_task_name_is_refused(name):
    with pytest.raises(InvalidArgument, match="tasks/<TASK_ID>"):
        names.task("name", name)


def test_an_error_quotes_only_the_start_of_a_long_name():
    with pytest.raises(InvalidArgument) as refusal:
        names.queue("name", "x" * 100_000)
    assert len(refusal.value.message) < 500


def test_a_queue_must_be_created_under_its_parent():
    other = "projects/my-project/locations/europe"
    with pytest.raises(InvalidArgument) as refusal:
        names.new_queue(other, QUEUE)
    assert refusal.value.message == f"{QUEUE} must begin with {other}."


def test_a_task_must_be_created_in_the_queue_of_its_name():
    other = f"{LOCATION}/queues/other"
    with pytest.raises(InvalidArgument) as refusal:
        names.new_task(other, TASK)
    assert refusal.value.message == (
        f"The queue name from request ('{other}') must be the same as the queue name in the "
        f"named task ('{QUEUE}')."
    )


@pytest.mark.parametrize("task_id", ["", "a.b", "a/b", "é", "x" * 501])
def test_a_task_id_is_letters_digits_hyphens_and_underscores(task_id):
    with pytest.raises(InvalidArgument) as refusal:
        names.new_task(QUEUE, f"{QUEUE}/tasks/{task_id}")
    assert refusal.value.message == (
        f'Task ID "{task_id}" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), '
        "or underscores (_). Task ID must between 1 and 500 characters."
    )


@pytest.mark.parametrize("name", ["", "welcome", QUEUE, "projects/p/tasks/t"])
def test_a_new_task_needs_a_full_name(name):
    with pytest.raises(InvalidArgument, match=r'"task\.name" must be formatted'):
        names.new_task(QUEUE, name)

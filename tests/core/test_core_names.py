"""Names: which are accepted, which are refused, and with which errors (recorded: names)."""

import pytest

from drayman.core import errors, names
from drayman.core.errors import Help, InvalidArgument, ServiceError

LOCATION = "projects/my-project/locations/europe-west1"
QUEUE = f"{LOCATION}/queues/mail"
TASK = f"{QUEUE}/tasks/welcome_1-A"
REFERENCE = "https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues"
QUEUE_FIELD = f"{REFERENCE}#Queue.FIELDS.name"
TASK_FIELD = f"{REFERENCE}.tasks#Task.FIELDS.name"


FORMS = {
    "projects/*": "projects/example.com:old",
    "projects/*/locations/*": LOCATION,
    "projects/*/locations/*/queues/*": QUEUE,
    "projects/*/locations/*/queues/*/tasks/*": TASK,
    "projects/*/locations/*/operations/*": f"{LOCATION}/operations/any thing",
    "projects/*/locations/*/cmekConfig": f"{LOCATION}/cmekConfig",
}


def check(name, pattern="projects/*/locations/*/queues/*"):
    names.resource_check(pattern, "service.Method", "a.b.c")(name)


@pytest.mark.parametrize(("pattern", "name"), FORMS.items())
def test_the_name_of_a_resource_has_the_form_of_its_call(pattern, name):
    check(name, pattern)
    for other in FORMS:
        if other != pattern:
            with pytest.raises(ServiceError):
                check(name, other)


REFUSALS = [  # recorded: order of checks
    ("", errors.empty_resource("service.Method")),
    ("not-a-valid-name", errors.no_project("not-a-valid-name")),
    (f"//cloudtasks.googleapis.com/{QUEUE}",
     errors.no_project(f"//cloudtasks.googleapis.com/{QUEUE}")),
    (f" {QUEUE}", errors.no_project(f" {QUEUE}")),
    ("projects", errors.no_project("projects")),
    ("projects//locations/l", errors.no_project("projects//locations/l")),
    ("projects/\u00e9/locations/l", errors.no_project("\u00e9")),
    (f"projects/{'a' * 129}/queues", errors.no_project("a" * 129)),
    ("projects/p", errors.no_permission("a.b.c", "projects/p")),
    (f"{LOCATION}/queues", errors.no_permission("a.b.c", f"{LOCATION}/queues")),
    (TASK, errors.no_permission("a.b.c", TASK)),
    (f"{QUEUE}/", errors.no_permission("a.b.c", f"{QUEUE}/")),
    (f"{LOCATION}/cues/q", errors.no_permission("a.b.c", f"{LOCATION}/cues/q")),
    ("projects/p/locations/l_1/queues/q_1", errors.no_location("l_1")),
    ("projects/p/locations//queues/q", errors.no_location("")),
    (f"{LOCATION}/queues/not_valid", errors.queue_id("not_valid")),
    (f"{LOCATION}/queues/", errors.queue_id("")),
    (f"{QUEUE}\n", errors.queue_id("mail\n")),
    (f"{LOCATION}/queues/{'a' * 101}", errors.queue_id("a" * 101)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "error"), REFUSALS, ids=[row[0][:40] for row in REFUSALS])
def test_a_name_of_another_form_is_refused_in_the_recorded_order(name, error):
    with pytest.raises(type(error)) as refusal:
        check(name)
    assert (refusal.value.message, refusal.value.details) == (error.message, error.details)


TASK_REFUSALS = [
    (f"{QUEUE}/tasks", errors.no_permission("a.b.c", f"{QUEUE}/tasks")),
    (f"{TASK}/extra", errors.no_permission("a.b.c", f"{TASK}/extra")),
    (f"{LOCATION}/queues/not_valid/tasks/not valid", errors.queue_id("not_valid")),
    (f"{QUEUE}/tasks/not valid", errors.task_id("not valid")),
    (f"{QUEUE}/tasks/", errors.task_id("")),
]


@pytest.mark.parametrize(("name", "error"), TASK_REFUSALS)
def test_the_name_of_a_task_is_refused_from_left_to_right(name, error):
    with pytest.raises(type(error)) as refusal:
        check(name, "projects/*/locations/*/queues/*/tasks/*")
    assert (refusal.value.message, refusal.value.details) == (error.message, error.details)


@pytest.mark.parametrize("name", [LOCATION, f"{LOCATION}/kmsConfig", "projects/p"])
def test_the_name_of_a_cmek_configuration_has_an_error_of_its_own(name):
    with pytest.raises(InvalidArgument) as refusal:
        check(name, "projects/*/locations/*/cmekConfig")
    assert refusal.value.message == (
        'CMEK Config name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/'
        'cmekConfig".'
    )
    assert not refusal.value.details


def test_a_location_may_be_restricted():
    names.check_location(QUEUE, [])
    names.check_location(QUEUE, ["europe-west1"])
    names.check_location("projects/p", ["europe-west1"])
    with pytest.raises(InvalidArgument) as refusal:
        names.check_location(QUEUE, ["us-east1"])
    assert refusal.value.message == (
        "Location 'europe-west1' is not a valid location. "
        "Use ListLocations to list valid locations."
    )


@pytest.mark.parametrize("queue_id", ["q", "Q-1", "a" * 100])
def test_a_queue_name_is_parsed(queue_id):
    name = f"{LOCATION}/queues/{queue_id}"
    assert names.queue(name) == name
    assert names.new_queue(LOCATION, name) == name
    assert names.location_of(name) == LOCATION
    assert names.short_id(name) == queue_id


@pytest.mark.parametrize("task_id", ["1", "a_b-C", "x" * 500])
def test_a_task_name_is_parsed(task_id):
    name = f"{QUEUE}/tasks/{task_id}"
    assert names.task(name) == (QUEUE, task_id)
    assert names.new_task(QUEUE, name) == task_id
    assert names.join_task(QUEUE, task_id) == name


NO_QUEUES = [
    "",
    "bad",
    LOCATION,
    f"{QUEUE}/",
    f" {QUEUE}",
    "projects/\u00e9/locations/l/queues/q",
    "projects/p/locations/l_1/queues/q",
    f"//cloudtasks.googleapis.com/{QUEUE}",
    TASK,
]


@pytest.mark.parametrize("name", NO_QUEUES)
def test_a_queue_cannot_be_created_with_a_name_of_another_form(name):
    with pytest.raises(InvalidArgument) as refusal:
        names.new_queue(LOCATION, name)
    assert refusal.value.message == (
        'Queue name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/'
        '<QUEUE_ID>".'
    )
    assert refusal.value.details == (Help("Definition of queue name", QUEUE_FIELD),)


@pytest.mark.parametrize("queue_id", ["", "not_valid", "a" * 101, "\u00e9t\u00e9", "a\n"])
def test_a_queue_id_is_letters_digits_and_hyphens(queue_id):
    with pytest.raises(InvalidArgument) as refusal:
        names.new_queue(LOCATION, f"{LOCATION}/queues/{queue_id}")
    assert refusal.value.message == (
        f'Queue ID "{queue_id}" can contain only letters ([A-Za-z]), numbers ([0-9]), or hyphens '
        "(-). Queue ID must be between 1 and 100 characters."
    )
    assert refusal.value.details == (Help("Definition of queue ID", QUEUE_FIELD),)


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


@pytest.mark.parametrize("task_id", ["", "a.b", "not valid", "\u00e9", "x" * 501, "a\n"])
def test_a_task_id_is_letters_digits_hyphens_and_underscores(task_id):
    with pytest.raises(InvalidArgument) as refusal:
        names.new_task(QUEUE, f"{QUEUE}/tasks/{task_id}")
    assert refusal.value.message == (
        f'Task ID "{task_id}" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), '
        "or underscores (_). Task ID must between 1 and 500 characters."
    )
    assert refusal.value.details == (Help("Definition of task ID", TASK_FIELD),)


@pytest.mark.parametrize(
    "name", ["", "bad", QUEUE, "projects/p/tasks/t", f"{TASK}/tasks/b", f"{QUEUE}/tasks/a/b"]
)
def test_a_new_task_needs_a_full_name(name):
    with pytest.raises(InvalidArgument) as refusal:
        names.new_task(QUEUE, name)
    assert refusal.value.message == (
        'Task name must be formatted: "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/'
        '<QUEUE_ID>/tasks/<TASK_ID>".'
    )
    assert refusal.value.details == (Help("Definition of task name", TASK_FIELD),)


@pytest.mark.parametrize("name", ["not-a-key", LOCATION, f"{LOCATION}/keyRings/r/cryptoKeys/k/x"])
def test_the_name_of_a_key_is_refused_with_its_text(name):
    names.key(f"{LOCATION}/keyRings/r/cryptoKeys/k")
    with pytest.raises(InvalidArgument) as refusal:
        names.key(name)
    assert refusal.value.message == (
        f"Resource name [{name}] does not match any known resource name pattern."
    )

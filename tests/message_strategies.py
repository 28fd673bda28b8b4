"""Hypothesis strategies: messages of any content, some of them likely to pass the checks."""

import functools

from google.protobuf.descriptor import FieldDescriptor as Field
from hypothesis import strategies as st

LOCATION = "projects/fuzz/locations/l"
QUEUE = f"{LOCATION}/queues/q"
ANY = st.characters(exclude_categories=())  # halves of characters too
TEXTS = st.sampled_from(
    ["", "projects/fuzz", LOCATION, QUEUE, f"{QUEUE}2", f"{QUEUE}/tasks/t",
     f"{LOCATION}/cmekConfig", f"{LOCATION}/operations/o", "o", "http://127.0.0.1:1/",
     "https://x/%zz", "/", "state:PAUSED",
     "cloudtasks.tasks.create", "roles/x", "user:a@b", "a@b", "retry_config", "http_target.port",
     "*", "\0", "\n", "é" * 50]
) | st.text(ANY, max_size=20)  # fmt: skip
NUMBERS = {
    Field.CPPTYPE_INT32: st.sampled_from([-(2**31), -1, 0, 1, 5, 2**31 - 1]),
    Field.CPPTYPE_INT64: st.sampled_from([-(2**63), -1, 0, 80, 2**31, 2**63 - 1]),
    Field.CPPTYPE_UINT32: st.integers(0, 9),
    Field.CPPTYPE_UINT64: st.integers(0, 9),
    Field.CPPTYPE_DOUBLE: st.floats(),
    Field.CPPTYPE_FLOAT: st.floats(width=32),
    Field.CPPTYPE_BOOL: st.booleans(),
    Field.CPPTYPE_ENUM: st.integers(-1, 9),
}
# What makes a message likely to pass, by its type, unless something else is drawn for a field.
LIKELY = {
    "CreateQueueRequest": {"queue": {"name": f"{LOCATION}/queues/new"}},
    "CreateTaskRequest": {
        "parent": QUEUE, "task": {"http_request": {"url": "http://127.0.0.1:1/"}},
    },
    "BatchCreateTasksRequest": {
        "requests": [{"parent": QUEUE, "task": {"app_engine_http_request": {}}}],
    },
    "BatchDeleteTasksRequest": {"names": [f"{QUEUE}/tasks/t"]},
    "Queue": {"name": f"{LOCATION}/queues/new"},
    "Task": {"name": f"{QUEUE}/tasks/t", "http_request": {"url": "https://127.0.0.1:1/"}},
    "HttpRequest": {"url": "https://127.0.0.1:1/"},
    "Timestamp": {"seconds": 1_700_000_500, "nanos": 5},
    "Duration": {"seconds": 20, "nanos": 5},
    "FieldMask": {"paths": ["retry_config"]},
    "OidcToken": {"service_account_email": "a@b", "audience": "x"},
    "OAuthToken": {"service_account_email": "a@b", "scope": "x"},
    "Header": {"key": "a", "value": "b"},
    "Binding": {"role": "roles/x", "members": ["user:a@b"]},
}  # fmt: skip


def single(field):
    if field.message_type is not None:
        return st.deferred(lambda: messages(field.message_type))
    if field.type == Field.TYPE_BYTES:
        return st.binary(max_size=20)
    return NUMBERS.get(field.cpp_type, TEXTS)


def value(field):
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        entries = kind.fields_by_name
        return st.dictionaries(single(entries["key"]), single(entries["value"]), max_size=2)
    return st.lists(single(field), max_size=3) if field.is_repeated else single(field)


@functools.cache
def messages(descriptor):
    """Return a strategy of what a message may hold, a few fields at a time."""
    if descriptor.full_name == "google.protobuf.Any":
        return st.just({})
    likely = LIKELY.get(descriptor.full_name.rpartition(".")[2], {})
    if not descriptor.fields:
        return st.just({})
    some = st.lists(st.sampled_from([*descriptor.fields]), max_size=3, unique=True)

    def fill(fields):
        return st.fixed_dictionaries({field.name: value(field) for field in fields})

    few = some.flatmap(fill)
    return few.flatmap(lambda drawn: st.just({**likely, **drawn}) | st.just(drawn))


def built(kind):
    """Return messages of a class, of any content that one can hold."""
    return messages(kind.DESCRIPTOR).map(functools.partial(_build, kind))


def _build(kind, fields):
    try:
        return kind(**fields)
    except (ValueError, TypeError):
        return kind()

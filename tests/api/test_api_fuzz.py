"""Whatever is sent, over either door, the answer is a documented status; never a fault of ours."""

import functools
import http.client
import json
import urllib.parse

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor as Field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drayman.api import calls
from drayman.core.status import HTTP_STATUS, Code
from drayman.tasks_v2 import rpcs
from live import LiveServer

DOCUMENTED = {
    "OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION",
    "PERMISSION_DENIED", "ABORTED",
}  # fmt: skip
ANSWERS = {HTTP_STATUS[Code[name]] for name in DOCUMENTED}
LOCATION = "projects/fuzz/locations/l"
QUEUE = f"{LOCATION}/queues/q"
TEXTS = st.sampled_from(
    ["", "projects/fuzz", LOCATION, QUEUE, f"{QUEUE}2", f"{QUEUE}/tasks/t",
     f"{LOCATION}/cmekConfig", f"{LOCATION}/operations/o", "o", "http://127.0.0.1:1/",
     "https://x/%zz", "/", "state:PAUSED",
     "cloudtasks.tasks.create", "roles/x", "user:a@b", "a@b", "retry_config", "http_target.port",
     "*", "\0", "\n", "é" * 50]
) | st.text(max_size=20)  # fmt: skip
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
    "CreateTaskRequest": {"task": {"http_request": {"url": "http://127.0.0.1:1/"}}},
    "BatchCreateTasksRequest": {"requests": [{"task": {"app_engine_http_request": {}}}]},
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
}
RUNS = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def single(field):
    if field.message_type is not None:
        return st.deferred(lambda: values(field.message_type))
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
def values(descriptor):
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
    return few.flatmap(lambda given: st.just({**likely, **given}) | st.just(given))


def likely_name(rpc):
    """Return the name of something that is there and that a call may be about."""
    pattern = rpc.path[rpc.path.index("=") + 1 : rpc.path.index("}")]
    whole = f"{QUEUE}/tasks/t" if "queues" in pattern else f"{LOCATION}/operations/o"
    if pattern.endswith("cmekConfig"):
        return f"{LOCATION}/cmekConfig"
    return "/".join(whole.split("/")[: len(pattern.split("/"))])


def put(content, path, name):
    """Put a name to where a request is routed by."""
    first, _, rest = path.partition(".")
    content[first] = put(dict(content.get(first, {})), rest, name) if rest else name
    return content


@pytest.fixture(scope="module")
def fuzzed():
    live = LiveServer(queue_tombstone="0s", task_tombstone="0s")
    yield live
    live.stop()


@pytest.fixture(scope="module")
def channel(fuzzed):
    with grpc.insecure_channel(fuzzed.address) as channel:
        yield channel


@pytest.fixture
def filled(fuzzed):
    """Each test begins with a paused queue, whatever those before it have done to it."""
    with fuzzed.client() as client:
        client.update_queue(queue={"name": QUEUE})
        client.pause_queue(name=QUEUE)
    return fuzzed


def status(channel, rpc, body):
    try:
        channel.unary_unary(rpc.full_name)(body, timeout=20)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


@pytest.mark.parametrize("rpc", rpcs.SERVED, ids=lambda rpc: rpc.name)
@RUNS
@given(data=st.data())
@pytest.mark.usefixtures("filled")
def test_any_message_ends_in_a_documented_status(channel, rpc, data):
    kind = calls.message_class(rpc.request)
    content = data.draw(values(kind.DESCRIPTOR))
    if data.draw(st.integers(0, 4)):
        content = put(dict(content), rpc.routing, likely_name(rpc))
    try:
        body = kind(**content).SerializeToString()
    except ValueError:  # a text that is no text
        return
    code, details = status(channel, rpc, body)
    assert code in DOCUMENTED, details
    assert code == "OK" or details


@pytest.mark.parametrize("rpc", rpcs.SERVED, ids=lambda rpc: rpc.name)
@RUNS
@given(body=st.binary(max_size=60))
def test_any_bytes_end_in_a_documented_status(channel, rpc, body):
    code, details = status(channel, rpc, body)
    assert code in DOCUMENTED, details


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["task", "queue", "name", "httpRequest", "url", "headers", "body", "parent", "requests",
             "scheduleTime", "dispatchDeadline", "retryConfig", "policy", "bindings", "etag",
             "permissions", "kmsKey", "httpTarget", "rateLimits", "maxDispatchesPerSecond",
             "responseView", "names", "@type"]
        ) | st.text(max_size=5),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
PATHS = st.sampled_from(
    [LOCATION, QUEUE, f"{LOCATION}/queues", f"{QUEUE}/tasks", f"{QUEUE}/tasks/t", "projects/fuzz"]
) | st.text(max_size=20)
SUFFIXES = st.sampled_from(
    ["", ":purge", ":pause", ":run", ":getIamPolicy", ":setIamPolicy", ":testIamPermissions",
     "/tasks:batchCreate", "/tasks:batchDelete", "/tasks:buffer", "/tasks/x:buffer", "/cmekConfig",
     "/operations", "/operations/o", "/operations/o:wait", "/locations", "/stats", "/attempts",
     "/deadLetters", "/deadLetters/t", "/deadLetters:replay", "/deadLetters:delete"]
)  # fmt: skip
QUERIES = st.dictionaries(
    st.sampled_from(["fields", "$alt", "alt", "prettyPrint", "pageSize", "pageToken", "filter",
                     "updateMask", "responseView", "x", "queue.name"]) | st.text(max_size=4),
    st.sampled_from(["json;enum-encoding=int", "a(b", "1", "-1", "BASIC", "retryConfig.x", "false"])
    | TEXTS,
    max_size=3,
)  # fmt: skip


@settings(RUNS, max_examples=5 * settings().max_examples)  # one test for all calls
@given(
    verb=st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"]),
    root=st.sampled_from(["/v2/", "/v2/", "/drayman/v1/"]),
    path=PATHS,
    suffix=SUFFIXES,
    query=QUERIES,
    body=JSON.map(lambda each: json.dumps(each).encode()) | st.binary(max_size=30),
    kind=st.sampled_from(["application/json", "text/plain", ""]),
)
def test_any_request_over_rest_ends_in_a_documented_status(
    filled, verb, root, path, suffix, query, body, kind
):
    encoded = urllib.parse.urlencode(query, errors="surrogatepass")
    target = (
        f"{root}{urllib.parse.quote(path, safe='/:%', errors='surrogatepass')}{suffix}?{encoded}"
    )
    connection = http.client.HTTPConnection("127.0.0.1", filled.server.http_port, timeout=20)
    try:
        connection.request(verb, target, body, {"Content-Type": kind})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    assert answer.status in ANSWERS, content
    if answer.status != 200 and verb != "HEAD":
        error = json.loads(content)["error"]
        assert error["code"] == answer.status
        assert error["message"]
        assert "drayman.cloud" not in error["message"]

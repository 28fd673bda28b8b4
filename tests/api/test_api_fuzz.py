"""Whatever is sent, the answer is a documented status; never a fault of ours.

Every call is tried without a transport, then some of all over gRPC and over REST.
"""

import asyncio
import http.client
import json
import re
import urllib.parse

import grpc
import pytest
from google.cloud import tasks_v2
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drayman.api import calls
from drayman.api.context import Context
from drayman.core import errors
from drayman.core.clock import ManualClock
from drayman.core.limits import Limits, Retention
from drayman.core.queue import Queue, State, creation
from drayman.core.status import HTTP_STATUS, Code
from drayman.encryption.cipher import TaskCipher
from drayman.encryption.locations import LocationKeys
from drayman.encryption.tasks import TaskEncryption
from drayman.store.sqlite.database import open_store
from drayman.tasks_v2 import rpcs
from live import LiveServer
from message_strategies import ANY, LOCATION, QUEUE, TEXTS, messages

DOCUMENTED = {
    "OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION",
    "PERMISSION_DENIED", "ABORTED",
}  # fmt: skip
ANSWERS = {HTTP_STATUS[Code[name]] for name in DOCUMENTED}
RUNS = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


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


def requests_of(rpc):
    """Return a strategy of serialized requests of a call; None is a text that is no text."""
    kind = calls.message_class(rpc.request)

    def serialize(content, routed):
        try:
            content = put(dict(content), rpc.routing, likely_name(rpc)) if routed else content
            return kind(**content).SerializeToString()
        except ValueError:
            return None

    return st.builds(serialize, messages(kind.DESCRIPTOR), st.integers(0, 4))


@pytest.fixture
def answer():
    """Answer calls without a transport, from a store of the test's own with a paused queue."""
    clock, limits = ManualClock(), Limits(retention=Retention(queue_tombstone=0, task_tombstone=0))
    with asyncio.Runner() as runner:
        store = runner.run(open_store(":memory:", limits, clock.now()))
        cipher = TaskCipher({})
        encryption = TaskEncryption(cipher, LocationKeys(store, clock, cipher))
        context = Context(store, clock, limits, encryption, emit=lambda _: None)

        async def create_queue():
            await store.update_queue(QUEUE, creation(Queue(QUEUE, State.PAUSED)), clock.now())

        runner.run(create_queue())

        def call(rpc, body):
            """Return how a call ends: its status, and the message of an error."""
            kind = calls.message_class(rpc.request)
            try:
                runner.run(calls.handle_serialized(None, context, rpc, kind, body))
            except errors.ServiceError as error:
                return error.code.name, error.message
            return "OK", ""

        yield call
        runner.run(store.close())


@pytest.mark.parametrize("rpc", rpcs.SERVED, ids=lambda rpc: rpc.name)
@RUNS
@given(data=st.data())
def test_any_message_ends_in_a_documented_status(answer, rpc, data):
    body = data.draw(requests_of(rpc))
    if body is not None:
        code, message = answer(rpc, body)
        assert code in DOCUMENTED, message
        assert code == "OK" or message


@pytest.mark.parametrize("rpc", rpcs.SERVED, ids=lambda rpc: rpc.name)
@RUNS
@given(body=st.binary(max_size=60))
def test_any_bytes_end_in_a_documented_status(answer, rpc, body):
    code, message = answer(rpc, body)
    assert code in DOCUMENTED, message


def status(channel, rpc, body):
    try:
        channel.unary_unary(rpc.full_name)(body, timeout=20)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


@RUNS
@given(data=st.data())
@pytest.mark.usefixtures("filled")
def test_any_request_over_grpc_ends_in_a_documented_status(channel, data):
    rpc = data.draw(st.sampled_from(rpcs.SERVED))
    body = data.draw(requests_of(rpc) | st.binary(max_size=60))
    if body is not None:
        code, details = status(channel, rpc, body)
        assert code in DOCUMENTED, details
        assert code == "OK" or details


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["task", "queue", "name", "httpRequest", "url", "headers", "body", "parent", "requests",
             "scheduleTime", "dispatchDeadline", "retryConfig", "policy", "bindings", "etag",
             "permissions", "kmsKey", "httpTarget", "rateLimits", "maxDispatchesPerSecond",
             "responseView", "names", "@type"]
        ) | st.text(ANY, max_size=5),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
PATHS = st.sampled_from(
    [LOCATION, QUEUE, f"{LOCATION}/queues", f"{QUEUE}/tasks", f"{QUEUE}/tasks/t", "projects/fuzz"]
) | st.text(ANY, max_size=20)
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


def spoil(draw, value):
    """Return a JSON value with one part of it replaced, renamed or removed."""
    if not isinstance(value, dict) or not value or draw(st.integers(0, 3)) == 0:
        return draw(JSON)
    key = draw(st.sampled_from(sorted(value)))
    rest = {name: each for name, each in value.items() if name != key}
    match draw(st.sampled_from(["inside", "inside", "rename", "remove"])):
        case "inside":
            return rest | {key: spoil(draw, value[key])}
        case "rename":
            return rest | {draw(st.sampled_from([key.upper(), f"{key}x", ""])): value[key]}
        case _:
            return rest


@st.composite
def rest_bodies(draw, rpc):
    """Return the JSON value of a body that a call takes, or nearly takes."""
    kind = calls.message_class(rpc.request)
    try:
        value = json_format.MessageToDict(kind(**draw(messages(kind.DESCRIPTOR))))
    except (ValueError, json_format.Error):
        value = {}
    if rpc.body not in {None, "*"}:
        first, *others = rpc.body.split("_")
        value = value.get(first + "".join(map(str.capitalize, others)), {})
    return spoil(draw, value) if draw(st.booleans()) else value


@pytest.mark.parametrize("rpc", rpcs.SERVED, ids=lambda rpc: rpc.name)
@settings(RUNS, max_examples=max(1, settings().max_examples // 3))  # a test for each call
@given(data=st.data())
def test_any_body_of_a_call_over_rest_ends_in_a_response_of_its_type(filled, rpc, data):
    """What a description of the API would say: its paths, its bodies, its responses."""
    name = data.draw(st.just(likely_name(rpc)) | st.just(likely_name(rpc).replace("fuzz", "p")))
    target = "/v2/" + re.sub(r"\{[^}]*\}", urllib.parse.quote(name), rpc.path)
    body = json.dumps(data.draw(rest_bodies(rpc))).encode() if rpc.body else None
    connection = http.client.HTTPConnection("127.0.0.1", filled.server.http_port, timeout=20)
    try:
        connection.request(rpc.verb, target, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = json.loads(answer.read())
    finally:
        connection.close()
    assert answer.status in ANSWERS, content
    if answer.status == 200:
        json_format.ParseDict(content, google_class(rpc.response)())
    else:
        assert content["error"]["code"] == answer.status
        assert content["error"]["message"]
        assert "No call has" not in content["error"]["message"]


def google_class(message):
    """Return Google's own class of a message."""
    return calls.message_class(getattr(tasks_v2, message.__name__, message))

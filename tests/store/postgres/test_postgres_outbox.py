"""The SQL functions of the outbox, and the draining of what they write."""

import asyncio
import base64
import contextlib
import datetime
import json

import psycopg
import pytest
from postgres_world import done_or_blocked
from world import LIMITS, full

from drayman.core import errors
from drayman.core.clock import DAY, HOUR, SECOND, ManualClock, SystemClock
from drayman.core.document import KMS_KEY, Document
from drayman.core.events import OutboxRefused, StoreFailed, TasksCreated, TasksDeleted
from drayman.core.limits import Limits, TaskLimits
from drayman.core.queue import Queue, creation
from drayman.dispatch import outbox as draining
from drayman.dispatch.outbox import OutboxDrain
from drayman.encryption.cipher import TaskCipher
from drayman.encryption.locations import LocationKeys
from drayman.encryption.tasks import TaskEncryption
from drayman.store import opening
from drayman.store.contract import OutboxEntry, StoreError
from drayman.store.postgres import address
from drayman.store.postgres.database import open_store
from drayman.store.postgres.outbox import MAX_ERRORS
from drayman.tasks_v2 import types
from drayman.transfer import jobs
from drayman.wire import protojson, times
from drayman.wire import tasks as task_rules

QUEUE = full("q")
TASK = {"httpRequest": {"url": "https://example.com/"}}
NEEDED = """
GRANT USAGE ON SCHEMA {schema} TO app;
GRANT EXECUTE ON FUNCTION {schema}.create_task, {schema}.create_tasks, {schema}.create_http_task,
  {schema}.delete_task TO app;
"""


class Drained:
    """A store with an outbox, and a drain that a test steps."""

    def __init__(self, store, limits=LIMITS):
        self.store = store
        self.clock = ManualClock(SystemClock().now())
        self.events = []
        cipher = TaskCipher({})
        encryption = TaskEncryption(cipher, LocationKeys(store, self.clock, cipher))
        self._drain = OutboxDrain(store.outbox, self.clock, encryption, limits, self.events.append)

    async def drain(self):
        """Read from the beginning and apply, until nothing is left to apply."""
        self.clock.advance(draining.POLL_INTERVAL)
        while await self._drain.step() == 0:
            pass
        assert not [event for event in self.events if isinstance(event, StoreFailed)]

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    async def queue(self, name=QUEUE):
        await self.store.update_queue(name, creation(Queue(name)), self.clock.now())

    async def listed(self, queue=QUEUE):
        page = await self.store.list_tasks(queue, 0, 100_000, 1 << 30)
        return [task.name for task in page.tasks]


@pytest.fixture
async def servers(url):
    """Give a function that opens one more server's store on the schema."""
    async with contextlib.AsyncExitStack() as opened:

        async def open_server(name=None, limits=LIMITS):
            store = await open_store(url, limits, SystemClock().now(), server=name)
            opened.push_async_callback(store.close)
            return Drained(store, limits)

        yield open_server


@pytest.fixture
async def server(servers):
    """Give a server with a queue."""
    server = await servers()
    await server.queue()
    await server.drain()  # sets the limits
    return server


@pytest.fixture
def connect(url, administrator):
    """Give a function that connects as a role that may only call the functions."""
    schema = address.parse(url).schema
    with contextlib.ExitStack() as opened:

        def connect(**options):
            administrator.execute(NEEDED.format(schema=schema))
            link = psycopg.connect(f"{address.parse(url).conninfo} user=app", **options)
            opened.callback(link.close)
            return App(link, schema)

        with contextlib.suppress(psycopg.errors.DuplicateObject):
            administrator.execute("CREATE ROLE app LOGIN")
        yield connect


@pytest.fixture
def app(server, connect):  # noqa: ARG001 - the server creates the functions
    return connect(autocommit=True)


class App:
    """A program on the database."""

    def __init__(self, connection, schema):
        self.connection = connection
        self.schema = schema

    def call(self, function, **arguments):
        """Call a function of the outbox by named arguments; return its rows."""
        values = ", ".join(f"{name} => %({name})s" for name in arguments)
        return [
            row[0]
            for row in self.connection.execute(
                f"SELECT {self.schema}.{function}({values})", arguments
            )
        ]

    def create(self, task_id=None, *, parent=QUEUE, **fields):
        named = {"name": f"{parent}/tasks/{task_id}"} if task_id else {}
        task = json.dumps(TASK | named | fields)
        (name,) = self.call("create_task", parent=parent, task=task)
        return name

    def delete(self, name):
        self.call("delete_task", name=name)

    def refusal(self, function, **arguments):
        """Return the SQLSTATE and message with which a call fails."""
        with pytest.raises(psycopg.Error) as refusal:
            self.call(function, **arguments)
        return refusal.value.sqlstate, refusal.value.diag.message_primary


async def test_a_committed_task_exists_under_the_name_that_was_returned(server, app):
    generated, named = app.create(), app.create("mine")
    assert named == f"{QUEUE}/tasks/mine"
    await server.drain()
    assert sorted(await server.listed()) == sorted([generated, named])
    task = await server.store.get_task(generated, server.clock.now())
    assert task_rules.encode(task, task_rules.FULL).http_request.url == "https://example.com/"
    (event,) = server.of(TasksCreated)
    assert event.names == ["", named]


async def test_a_task_that_is_rolled_back_never_exists(server, connect):
    app = connect()
    app.create()
    app.connection.rollback()
    app.create("first")
    with contextlib.suppress(ZeroDivisionError), app.connection.transaction():
        app.create("second")  # after a savepoint
        raise ZeroDivisionError
    app.connection.commit()
    await server.drain()
    assert await server.listed() == [f"{QUEUE}/tasks/first"]


async def test_many_tasks_are_created_by_one_statement(server, app):
    count = 3 * draining.BATCH
    names = app.call("create_tasks", parent=QUEUE, tasks=json.dumps([TASK] * count))
    await server.drain()
    assert await server.listed() == names
    assert len(set(names)) == count


async def test_the_ids_of_api_and_outbox_never_meet(server, app):
    outbox = {app.create() for _ in range(50)}
    await server.drain()
    assert outbox == set(await server.listed())


async def test_a_task_is_deleted_in_the_outbox_and_in_its_queue(server, app):
    waiting, drained = app.create(), app.create("named")
    app.delete(waiting)
    await server.drain()
    assert await server.listed() == [drained]
    app.delete(drained)
    assert app.refusal("delete_task", name=drained) == ("TK005", "Requested entity was not found.")
    await server.drain()
    assert await server.listed() == []
    assert [event.names for event in server.of(TasksDeleted)] == [[waiting], [drained]]
    assert app.refusal("create_task", parent=QUEUE, task=json.dumps(TASK | {"name": drained}))[
        1
    ].startswith("The task cannot be created because a task with this name existed too recently.")


async def test_a_deletion_that_is_rolled_back_deletes_nothing(server, connect):
    app = connect()
    name = app.create()
    app.connection.commit()
    app.delete(name)
    app.connection.rollback()
    await server.drain()
    assert await server.listed() == [name]


async def test_a_deletion_waits_until_the_creation_is_applied(server, app, url):
    name = app.create()
    app.delete(name)
    with psycopg.connect(
        address.parse(url).conninfo
    ) as other:  # a server that applies the creation
        other.execute(f"SET search_path TO {app.schema}")
        other.execute("SELECT FROM outbox WHERE task IS NOT NULL FOR UPDATE")
        await server.drain()
        assert other.execute("SELECT count(*) FROM outbox").fetchone() == (2,)
    await server.drain()
    assert await server.listed() == []
    assert not server.of(OutboxRefused)


async def test_a_task_that_is_gone_when_its_deletion_is_drained_is_no_error(server, app):
    name = app.create()
    await server.drain()
    app.delete(name)
    await server.store.delete_tasks([name], server.clock.now())
    await server.drain()
    assert not server.of(OutboxRefused)


@pytest.mark.parametrize("drained", [False, True])
async def test_the_name_of_a_task_is_refused_at_once(server, app, drained):
    name = app.create("mine")
    if drained:
        await server.drain()
    taken = json.dumps(TASK | {"name": name})
    refusal = app.refusal("create_task", parent=QUEUE, task=taken)
    assert refusal == ("TK006", "Requested entity already exists")
    app.delete(name)
    assert app.refusal("create_task", parent=QUEUE, task=taken) == (
        "TK006",
        errors.task_existed().message,
    )


async def test_the_name_of_a_generated_task_is_refused(server, app):
    name = app.create()
    await server.drain()
    refusal = app.refusal("create_task", parent=QUEUE, task=json.dumps(TASK | {"name": name}))
    assert refusal == ("TK006", "Requested entity already exists")


async def test_the_names_of_a_purged_queue_are_refused(server, app):
    name = app.create("mine")
    await server.drain()
    await server.store.purge_queue(QUEUE, server.clock.now())
    refusal = app.refusal("create_task", parent=QUEUE, task=json.dumps(TASK | {"name": name}))
    assert refusal == ("TK006", errors.task_existed().message)


async def test_of_two_open_transactions_with_one_name_the_second_is_recorded(server, connect):
    first, second = connect(), connect()
    first.create("mine")
    second.create("mine")  # does not wait for the first
    first.connection.commit()
    second.connection.commit()
    await server.drain()
    assert await server.listed() == [f"{QUEUE}/tasks/mine"]
    (event,) = server.of(OutboxRefused)
    assert event.message == "Requested entity already exists"


async def test_a_task_whose_queue_is_deleted_meanwhile_is_recorded(server, app, administrator):
    name = app.create()
    await server.store.delete_queue(QUEUE, server.clock.now())
    await server.drain()
    query = "SELECT name, code, message, task FROM outbox_error"
    assert administrator.execute(query).fetchall() == [
        (name, 5, errors.queue_missing().message, TASK)
    ]
    assert administrator.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    assert [event.task for event in server.of(OutboxRefused)] == [name]


async def test_the_latest_errors_are_kept_without_large_tasks(server, app, administrator):
    large = TASK["httpRequest"] | {"body": base64.b64encode(b"x" * 10_000).decode()}
    tasks = [TASK] * MAX_ERRORS + [{"httpRequest": large}]
    app.call("create_tasks", parent=QUEUE, tasks=json.dumps(tasks))
    await server.store.delete_queue(QUEUE, server.clock.now())
    await server.drain()
    query = "SELECT count(*), count(task) FROM outbox_error"
    assert administrator.execute(query).fetchone() == (MAX_ERRORS, MAX_ERRORS - 1)


async def test_what_the_functions_let_pass_is_refused_by_the_rules_of_the_api(server, app):
    routed = {"appEngineHttpRequest": {"appEngineRouting": {"service": "_"}}}
    app.call("create_task", parent=QUEUE, task=json.dumps(routed))
    await server.drain()
    (event,) = server.of(OutboxRefused)
    assert event.message.startswith("AppEngineRouting.service can contain only letters")
    assert await server.listed() == []


def test_an_entry_that_cannot_be_read_is_refused_alone():
    entry = OutboxEntry(1, f"{QUEUE}/tasks/1", 1, '"\ud800"')
    refusal = draining.parse(entry, 0, LIMITS)
    assert isinstance(refusal, errors.ServiceError)
    assert refusal.message.startswith("internal error: UnicodeEncodeError(")


_HTTP = TASK["httpRequest"]
_LATE = times.text((SystemClock().now() // SECOND + 31 * DAY // SECOND) * SECOND)
INVALID = {
    "nothing": {},
    "unknown field": TASK | {"url": "https://example.com/"},
    "unknown field of the request": {"httpRequest": _HTTP | {"method": "GET"}},
    "no URL": {"httpRequest": {}},
    "scheme": {"httpRequest": {"url": "ftp://example.com/"}},
    "host": {"httpRequest": {"url": "https:///path"}},
    "space in the host": {"httpRequest": {"url": "https://a b/"}},
    "port": {"httpRequest": {"url": "https://example.com:65536/"}},
    "long URL": {"httpRequest": {"url": "https://example.com/" + "x" * 2083}},
    "method": {"httpRequest": _HTTP | {"httpMethod": "CONNECT"}},
    "number of a method": {"httpRequest": _HTTP | {"http_method": 9}},
    "body of GET": {"httpRequest": _HTTP | {"httpMethod": "GET", "body": "aGk="}},
    "body of DELETE to App Engine": {
        "appEngineHttpRequest": {"httpMethod": "DELETE", "body": "aGk="}
    },
    "base64": {"httpRequest": _HTTP | {"body": "a b"}},
    "size": {"httpRequest": _HTTP | {"body": "A" * (4 << 20)}},
    "token to http": {
        "httpRequest": {"url": "http://example.com/", "oidcToken": {"serviceAccountEmail": "a@b"}}
    },
    "token without an email": {"httpRequest": _HTTP | {"oidcToken": {}}},
    "schedule": TASK | {"scheduleTime": _LATE},
    "form of the schedule": TASK | {"scheduleTime": "tomorrow"},
    "date": TASK | {"scheduleTime": "2026-02-30T00:00:00Z"},
    "year 0": TASK | {"scheduleTime": "0000-01-01T00:00:00Z"},
    "year 0 in UTC": TASK | {"scheduleTime": "0001-01-01T00:00:00+01:00"},
    "hour 24": TASK | {"scheduleTime": "2026-01-01T24:00:00Z"},
    "second 60": TASK | {"scheduleTime": "2026-01-01T00:00:60Z"},
    "infinity": TASK | {"scheduleTime": "infinity"},
    "number as a schedule": TASK | {"scheduleTime": 5},
    "list of headers": {"httpRequest": _HTTP | {"headers": ["a"]}},
    "text as headers": {"httpRequest": _HTTP | {"headers": "a: b"}},
    "number as a header": {"httpRequest": _HTTP | {"headers": {"a": "b", "c": 1}}},
    "null as a header": {"httpRequest": _HTTP | {"headers": {"a": None}}},
    "object as a header": {"httpRequest": _HTTP | {"headers": {"a": {}}}},
    "header of App Engine": {"appEngineHttpRequest": {"headers": {"a": True}}},
    "two payloads": {"httpRequest": _HTTP, "appEngineHttpRequest": {}},
    "two payloads in snake case": {"http_request": _HTTP, "app_engine_http_request": {}},
    "deadline": TASK | {"dispatchDeadline": "14.9s"},
    "deadline of App Engine": {"appEngineHttpRequest": {}, "dispatchDeadline": "86416s"},
    "form of the deadline": TASK | {"dispatch_deadline": "10m"},
    "name": TASK | {"name": "mine"},
    "id": TASK | {"name": f"{QUEUE}/tasks/a.b"},
    "long id": TASK | {"name": f"{QUEUE}/tasks/{'a' * 501}"},
    "queue of the name": TASK | {"name": f"{full('other')}/tasks/a"},
    "queue id of the name": TASK | {"name": f"{full('_')}/tasks/a"},
}
"""Tasks that break one rule each."""


def message_of_the_api(task, now):
    """Return the message with which CreateTask refuses a task."""
    request = types.CreateTaskRequest.pb()()
    try:
        protojson.parse({"task": task}, request)
        task_rules.parse(QUEUE, request.task, now, LIMITS.task)
    except errors.ServiceError as error:
        return error.message
    return None


async def test_the_functions_raise_the_errors_of_the_api(server, app):
    for rule, task in INVALID.items():
        expected = message_of_the_api(task, server.clock.now())
        refusal = app.refusal("create_task", parent=QUEUE, task=json.dumps(task))
        assert (refusal, expected is None) == (("TK003", expected), False), rule


VALID = [
    {"httpRequest": {"url": "HTTP://user:pass@[::1]:65535?q#f", "body": "aGk", "httpMethod": 0}},
    {"http_request": _HTTP | {"http_method": "GET", "headers": {"a": "b"}}, "name": None},
    {"httpRequest": _HTTP | {"body": "_-8=", "oauthToken": None}, "dispatchDeadline": "0s"},
    {"appEngineHttpRequest": {"relativeUri": "/x"}, "dispatchDeadline": "86415s"},
    TASK | {"scheduleTime": "2020-02-29T00:00:00.123456789+14:00", "createTime": None},
    TASK | {"retryConfig": {"maxAttempts": 3}, "dispatch_deadline": "15.000s"},
    TASK | {"scheduleTime": "2020-02-29T00:00:00+23:59"},
    TASK | {"scheduleTime": "2020-02-29T00:00:00-16:00"},
    TASK | {"scheduleTime": "0001-01-01T00:00:00Z"},
    {"httpRequest": _HTTP | {"headers": None}, "appEngineHttpRequest": None},
]


async def test_the_functions_refuse_nothing_that_the_api_accepts(server, app):
    for task in VALID:
        assert message_of_the_api(task, server.clock.now()) is None
        app.call("create_task", parent=QUEUE, task=json.dumps(task))
    await server.drain()
    assert len(await server.listed()) == len(VALID)


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        ("", errors.empty_resource("")),
        ("queues/q", errors.no_project("queues/q")),
        ("projects/_/locations/l/queues/q", errors.no_project("_")),
        ("projects/p/locations/_/queues/q", errors.no_location("_")),
        ("projects/p/locations/l/queues/_", errors.queue_id("_")),
        ("projects/p", errors.no_permission("cloudtasks.tasks.create", "projects/p")),
        (full("absent"), errors.queue_missing()),
    ],
)
async def test_a_queue_that_does_not_exist_is_refused(app, parent, expected):
    refusal = app.refusal("create_task", parent=parent, task=json.dumps(TASK))
    assert refusal == (f"TK{int(expected.code):03d}", expected.message)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (QUEUE, errors.no_permission("cloudtasks.tasks.delete", QUEUE)),
        (f"{QUEUE}/tasks/a.b", errors.task_id("a.b")),
        (f"{QUEUE}/tasks/absent", errors.entity_missing()),
        (f"{full('absent')}/tasks/a", errors.entity_missing()),
    ],
)
async def test_a_task_that_does_not_exist_cannot_be_deleted(app, name, expected):
    refusal = app.refusal("delete_task", name=name)
    assert refusal == (f"TK{int(expected.code):03d}", expected.message)


async def test_the_limits_are_those_of_the_servers(servers, connect):
    task = TaskLimits(task_size=1_000, schedule_horizon=HOUR, allow_http_tokens=True)
    server = await servers(limits=Limits(task=task))
    await server.queue()
    await server.drain()
    app = connect(autocommit=True)
    app.create(
        httpRequest={"url": "http://a/", "oidcToken": {"serviceAccountEmail": "a@example.com"}}
    )
    refusal = app.refusal(
        "create_task", parent=QUEUE, task=json.dumps(TASK | {"scheduleTime": _LATE})
    )
    assert refusal[1].endswith("Schedule time must be no more than 1h in the future.")
    refusal = app.refusal(
        "create_task",
        parent=QUEUE,
        task=json.dumps({"httpRequest": _HTTP | {"body": "A" * 1_400}}),
    )
    assert refusal == ("TK003", "Task size too large")


async def test_a_location_with_a_kms_key_is_refused(server, app):
    location = QUEUE.rpartition("/queues/")[0]
    await server.store.put_document(Document(KMS_KEY, location, b"key"))
    code, message = app.refusal("create_task", parent=QUEUE, task=json.dumps(TASK))
    assert code == "TK009"
    assert message.startswith("Tasks of a location with a KMS key cannot be created in SQL")


async def test_a_task_written_before_encryption_began_is_never_stored_in_plain_text(server, app):
    app.create()
    location = QUEUE.rpartition("/queues/")[0]
    await server.store.put_document(Document(KMS_KEY, location, b"a key that this server lacks"))
    await server.drain()
    (event,) = server.of(OutboxRefused)
    assert event.code == errors.FailedPrecondition.code
    assert await server.listed() == []


async def test_a_task_is_created_from_its_parts(server, app):
    when = datetime.datetime(2030, 1, 2, 3, 4, 5, 678900, datetime.UTC)
    with pytest.raises(psycopg.Error, match="too far in the future"):
        app.call("create_http_task", parent=QUEUE, url="http://a/", schedule_time=when)
    soon = datetime.datetime.fromtimestamp(server.clock.now() // SECOND + 3600, datetime.UTC)
    (name,) = app.call(
        "create_http_task", parent=QUEUE, url="https://a/", json_body='{"b": "ü"}',
        http_method="PUT",
        headers='{"X-A": "b"}', schedule_time=soon, task_id="mine", oidc_email="a@example.com",
    )  # fmt: skip
    (plain,) = app.call("create_http_task", parent=QUEUE, url="https://a/", body=b"\x00\xff" * 99)
    (typed,) = app.call(
        "create_http_task", parent=QUEUE, url="https://a/", json_body="1",
        headers='{"content-type": "text/x"}',
    )  # fmt: skip
    await server.drain()
    now = server.clock.now()
    task, binary, other = [
        task_rules.encode(await server.store.get_task(each, now), task_rules.FULL)
        for each in (name, plain, typed)
    ]
    assert task.http_request.body.decode() == '{"b": "ü"}'
    assert dict(task.http_request.headers).items() >= {
        ("X-A", "b"),
        ("Content-Type", "application/json"),
    }
    assert task.http_request.http_method == types.HttpMethod.PUT
    assert task.http_request.oidc_token.service_account_email == "a@example.com"
    assert task.schedule_time.ToDatetime(datetime.UTC) == soon
    assert binary.http_request.body == b"\x00\xff" * 99
    assert other.http_request.headers["content-type"] == "text/x"
    assert "Content-Type" not in other.http_request.headers


_INVALID_TIME = (
    "Invalid value at 'task.schedule_time' (type.googleapis.com/google.protobuf.Timestamp), "
)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"schedule_time": "infinity"}, f'{_INVALID_TIME}"infinity"'),
        ({"schedule_time": "-infinity"}, f'{_INVALID_TIME}"-infinity"'),
        ({"schedule_time": "0044-03-15 12:00+00 BC"}, f"{_INVALID_TIME}"),
        ({"schedule_time": "12026-01-01 00:00+00"}, f"{_INVALID_TIME}"),
        (
            {"body": b"a", "json_body": "1"},
            "create_http_task takes body or json_body, not both.",
        ),
        (
            {"headers": "[]", "json_body": "1"},
            "Invalid value at 'task.http_request.headers' (Map), []",
        ),
        (
            {"headers": '{"a": null}'},
            "Invalid value at 'task.http_request.headers[0].value' (TYPE_STRING), null",
        ),
    ],
)
async def test_parts_that_make_no_task_are_refused(app, parts, message):
    refusal = app.refusal("create_http_task", parent=QUEUE, url="https://a/", **parts)
    assert refusal[0] == "TK003"
    assert refusal[1].startswith(message)


async def test_tasks_that_no_server_has_drained_are_counted_and_not_left_out_of_an_export(
    server, app, url, tmp_path
):
    path = tmp_path / "tasks.jsonl"
    app.create()
    app.create()
    assert opening.inspect(url).counts["outboxEntries"] == 2
    with pytest.raises(StoreError) as refusal:
        jobs.export(url, str(path), [])
    assert str(refusal.value).endswith(
        ": transactions of programs have created or deleted 2 tasks that no server has taken from "
        "the outbox yet; start a server, for example drayman serve --role api, which delivers "
        "nothing and takes them within a second, then try again"
    )
    assert not list(tmp_path.iterdir())
    await server.drain()
    assert jobs.export(url, str(path), []) == "exported 1 queue, 2 tasks, 0 dead letters"


async def test_an_export_waits_for_a_server_that_is_alive(
    server, app, administrator, url, tmp_path
):
    administrator.execute("INSERT INTO server VALUES ('a', clock_timestamp() + interval '1 hour')")
    app.create()
    path = str(tmp_path / "tasks.jsonl")
    exporting = asyncio.ensure_future(asyncio.to_thread(jobs.export, url, path, []))
    reads = "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'idle'"
    while not exporting.done():
        cursor = await asyncio.to_thread(administrator.execute, reads)
        if cursor.fetchone() != (0,):
            break
    await server.drain()
    assert await exporting == "exported 1 queue, 1 task, 0 dead letters"


async def test_an_open_transaction_blocks_nothing(server, connect, administrator):
    app = connect()
    existing = f"{QUEUE}/tasks/there"
    task = types.Task.pb(types.Task(http_request={"url": "https://a/"}))
    now = server.clock.now()
    new = task_rules.parse(QUEUE, task, now, LIMITS.task)
    await server.store.create_tasks(QUEUE, [new._replace(id="there")], now)
    app.create("mine")
    app.delete(existing)
    store = server.store
    verbs = [
        lambda: store.create_tasks(QUEUE, [new, new._replace(id="mine")], now),
        lambda: store.claim_due("server", 10, {}, 10, now),
        lambda: store.delete_tasks([existing], now),
        lambda: store.sweep(now, 100),
        lambda: store.purge_queue(QUEUE, now),
        lambda: store.delete_queue(QUEUE, now),
    ]
    for verb in verbs:
        task = await done_or_blocked(verb(), administrator)
        assert task.done()
    app.connection.commit()
    await server.drain()
    assert [event.task for event in server.of(OutboxRefused)] == [f"{QUEUE}/tasks/mine"]


async def test_a_transaction_that_commits_late_is_drained_all_the_same(server, connect):
    late, others = connect(), connect(autocommit=True)
    name = late.create()
    for _ in range(3):  # the drain reads on behind it
        others.create()
        await server.drain()
    late.connection.commit()
    await server.drain()
    assert name in await server.listed()


async def test_an_entry_is_applied_once_by_several_servers(servers, connect):
    first, second = await servers(), await servers()
    await first.queue()
    app = connect(autocommit=True)
    names = [app.create() for _ in range(20)]
    app.create("named")
    await asyncio.gather(first.drain(), second.drain())
    assert sorted(await first.listed()) == sorted([*names, f"{QUEUE}/tasks/named"])
    assert not first.of(OutboxRefused) + second.of(OutboxRefused)


async def test_one_server_drains_and_another_what_it_leaves(servers, connect, administrator):
    first, second = await servers("a"), await servers("b")
    await first.queue()
    name = connect(autocommit=True).create()
    await second.drain()
    assert await second.listed() == []
    administrator.execute("UPDATE outbox SET create_time = create_time - interval '2 s'")
    await second.drain()
    assert await second.listed() == [name]


async def test_a_transaction_notifies_once_and_not_while_a_server_reads(
    server, connect, administrator
):
    app = connect()
    administrator.execute(f"LISTEN drayman_{app.schema}")
    for _ in range(3):
        app.create()
    app.connection.commit()
    payloads = [each.payload for each in administrator.notifies(timeout=0.1)]
    assert payloads == ["outbox"]
    await server.drain()
    app.create()
    app.connection.commit()
    assert list(administrator.notifies(timeout=0.1)) == []


def test_a_program_needs_the_functions_and_no_table(app):
    for statement in (
        "SELECT FROM {}.outbox", "SELECT FROM {}.task", "SELECT {}.outbox_refuse(3, 'no')",
    ):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.connection.execute(statement.format(app.schema))


def test_without_a_grant_nobody_creates_tasks(app, administrator):
    administrator.execute(f"REVOKE EXECUTE ON FUNCTION {app.schema}.create_task FROM app")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.create()


async def test_tables_and_paths_of_the_caller_are_not_used(server, app):
    app.connection.execute("CREATE TEMP TABLE queue AS SELECT 1 AS key")
    app.connection.execute("CREATE TEMP TABLE outbox AS SELECT 1 AS number")
    app.connection.execute("SET search_path TO pg_temp, public")
    name = app.create()
    await server.drain()
    assert await server.listed() == [name]


async def test_a_cancelled_call_leaves_no_lock_behind(app, administrator):
    space = f"hashtext('{app.schema}')"
    administrator.execute(f"SELECT pg_advisory_lock({space}, 2)")
    app.connection.execute("SET statement_timeout TO '50ms'")
    with pytest.raises(psycopg.errors.QueryCanceled):
        app.create()
    administrator.execute(f"SELECT pg_advisory_unlock({space}, 2)")
    app.connection.execute("SET statement_timeout TO '10s'")
    app.create()
    held = administrator.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    assert held.fetchone() == (0,)


async def test_reset_empties_the_outbox(server, app, administrator):
    app.create()
    await server.store.reset()
    assert administrator.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


async def test_a_purge_leaves_a_task_that_no_server_has_taken(server, app):
    name = app.create()
    await server.store.purge_queue(QUEUE, server.clock.now())
    await server.drain()
    assert await server.listed() == [name]

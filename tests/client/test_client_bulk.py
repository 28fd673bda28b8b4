"""create_tasks creates any number of tasks, in order, each with its own outcome."""

import threading

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import tasks_v2 as google_tasks
from google.longrunning import operations_pb2
from google.rpc import status_pb2
from recording import Failure
from samples import LOCATION, QUEUE

from drayman import tasks
from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import batches

NOT_FOUND = grpc.StatusCode.NOT_FOUND


class Server:
    """Creates tasks as a real server would; refuses those whose URL says so."""

    def __init__(self, *, knows_batches=True, finishes=True):
        self.knows_batches = knows_batches
        self.finishes = finishes
        self.batches = []
        self.singles = 0
        self.unavailable = 0
        self._operations = {}
        self._lock = threading.Lock()

    def __call__(self, method, body):
        with self._lock:
            return getattr(self, rpcs.BY_NAME[method].method)(body)

    def batch_create_tasks(self, body):
        if not self.knows_batches:
            return Failure(grpc.StatusCode.UNIMPLEMENTED, "no such method")
        if self.unavailable:
            self.unavailable -= 1
            return Failure(grpc.StatusCode.UNAVAILABLE, "later")
        request = google_tasks.BatchCreateTasksRequest.deserialize(body)
        assert {one.parent for one in request.requests} == {request.parent} == {QUEUE}
        self.batches.append(request)
        created = google_tasks.BatchCreateTasksResponse()
        metadata = google_tasks.BatchCreateTasksMetadata()
        for index, one in enumerate(request.requests):
            if "refuse" in one.task.http_request.url:
                metadata.failed_requests[index] = status_pb2.Status(code=5, message="refused")
            else:
                created.tasks.append({"name": one.task.http_request.url})
        operation = operations_pb2.Operation(name=f"{LOCATION}/operations/{request.request_id}")
        operation.metadata.Pack(google_tasks.BatchCreateTasksMetadata.pb(metadata))
        done = operations_pb2.Operation()
        done.CopyFrom(operation)
        done.done = True
        if created.tasks:
            done.response.Pack(google_tasks.BatchCreateTasksResponse.pb(created))
        else:
            done.error.CopyFrom(status_pb2.Status(code=10, message="see failed_requests"))
        self._operations[operation.name] = done
        return (done if self.finishes else operation).SerializeToString()

    def get_operation(self, body):
        name = operations_pb2.GetOperationRequest.FromString(body).name
        return self._operations[name].SerializeToString()

    def create_task(self, body):
        self.singles += 1
        task = google_tasks.CreateTaskRequest.deserialize(body).task
        if "refuse" in task.http_request.url:
            return Failure(NOT_FOUND, "refused")
        return google_tasks.Task.serialize(google_tasks.Task(name=task.http_request.url))


@pytest.fixture(params=["threads", "asyncio"])
async def create(request, recorder, monkeypatch):
    """Both forms of create_tasks, behind one signature."""
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", recorder.address)
    if request.param == "threads":
        with tasks.CloudTasksClient() as client:

            async def call(*arguments, **options):
                return client.create_tasks(*arguments, **options)

            yield call
    else:
        async with tasks.CloudTasksAsyncClient() as client:
            yield client.create_tasks


def named(count, refused=()):
    for index in range(count):
        yield tasks.http_task(f"https://refuse/{index}" if index in refused else f"u{index}")


def outcomes(created):
    return [one.task.name if one.task else type(one.error) for one in created]


@pytest.mark.parametrize("knows_batches", [True, False])
@pytest.mark.parametrize("count", [0, 1, 100, 101, 437])
async def test_tasks_are_created_in_order(create, recorder, knows_batches, count):
    server = recorder.script = Server(knows_batches=knows_batches)
    done = []
    created = await create(QUEUE, named(count), progress=done.append)
    assert outcomes(created) == [f"u{index}" for index in range(count)]
    assert done == sorted(set(done))
    assert done[-1:] == ([count] if count else [])
    if knows_batches:
        assert sorted((len(one.requests) for one in server.batches), reverse=True) == (
            [100] * (count // 100) + [count % 100] * bool(count % 100)
        )
        assert len({one.request_id for one in server.batches}) == len(server.batches)
        assert server.singles == 0
    else:
        assert server.singles == count


@pytest.mark.parametrize("finishes", [True, False], ids=["at once", "later"])
@pytest.mark.parametrize("knows_batches", [True, False])
async def test_each_task_has_its_own_error(create, recorder, knows_batches, finishes):
    recorder.script = Server(knows_batches=knows_batches, finishes=finishes)
    created = await create(QUEUE, named(150, refused={3, 99, 100}))
    expected = [f"u{index}" for index in range(150)]
    for index in (3, 99, 100):
        expected[index] = exceptions.NotFound
    assert outcomes(created) == expected
    assert created[0].result().name == "u0"
    with pytest.raises(exceptions.NotFound, match="refused"):
        created[3].result()


async def test_a_batch_of_which_nothing_was_created_still_names_each_error(create, recorder):
    recorder.script = Server()
    created = await create(QUEUE, named(3, refused={0, 1, 2}))
    assert [str(one.error) for one in created] == ["404 refused"] * 3


async def test_a_call_that_fails_is_the_error_of_its_tasks(create, recorder):
    recorder.script = lambda *_: Failure(grpc.StatusCode.PERMISSION_DENIED, "no")
    created = await create(QUEUE, named(120))
    assert outcomes(created) == [exceptions.PermissionDenied] * 120


async def test_a_batch_is_repeated_with_the_same_id(create, recorder):
    server = recorder.script = Server()
    server.unavailable = 1
    assert outcomes(await create(QUEUE, named(2))) == ["u0", "u1"]
    first, second = recorder.take()
    assert first.body == second.body


async def test_large_tasks_make_smaller_batches(create, recorder):
    server = recorder.script = Server()
    large = [{"http_request": {"url": f"u{i}", "body": b"x" * 1_000_000}} for i in range(7)]
    assert outcomes(await create(QUEUE, large)) == [f"u{i}" for i in range(7)]
    assert max(len(one.requests) for one in server.batches) == 3


def test_a_path_unknown_over_rest_is_no_missing_queue(rest_client, rest_recorder):
    unknown = (404, {"error": {"code": 404, "status": "NOT_FOUND", "message": "which path?"}})
    rest_recorder.answers.extend([unknown, (200, {"name": QUEUE}), (200, {"name": "a"})])
    assert outcomes(rest_client.create_tasks(QUEUE, named(1))) == ["a"]
    rest_recorder.answers.extend([unknown, unknown])
    assert outcomes(rest_client.create_tasks(QUEUE, named(1))) == [exceptions.NotFound]


async def test_no_more_than_so_many_are_under_way(create, recorder):
    server = Server(knows_batches=False)
    under_way, most, lock = 0, 0, threading.Lock()

    def count(method, body):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        answer = server(method, body)
        with lock:
            under_way -= 1
        return answer

    recorder.script = count
    await create(QUEUE, named(60), concurrency=1)
    assert 1 <= most <= 8


async def test_the_tasks_are_read_as_they_are_sent(recorder, monkeypatch):
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", recorder.address)
    recorder.script = Server()
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 1
            yield tasks.http_task(f"u{read}")

    with tasks.CloudTasksClient() as client:
        created = client.iter_create_tasks(QUEUE, endless(), concurrency=2)
        assert read == 0
        assert next(created).result().name == "u1"
        assert read <= 400
        created.close()


async def test_no_concurrency_is_refused(create):
    with pytest.raises(ValueError, match="concurrency must be 1 or more, but is 0"):
        await create(QUEUE, [], concurrency=0)


@pytest.mark.parametrize("knows_batches", [True, False])
async def test_what_is_no_task_is_an_error_of_its_own(create, recorder, knows_batches):
    recorder.script = Server(knows_batches=knows_batches)
    nonsense = [{"nonsense": 1}] * 150
    created = await create(QUEUE, [*nonsense, *named(2), "text"])
    assert outcomes(created) == [ValueError] * 150 + ["u0", "u1", TypeError]
    with pytest.raises(ValueError, match="Unknown field for Task: nonsense"):
        created[0].result()


def broken(count):
    yield from named(count)
    raise KeyError("row")


@pytest.mark.parametrize("knows_batches", [True, False])
@pytest.mark.parametrize("count", [0, 50, 450])
async def test_an_iterable_that_fails_loses_nothing(create, recorder, knows_batches, count):
    server = recorder.script = Server(knows_batches=knows_batches)
    with pytest.raises(KeyError, match="row") as caught:
        await create(QUEUE, broken(count))
    sent = server.singles + sum(len(one.requests) for one in server.batches)
    assert sent == count // 100 * 100
    assert outcomes(caught.value.creations) == [f"u{index}" for index in range(sent)]


def test_the_outcomes_come_before_the_iterables_failure(client, recorder):
    recorder.script = Server()
    created = client.iter_create_tasks(QUEUE, broken(400))
    assert [next(created).result().name for _ in range(400)] == [f"u{i}" for i in range(400)]
    with pytest.raises(KeyError):
        next(created)


async def test_a_callback_that_fails_loses_nothing(create, recorder):
    server = recorder.script = Server()

    def progress(_done):
        raise KeyError("screen")

    with pytest.raises(KeyError, match="screen") as caught:
        await create(QUEUE, named(1200), progress=progress)
    assert len(caught.value.creations) == sum(len(one.requests) for one in server.batches)


async def test_asyncio_reads_async_iterables_and_awaits_its_callback(recorder, monkeypatch):
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", recorder.address)
    recorder.script = Server()
    seen = []

    async def rows():
        for task in named(101):
            yield task

    async def progress(done):
        seen.append(done)

    async with tasks.CloudTasksAsyncClient() as client:
        created = await client.create_tasks(QUEUE, rows(), progress=progress)
    assert outcomes(created) == [f"u{index}" for index in range(101)]
    assert seen == [100, 101]


async def test_polls_are_made_like_the_batches(create, recorder):
    recorder.script = Server(finishes=False)
    await create(QUEUE, named(1), timeout=7, metadata=[("x-own", "1")])
    for one in recorder.take():
        assert one.metadata["x-own"] == "1"
        assert 3 < one.timeout < 8


def test_a_batch_takes_less_time_than_the_service_allows():
    assert batches.TIMEOUT < 30


def test_a_server_that_loses_count_does_not_make_up_names():
    response = tasks.BatchCreateTasksResponse(tasks=[{"name": "a"}])
    created = batches.results(2, tasks.BatchCreateTasksMetadata(), response)
    assert [type(one.error) for one in created] == [exceptions.Unknown] * 2

"""create_tasks creates any number of tasks and returns a result for each, in order."""

import threading

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import tasks_v2 as google_tasks
from google.longrunning import operations_pb2
from google.rpc import status_pb2
from recorders import Failure
from samples import LOCATION, QUEUE

from drayman import tasks
from drayman.tasks_v2 import rpcs
from drayman.tasks_v2.services.cloud_tasks import batches

NOT_FOUND = grpc.StatusCode.NOT_FOUND


class Server:
    """Creates tasks like a real server, and refuses those with "refuse" in their URL.

    Args:
        supports_batches: Whether BatchCreateTasks is implemented.
        done_at_once: Whether an operation is done when it is created, or at the first poll.
        loses_responses: Whether a batch is created and its response gets lost.
    """

    def __init__(self, *, supports_batches=True, done_at_once=True, loses_responses=False):
        self.supports_batches = supports_batches
        self.done_at_once = done_at_once
        self.loses_responses = loses_responses
        self.batches = []
        self.single_calls = 0
        self.unavailable_calls = 0
        self._operations = {}
        self._names = set()
        self._lock = threading.Lock()

    def __call__(self, method, body):
        with self._lock:
            return getattr(self, rpcs.BY_NAME[method].method)(body)

    def batch_create_tasks(self, body):
        if not self.supports_batches:
            return Failure(grpc.StatusCode.UNIMPLEMENTED, "no such method")
        if self.unavailable_calls:
            self.unavailable_calls -= 1
            return Failure(grpc.StatusCode.UNAVAILABLE, "later")
        request = google_tasks.BatchCreateTasksRequest.deserialize(body)
        assert {creation.parent for creation in request.requests} == {request.parent} == {QUEUE}
        name = f"{LOCATION}/operations/{request.request_id}"
        if name in self._operations:
            return Failure(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Duplicate operation id in the batch request: {request.request_id}",
            )
        names = [creation.task.name for creation in request.requests if creation.task.name]
        if len(names) > len(set(names)) or any("bad" in each for each in names):
            return Failure(grpc.StatusCode.INVALID_ARGUMENT, "a name is bad")
        self.batches.append(request)
        created = google_tasks.BatchCreateTasksResponse()
        metadata = google_tasks.BatchCreateTasksMetadata()
        for index, creation in enumerate(request.requests):
            if creation.task.name in self._names:
                metadata.failed_requests[index] = status_pb2.Status(code=6, message="exists")
            elif "refuse" in creation.task.http_request.url:
                metadata.failed_requests[index] = status_pb2.Status(code=5, message="refused")
            else:
                created.tasks.append({"name": creation.task.http_request.url})
                self._names |= {creation.task.name} - {""}
        operation = operations_pb2.Operation(name=name)
        operation.metadata.Pack(google_tasks.BatchCreateTasksMetadata.pb(metadata))
        done = operations_pb2.Operation()
        done.CopyFrom(operation)
        done.done = True
        if created.tasks:  # without any, an operation has neither response nor error (recorded)
            done.response.Pack(google_tasks.BatchCreateTasksResponse.pb(created))
        self._operations[operation.name] = done
        if self.loses_responses:
            return Failure(grpc.StatusCode.UNAVAILABLE, "the response is lost")
        return (done if self.done_at_once else operation).SerializeToString()

    def get_operation(self, body):
        name = operations_pb2.GetOperationRequest.FromString(body).name
        return self._operations[name].SerializeToString()

    def create_task(self, body):
        self.single_calls += 1
        task = google_tasks.CreateTaskRequest.deserialize(body).task
        if "refuse" in task.http_request.url:
            return Failure(NOT_FOUND, "refused")
        return google_tasks.Task.serialize(google_tasks.Task(name=task.http_request.url))


@pytest.fixture(params=["threads", "asyncio"])
def create(request, client, async_client):
    """The two forms of create_tasks with one signature."""

    async def create_in_threads(*arguments, **options):
        return client.create_tasks(*arguments, **options)

    return create_in_threads if request.param == "threads" else async_client.create_tasks


def new_tasks(count, refused=()):
    for index in range(count):
        yield tasks.http_task(f"https://refuse/{index}" if index in refused else f"u{index}")


def summary(creations):
    """The name of each created task, and the class of each error."""
    return [
        creation.task.name if creation.task else api_class(creation.error) for creation in creations
    ]


def api_class(error):
    """The class of google.api_core of which an error is an instance."""
    status = getattr(error, "grpc_status_code", None)
    return type(exceptions.from_grpc_status(status, "")) if status else type(error)


@pytest.mark.parametrize("supports_batches", [True, False])
@pytest.mark.parametrize("count", [0, 1, 100, 101, 437])
async def test_tasks_are_created_in_order(create, recorder, supports_batches, count):
    server = recorder.handler = Server(supports_batches=supports_batches)
    done = []
    created = await create(QUEUE, new_tasks(count), progress=done.append)
    assert summary(created) == [f"u{index}" for index in range(count)]
    assert done == sorted(set(done))
    assert done[-1:] == ([count] if count else [])
    if supports_batches:
        assert sorted((len(batch.requests) for batch in server.batches), reverse=True) == (
            [100] * (count // 100) + [count % 100] * bool(count % 100)
        )
        assert len({batch.request_id for batch in server.batches}) == len(server.batches)
        assert server.single_calls == 0
    else:
        assert server.single_calls == count


@pytest.mark.parametrize("done_at_once", [True, False], ids=["at once", "later"])
@pytest.mark.parametrize("supports_batches", [True, False])
async def test_each_task_has_its_own_error(create, recorder, supports_batches, done_at_once):
    recorder.handler = Server(supports_batches=supports_batches, done_at_once=done_at_once)
    created = await create(QUEUE, new_tasks(150, refused={3, 99, 100}))
    expected = [f"u{index}" for index in range(150)]
    for index in (3, 99, 100):
        expected[index] = exceptions.NotFound
    assert summary(created) == expected
    assert created[0].result().name == "u0"
    with pytest.raises(exceptions.NotFound, match="refused"):
        created[3].result()


async def test_a_batch_without_a_created_task_has_the_error_of_each(create, recorder):
    recorder.handler = Server()
    created = await create(QUEUE, new_tasks(3, refused={0, 1, 2}))
    assert [str(creation.error) for creation in created] == ["404 refused"] * 3


async def test_a_failed_call_is_the_error_of_each_of_its_tasks(create, recorder):
    recorder.handler = lambda *_: Failure(grpc.StatusCode.PERMISSION_DENIED, "no")
    created = await create(QUEUE, new_tasks(120))
    assert summary(created) == [exceptions.PermissionDenied] * 120


async def test_a_batch_is_retried_with_the_same_request_id(create, recorder):
    server = recorder.handler = Server()
    server.unavailable_calls = 1
    assert summary(await create(QUEUE, new_tasks(2))) == ["u0", "u1"]
    first, second = recorder.take()
    assert first.body == second.body


@pytest.mark.parametrize("done_at_once", [True, False], ids=["at once", "later"])
async def test_a_batch_whose_response_was_lost_is_read_from_its_operation(
    create, recorder, done_at_once
):
    server = recorder.handler = Server(done_at_once=done_at_once, loses_responses=True)
    created = await create(QUEUE, new_tasks(3, refused={1}))
    assert summary(created) == ["u0", exceptions.NotFound, "u2"]
    assert len(server.batches) == 1


async def test_a_name_that_refuses_a_batch_as_a_whole_is_the_error_of_its_task_alone(
    create, recorder
):
    recorder.handler = Server()
    new = [
        tasks.http_task(f"u{index}", name=f"{QUEUE}/tasks/{name}" if name else "")
        for index, name in enumerate(["a", "", "bad", "b", "a", ""])
    ]
    assert summary(await create(QUEUE, new)) == [
        "u0", "u1", exceptions.InvalidArgument, "u3", exceptions.AlreadyExists, "u5",
    ]  # fmt: skip


async def test_a_batch_without_names_is_refused_once(create, recorder):
    calls = []
    recorder.handler = lambda method, _: (
        calls.append(method) or Failure(grpc.StatusCode.INVALID_ARGUMENT, "no")
    )
    created = await create(QUEUE, new_tasks(3))
    assert summary(created) == [exceptions.InvalidArgument] * 3
    assert calls == ["BatchCreateTasks"]


async def test_large_tasks_are_sent_in_smaller_batches(create, recorder):
    server = recorder.handler = Server()
    large = [{"http_request": {"url": f"u{i}", "body": b"x" * 1_000_000}} for i in range(7)]
    assert summary(await create(QUEUE, large)) == [f"u{i}" for i in range(7)]
    assert max(len(batch.requests) for batch in server.batches) == 3


def test_over_rest_an_unknown_path_is_distinguished_from_a_missing_queue(
    rest_client, rest_recorder
):
    unknown = (404, {"error": {"code": 404, "status": "NOT_FOUND", "message": "which path?"}})
    rest_recorder.responses.extend([unknown, (200, {"name": QUEUE}), (200, {"name": "a"})])
    assert summary(rest_client.create_tasks(QUEUE, new_tasks(1))) == ["a"]
    rest_recorder.responses.extend([unknown, unknown])
    assert summary(rest_client.create_tasks(QUEUE, new_tasks(1))) == [exceptions.NotFound]


async def test_concurrency_limits_the_calls_in_flight(create, recorder):
    server = Server(supports_batches=False)
    in_flight, maximum, lock = 0, 0, threading.Lock()

    def count(method, body):
        nonlocal in_flight, maximum
        with lock:
            in_flight += 1
            maximum = max(maximum, in_flight)
        response = server(method, body)
        with lock:
            in_flight -= 1
        return response

    recorder.handler = count
    await create(QUEUE, new_tasks(60), concurrency=1)
    assert 1 <= maximum <= 8


def test_the_iterable_is_read_a_few_batches_ahead_of_the_results(client, recorder):
    recorder.handler = Server()
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 1
            yield tasks.http_task(f"u{read}")

    created = client.iter_create_tasks(QUEUE, endless(), concurrency=2)
    assert read == 0
    assert next(created).result().name == "u1"
    assert read <= 400
    created.close()


async def test_a_concurrency_of_zero_is_refused(create):
    with pytest.raises(ValueError, match="concurrency must be 1 or more, but is 0"):
        await create(QUEUE, [], concurrency=0)


@pytest.mark.parametrize("supports_batches", [True, False])
async def test_a_value_that_is_no_task_gets_its_own_error(create, recorder, supports_batches):
    recorder.handler = Server(supports_batches=supports_batches)
    invalid = [{"nonsense": 1}] * 150
    created = await create(QUEUE, [*invalid, *new_tasks(2), "text"])
    assert summary(created) == [ValueError] * 150 + ["u0", "u1", TypeError]
    with pytest.raises(ValueError, match="Unknown field for Task: nonsense"):
        created[0].result()


def failing_iterable(count):
    yield from new_tasks(count)
    raise KeyError("row")


@pytest.mark.parametrize("supports_batches", [True, False])
@pytest.mark.parametrize("count", [0, 50, 450])
async def test_an_error_of_the_iterable_keeps_the_results_of_sent_tasks(
    create, recorder, supports_batches, count
):
    server = recorder.handler = Server(supports_batches=supports_batches)
    with pytest.raises(KeyError, match="row") as caught:
        await create(QUEUE, failing_iterable(count))
    sent = server.single_calls + sum(len(batch.requests) for batch in server.batches)
    assert sent == count // 100 * 100
    assert summary(caught.value.creations) == [f"u{index}" for index in range(sent)]


def test_the_results_are_yielded_before_an_error_of_the_iterable(client, recorder):
    recorder.handler = Server()
    created = client.iter_create_tasks(QUEUE, failing_iterable(400))
    assert [next(created).result().name for _ in range(400)] == [f"u{i}" for i in range(400)]
    with pytest.raises(KeyError):
        next(created)


async def test_an_error_of_the_callback_keeps_the_results_of_sent_tasks(create, recorder):
    server = recorder.handler = Server()

    def progress(_done):
        raise KeyError("screen")

    with pytest.raises(KeyError, match="screen") as caught:
        await create(QUEUE, new_tasks(1200), progress=progress)
    assert len(caught.value.creations) == sum(len(batch.requests) for batch in server.batches)


async def test_asyncio_reads_async_iterables_and_awaits_its_callback(async_client, recorder):
    recorder.handler = Server()
    reported = []

    async def rows():
        for task in new_tasks(101):
            yield task

    async def progress(done):
        reported.append(done)

    created = await async_client.create_tasks(QUEUE, rows(), progress=progress)
    assert summary(created) == [f"u{index}" for index in range(101)]
    assert reported == [100, 101]


async def test_polls_have_the_options_of_the_batch(create, recorder):
    recorder.handler = Server(done_at_once=False)
    await create(QUEUE, new_tasks(1), timeout=7, metadata=[("x-own", "1")])
    for call in recorder.take():
        assert call.metadata["x-own"] == "1"
        assert 3 < call.timeout < 8


def test_the_timeout_of_a_batch_is_within_the_limit_of_the_service():
    assert batches.TIMEOUT < 30


def test_tasks_of_an_incomplete_response_get_an_error_instead_of_a_wrong_task():
    response = tasks.BatchCreateTasksResponse(tasks=[{"name": "a"}])
    created = batches.results(2, tasks.BatchCreateTasksMetadata(), response)
    assert [type(creation.error) for creation in created] == [exceptions.Unknown] * 2

"""Health and reflection over gRPC, as their standard clients see them."""

import grpc
import pytest
from google.cloud import tasks_v2
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from drayman.edge import health
from drayman.tasks_v2 import rpcs
from live import LiveServer

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = {
    "google.cloud.location.Locations",
    "google.cloud.tasks.v2.CloudTasks",
    "google.longrunning.Operations",
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
}


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.address) as channel:
        yield channel


def ask(channel, version="v1alpha", **request):
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    (answer,) = call(iter([reflection_pb2.ServerReflectionRequest(**request)]), timeout=20)
    return answer


@pytest.mark.parametrize("service", ["", rpcs.SERVICE, "google.longrunning.Operations"])
def test_a_running_server_is_serving(channel, service):
    stub = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service=service)
    assert stub.Check(request, timeout=20).status == SERVING


@pytest.mark.skipif(not health.HAS_LIST, reason="the installed grpcio-health-checking has no List")
def test_all_services_are_listed_with_their_health(channel):
    answer = health_pb2_grpc.HealthStub(channel).List(health_pb2.HealthListRequest(), timeout=20)
    assert {name: each.status for name, each in answer.statuses.items()} == dict.fromkeys(
        ["", rpcs.SERVICE, "google.longrunning.Operations", "google.cloud.location.Locations"],
        SERVING,
    )


def test_an_unknown_service_is_not_found(channel):
    with pytest.raises(grpc.RpcError) as caught:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="x"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_watch_ends_with_the_server_and_does_not_delay_its_stop():
    live = LiveServer()
    with grpc.insecure_channel(live.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == SERVING
        unknown = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service="x")
        )
        assert next(unknown).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        stopping = live.begin(live.server.stop())
        assert [each.status for each in watch] == [NOT_SERVING]
        stopping.result(30)
    live.stop()


def test_a_server_whose_store_cannot_be_written_is_not_serving():
    live = LiveServer()
    with grpc.insecure_channel(live.address) as channel:
        live.run(live.store.close())
        request = health_pb2.HealthCheckRequest()
        assert health_pb2_grpc.HealthStub(channel).Check(request, timeout=20).status == NOT_SERVING
    live.stop()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_services_are_listed_under_googles_names(channel, version):
    answer = ask(channel, version, list_services="")
    assert {each.name for each in answer.list_services_response.service} == SERVICES


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_each_service_is_described_in_full(channel, service):
    answer = ask(channel, file_containing_symbol=service)
    pool = descriptor_pool.DescriptorPool()
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(text)
        for text in answer.file_descriptor_response.file_descriptor_proto
    ]
    remaining = list(files)
    while remaining:
        ready = [
            file
            for file in remaining
            if not {each.name for each in remaining} & set(file.dependency)
        ]
        for file in ready:
            pool.Add(file)
            remaining.remove(file)
    descriptor = pool.FindServiceByName(service)
    assert descriptor.methods
    assert not any("drayman" in file.name + file.package for file in files)


def test_our_service_is_described_as_google_has_it(channel):
    answer = ask(channel, file_containing_symbol=rpcs.SERVICE)
    files = answer.file_descriptor_response.file_descriptor_proto
    parsed = [descriptor_pb2.FileDescriptorProto.FromString(text) for text in files]
    (service,) = [each for file in parsed for each in file.service if each.name == "CloudTasks"]
    assert {method.name for method in service.method} == {rpc.name for rpc in rpcs.RPCS}
    create = next(method for method in service.method if method.name == "CreateTask")
    assert create.input_type == ".google.cloud.tasks.v2.CreateTaskRequest"
    assert create.output_type == ".google.cloud.tasks.v2.Task"
    for symbol in ("google.cloud.tasks.v2.Task", "google.cloud.tasks.v2.Queue.State"):
        assert ask(channel, file_containing_symbol=symbol).HasField("file_descriptor_response")


def files_of(channel, symbol):
    answer = ask(channel, file_containing_symbol=symbol)
    files = answer.file_descriptor_response.file_descriptor_proto
    return [descriptor_pb2.FileDescriptorProto.FromString(text) for text in files]


def json_names(prefix, messages):
    """Return the JSON name of every field below, by the field's full name."""
    names = {}
    for message in messages:
        full_name = f"{prefix}.{message.name}"
        names |= {f"{full_name}.{field.name}": field.json_name for field in message.field}
        names |= json_names(full_name, message.nested_type)
    return names


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_field_is_described_with_its_json_name(channel, service):
    for file in files_of(channel, service):
        names = json_names(file.package, file.message_type)
        assert all(names.values()), file.name


def test_json_names_are_googles(channel):
    described = {}
    for file in files_of(channel, rpcs.SERVICE):
        described |= json_names(file.package, file.message_type)
    googles = [getattr(tasks_v2, name) for name in tasks_v2.__all__]
    messages = [each.pb().DESCRIPTOR for each in googles if hasattr(each, "pb")]
    expected = {
        field.full_name: field.json_name for message in messages for field in message.fields
    }
    assert expected.items() <= described.items()
    assert described["google.cloud.tasks.v2.Queue.rate_limits"] == "rateLimits"


@pytest.mark.parametrize(
    "request_", [{"file_containing_symbol": "x.y"}, {"file_by_filename": "x"},
                 {"file_containing_symbol": ""}, {"file_containing_symbol": "é" * 99},
                 {"all_extension_numbers_of_type": "x"},
                 {"file_containing_extension": {"containing_type": "x", "extension_number": -1}}]
)  # fmt: skip
def test_unknown_symbols_are_not_found(channel, request_):
    assert ask(channel, **request_).error_response.error_code == 5

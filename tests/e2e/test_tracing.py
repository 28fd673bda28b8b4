"""A trace from a caller over a task to its handler, by the SDK of OpenTelemetry."""

import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from drayman import observe
from drayman.core.clock import MINUTE
from drayman.core.events import AttemptEnded, TasksCreated
from drayman.observe.tracing import Tracing
from drayman.server import StartError
from drayman.settings import SettingsError
from live import LiveServer, Worker

LOCATION = "projects/p/locations/l"
QUEUE = f"{LOCATION}/queues/q"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTEXT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=x"}
SERVICE = "google.cloud.tasks.v2.CloudTasks"


class Traced:
    """A server with tracing, its queue, and the spans that have ended."""

    def __init__(self):
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampling.DEFAULT_ON, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.live = LiveServer(tracer=Tracing(provider))
        self.client = self.live.client()
        self.client.create_queue(parent=LOCATION, queue={"name": QUEUE})

    def create(self, url, headers=None, context=None):
        task = {"http_request": {"url": url, "headers": headers or {}}}
        metadata = tuple((CONTEXT if context is None else context).items())
        return self.client.create_task(parent=QUEUE, task=task, metadata=metadata)

    def spans(self, name):
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    def span(self, name):
        (span,) = self.spans(name)
        return span

    def stop(self):
        self.client.transport.close()
        self.live.stop()


@pytest.fixture
def traced():
    traced = Traced()
    yield traced
    traced.stop()


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.stop()


def ids(context):
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def received(delivery):
    """Return the trace and the parent that a handler received."""
    _, trace, parent, _ = delivery.headers["traceparent"].split("-")
    return trace, parent


def test_a_trace_leads_from_the_caller_over_the_call_and_each_attempt_to_the_handler(
    traced, worker
):
    worker.answers.put(503)
    task = traced.create(worker.url)
    first = worker.next()
    traced.live.next_event(AttemptEnded)
    traced.live.advance(MINUTE)
    second = worker.next()
    traced.live.next_event(AttemptEnded)
    call, attempts = traced.span(f"{SERVICE}/CreateTask"), traced.spans("deliver q")
    assert call.kind is SpanKind.SERVER
    assert ids(call.parent) == (TRACE, PARENT)
    assert [each.kind for each in attempts] == [SpanKind.CLIENT] * 2
    assert [ids(each.parent) for each in attempts] == [ids(call.context)] * 2
    assert [received(first), received(second)] == [ids(each.context) for each in attempts]
    assert second.headers["tracestate"] == "vendor=x"
    assert call.attributes == {
        "rpc.method": f"{SERVICE}/CreateTask",
        "rpc.system.name": "grpc",
        "rpc.response.status_code": "OK",
    }
    failed, completed = attempts
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes["error.type"] == "503"
    assert completed.status.status_code is StatusCode.UNSET
    assert completed.attributes == {
        "messaging.system": "drayman",
        "messaging.operation.name": "deliver",
        "messaging.operation.type": "process",
        "messaging.destination.name": QUEUE,
        "messaging.message.id": task.name.rpartition("/")[2],
        "http.request.method": "POST",
        "http.request.resend_count": 1,
        "http.response.status_code": 200,
        "url.full": worker.url,
    }


def test_a_task_that_brings_a_trace_of_its_own_continues_that_one(traced, worker):
    traced.create(worker.url, {"TraceParent": f"00-{'1' * 32}-{'2' * 16}-01"})
    delivery = worker.next()
    traced.live.next_event(AttemptEnded)
    attempt = traced.span("deliver q")
    assert ids(attempt.parent) == ("1" * 32, "2" * 16)
    assert [name for name in delivery.headers if name.lower() == "traceparent"] == ["traceparent"]
    assert received(delivery) == ids(attempt.context)


def test_a_trace_begins_at_a_call_that_has_none(traced, worker):
    traced.create(worker.url, context={})
    trace, _ = received(worker.next())
    traced.live.next_event(AttemptEnded)
    call = traced.span(f"{SERVICE}/CreateTask")
    assert call.parent is None
    assert ids(call.context)[0] == trace


def test_batches_and_buffered_tasks_are_traced_as_well(traced, worker):
    traced.create(worker.url)
    host, port = worker.url.removeprefix("http://").split(":")
    override = {"scheme": "HTTP", "host": host, "port": port}
    body = {"httpTarget": {"uriOverride": override}}
    traced.live.request("PATCH", f"/v2/{QUEUE}?updateMask=httpTarget", body)
    assert traced.live.request("POST", f"/v2/{QUEUE}/tasks:buffer", b"x")[0] == 200
    items = {"requests": [{"parent": QUEUE, "task": {"httpRequest": {"url": worker.url}}}] * 2}
    assert traced.live.request("POST", f"/v2/{QUEUE}/tasks:batchCreate", items)[0] == 200
    for _ in range(4):
        traced.live.next_event(AttemptEnded)
    names = ["CreateTask", "BufferTask", "BatchCreateTasks", "BatchCreateTasks"]
    calls = [ids(traced.span(f"{SERVICE}/{name}").context) for name in names]
    assert sorted(ids(each.parent) for each in traced.spans("deliver q")) == sorted(calls)


def test_a_call_that_fails_has_its_code_and_is_an_error_if_the_server_is_at_fault(traced):
    assert traced.live.request("GET", f"/v2/{QUEUE}x")[0] == 404
    span = traced.span(f"{SERVICE}/GetQueue")
    assert span.attributes == {
        "rpc.method": f"{SERVICE}/GetQueue",
        "rpc.response.status_code": "NOT_FOUND",
    }
    assert span.status.status_code is StatusCode.UNSET


def test_an_attempt_without_a_response_says_why(traced):
    traced.create("http://127.0.0.1:1/")
    traced.live.next_event(AttemptEnded)
    span = traced.span("deliver q")
    assert span.attributes["error.type"] == "connection"
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description


def test_what_the_caller_does_not_sample_is_not_sampled(traced, worker):
    traced.create(worker.url, context={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert worker.next().headers["traceparent"].endswith("-00")
    traced.live.next_event(AttemptEnded)
    assert traced.spans(f"{SERVICE}/CreateTask") == traced.spans("deliver q") == []


def test_tracing_is_off_by_default(worker):
    live = LiveServer()
    client = live.client()
    client.create_queue(parent=LOCATION, queue={"name": QUEUE})
    task = {"http_request": {"url": worker.url}}
    client.create_task(parent=QUEUE, task=task, metadata=tuple(CONTEXT.items()))
    delivery = worker.next()
    assert not {name.lower() for name in delivery.headers} & set(CONTEXT)
    created = live.next_event(TasksCreated).results[0]
    assert b"traceparent" not in created.request
    live.next_event(AttemptEnded)
    client.transport.close()
    live.stop()


def test_spans_are_exported_as_the_variables_of_opentelemetry_say(worker, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", worker.url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "orders")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=here")
    live = LiveServer(tracing="true")
    live.request("GET", f"/v2/{QUEUE}")
    live.stop()
    export = worker.next()
    assert export.path == "/v1/traces"
    assert b"GetQueue" in export.body
    assert b"orders" in export.body
    assert b"telemetry.sdk.name" in export.body
    assert b"deployment.environment.name" in export.body


def test_without_the_extra_the_start_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "drayman.observe.tracing")
    monkeypatch.delattr(observe, "tracing")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises((SettingsError, StartError), match=r"drayman\[server,tracing\]"):
        LiveServer(tracing="true")

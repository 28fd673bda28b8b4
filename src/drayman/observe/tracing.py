"""Tracing by OpenTelemetry: the span of each call, and of each attempt of a task.

Attributes follow the semantic conventions of RPC, HTTP and messaging. Trace contexts are those of
W3C whatever ``OTEL_PROPAGATORS`` says, because they are stored with tasks.
"""

import contextlib
import contextvars
from collections.abc import Iterator, Mapping

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import drayman
from drayman.core import names
from drayman.core.delivery import NoResponse, Request, Response
from drayman.core.errors import ServiceError
from drayman.core.lifecycle import Claim
from drayman.core.status import Code
from drayman.core.tracing import FIELDS

_W3C = TraceContextTextMapPropagator()
_SERVER_FAULTS = frozenset(
    {
        Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.UNIMPLEMENTED, Code.INTERNAL, Code.UNAVAILABLE,
        Code.DATA_LOSS,
    }
)  # fmt: skip
"""The codes by which the span of a call is an error (semantic conventions of gRPC servers)."""
_GRPC = b"application/grpc"
_CLIENT_ERROR = 400
_current: contextvars.ContextVar[Span | None] = contextvars.ContextVar("span", default=None)


def start() -> "Tracing":
    """Return what makes spans and exports them over OTLP, as the variables ``OTEL_…`` say."""
    resource = Resource.create({SERVICE_NAME: "drayman", SERVICE_VERSION: drayman.__version__})
    spans = TracerProvider(resource=resource.merge(OTELResourceDetector().detect()))
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(spans)


class AttemptSpan:
    """The span of an attempt; implements ``core.tracing.AttemptSpan``."""

    def __init__(self, span: Span, request: Request) -> None:
        self._span = span
        self.request = request

    def record(self, result: Response | NoResponse) -> None:
        """Record how the attempt ended."""
        if isinstance(result, NoResponse):
            self._span.set_attribute("error.type", result.failure.value)
            self._span.set_status(Status(StatusCode.ERROR, result.reason))
            return
        self._span.set_attribute("http.response.status_code", result.status)
        if result.status >= _CLIENT_ERROR:
            self._span.set_attribute("error.type", str(result.status))
            self._span.set_status(Status(StatusCode.ERROR))


class Tracing:
    """Makes spans; implements ``core.tracing.Tracing``."""

    def __init__(self, spans: TracerProvider) -> None:
        self._provider = spans
        self._tracer = spans.get_tracer("drayman", drayman.__version__)

    @contextlib.contextmanager
    def call(self, method: str, fields: Mapping[bytes, bytes]) -> Iterator[None]:
        """Make the span of a call."""
        carrier = {
            name: fields[name.encode()].decode("latin-1")
            for name in FIELDS
            if name.encode() in fields
        }
        method = "/".join(method.rsplit(".", 1))
        span = self._tracer.start_span(
            method, _W3C.extract(carrier, Context()), SpanKind.SERVER, _of_call(method, fields)
        )
        token = _current.set(span)
        try:
            yield
            span.set_attribute("rpc.response.status_code", Code.OK.name)
        except ServiceError as error:
            _record_error(span, error.code)
            raise
        finally:
            _current.reset(token)
            span.end()

    def headers(self) -> Mapping[str, str]:
        """Return the trace context of the present call as headers."""
        span = _current.get()
        return {} if span is None else _inject(span)

    @contextlib.contextmanager
    def attempt(self, claim: Claim, request: Request, address: str) -> Iterator[AttemptSpan]:
        """Make the span of an attempt."""
        carrier, others = _split(request.headers)
        span = self._tracer.start_span(
            f"deliver {names.short_id(claim.queue.name)}",
            _W3C.extract(carrier, Context()),
            SpanKind.CLIENT,
            _of_attempt(claim, address),
        )
        try:
            yield AttemptSpan(span, request._replace(headers=others | _inject(span)))
        finally:
            span.end()

    def close(self) -> None:
        """Export what has not been exported."""
        self._provider.shutdown()


def _of_call(method: str, fields: Mapping[bytes, bytes]) -> dict[str, str]:
    grpc = fields.get(b"content-type", b"").startswith(_GRPC)
    return {"rpc.method": method} | ({"rpc.system.name": "grpc"} if grpc else {})


def _of_attempt(claim: Claim, address: str) -> dict[str, str | int]:
    method, _, url = address.partition(" ")
    queue, _, task_id = claim.task.name.rpartition("/tasks/")
    return {
        "messaging.system": "drayman",
        "messaging.operation.name": "deliver",
        "messaging.operation.type": "process",
        "messaging.destination.name": queue,
        "messaging.message.id": task_id,
        "http.request.method": method,
        "http.request.resend_count": claim.task.dispatch_count - 1,
        "url.full": url,
    }


def _record_error(span: Span, code: Code) -> None:
    span.set_attribute("rpc.response.status_code", code.name)
    if code in _SERVER_FAULTS:
        span.set_attribute("error.type", code.name)
        span.set_status(Status(StatusCode.ERROR))


def _inject(span: Span) -> dict[str, str]:
    headers: dict[str, str] = {}
    _W3C.inject(headers, set_span_in_context(span, Context()))
    return headers


def _split(headers: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the trace context among headers, with names in lower case, and the other headers."""
    context = {name.lower(): value for name, value in headers.items() if name.lower() in FIELDS}
    return context, {name: v for name, v in headers.items() if name.lower() not in FIELDS}

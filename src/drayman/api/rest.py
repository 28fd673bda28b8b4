"""The REST door: a loop over the table of calls, as the gRPC door is.

A route is a row's verb and path; the request is put together from body, query and path (in this
order, so that the path wins), the answer is the response's JSON.
"""

import dataclasses
import json
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from google.protobuf import empty_pb2

from drayman.api import buffer, calls
from drayman.api.context import Context
from drayman.core import errors
from drayman.core.errors import ServiceError
from drayman.core.status import HTTP_STATUS
from drayman.tasks_v2 import rpcs
from drayman.wire import details, field_selection, protojson

VERSION = "/v2/"

_SYSTEM = re.compile(
    r"\$?(alt|callback|fields|key|prettyPrint|quotaUser|userProject|req)|\$\.xgafv|"
    r"access_token|oauth_token|uploadType|upload_protocol|"
    r"\$(apiKey|ct|httpMethod|httpHeaders|outputDefaults|unique)"
)
"""Query parameters of every call (discovery document), which are no fields of a request."""


@dataclasses.dataclass(frozen=True, slots=True)
class RestRequest:
    """An HTTP request.

    Attributes:
        verb: The HTTP method.
        path: The path as it was sent, percent signs included.
        query: The query as it was sent.
        body: The body.
        content_type: What the body is said to be.
        method_override: The method meant, from a caller that cannot send it; empty if none.
    """

    verb: str
    path: str
    query: str
    body: bytes
    content_type: str = ""
    method_override: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class RestResponse:
    """The answer to an HTTP request.

    Attributes:
        status: The HTTP status.
        body: The body, JSON.
    """

    status: int
    body: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class _Route:
    rpc: rpcs.Rpc
    pattern: re.Pattern[str]
    field: str
    request: Any


@dataclasses.dataclass(frozen=True, slots=True)
class _Style:
    """What the system parameters of a request ask of the answer."""

    integers: bool = False
    pretty: bool = True
    fields: field_selection.Selection = dataclasses.field(default_factory=dict)


def _route(rpc: rpcs.Rpc) -> _Route:
    before, field, pattern, after = re.fullmatch(  # type: ignore[union-attr]
        r"(.*)\{([\w.]+)=([^}]+)\}(.*)", rpc.path
    ).groups()
    *parents, last = (re.escape(part).replace(r"\*", "[^/]+") for part in pattern.split("/"))
    if not after.startswith("/"):  # the path ends here, or with a verb (":pause")
        last = last.replace("[^/]+", "[^/:]+")
    segments = "/".join([*parents, last])
    regex = re.compile(f"{re.escape(before)}({segments}){re.escape(after)}")
    return _Route(rpc, regex, field, calls.message_class(rpc.request))


_ROUTES = [_route(rpc) for rpc in rpcs.SERVED if rpc.name in calls.HANDLERS]


async def answer(context: Context, request: RestRequest) -> RestResponse:
    """Answer a request below ``/v2/``."""
    style = _Style()
    try:
        parameters = _parameters(request.query)
        request = dataclasses.replace(request, verb=_verb(request, parameters))
        style = _style(parameters)
        value = await _answer(context, request, parameters, style)
        return RestResponse(200, _text(field_selection.apply(style.fields, value), style))
    except ServiceError as error:
        return error_response(error, pretty=style.pretty)


async def _answer(
    context: Context, request: RestRequest, parameters: Mapping[str, list[str]], style: _Style
) -> Any:
    match = buffer.PATH.fullmatch(request.path.removeprefix(VERSION))
    if match and request.verb in buffer.VERBS:
        buffering = _buffer(context, match, request, parameters, style)
        return await calls.guard(context, "BufferTask", buffering)
    route, name = _find(request)
    calling = _call(context, route, name, parameters, request.body, style)
    return await calls.guard(context, route.rpc.name, calling)


async def _call(
    context: Context,
    route: _Route,
    name: str,
    parameters: Mapping[str, list[str]],
    body: bytes,
    style: _Style,
) -> Any:
    message = _message(route, name, parameters, body)
    response = await calls.call(context, route.rpc, message)
    return protojson.render(response, integers=style.integers)


async def _buffer(
    context: Context,
    match: re.Match[str],
    request: RestRequest,
    parameters: Mapping[str, list[str]],
    style: _Style,
) -> dict[str, Any]:
    protojson.query(parameters, empty_pb2.Empty.DESCRIPTOR)  # it has none of its own
    queue, task_id = _decoded(match[1]), _decoded(match[2] or "")
    task = await buffer.buffer_task(context, queue, task_id, request.body, request.content_type)
    return {"task": protojson.render(task, integers=style.integers)}


def error_response(error: ServiceError, *, pretty: bool = True) -> RestResponse:
    """Return the answer that an error makes."""
    status = HTTP_STATUS[error.code]
    content = {"code": status, "message": error.message, "status": error.code.name}
    if error.details:
        content["details"] = protojson.render(details.status(error))["details"]
    return RestResponse(status, _text({"error": content}, _Style(pretty=pretty)))


def _find(request: RestRequest) -> tuple[_Route, str]:
    path = request.path.removeprefix(VERSION)
    for route in _ROUTES:
        if route.rpc.verb == request.verb and (match := route.pattern.fullmatch(path)):
            return route, _decoded(match[1])
    raise errors.NotFound(f"No call has the method {request.verb} and the path {request.path}.")


def _message(route: _Route, name: str, parameters: Mapping[str, list[str]], body: bytes) -> Any:
    message, part = route.request(), route.rpc.body
    if part is not None:
        target = message if part == "*" else getattr(message, part)
        value = protojson.decode(body)
        if part != "*":
            target.SetInParent()
        protojson.parse(value, target, "" if part == "*" else part)
    if parameters:
        protojson.parse(protojson.query(parameters, message.DESCRIPTOR), message)
    target = message
    *parents, last = route.field.split(".")
    for parent in parents:
        target = getattr(target, parent)
    setattr(target, last, name)
    return message


def _parameters(query: str) -> dict[str, list[str]]:
    try:
        pairs = urllib.parse.parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=1000
        )
    except ValueError:
        raise errors.InvalidArgument("The query is malformed.") from None
    parameters: dict[str, list[str]] = {}
    for key, value in pairs:
        parameters.setdefault(key, []).append(value)
    return parameters


def _verb(request: RestRequest, parameters: Mapping[str, list[str]]) -> str:
    """Return the method that is meant: a POST may name another one.

    It does so in the header ``X-HTTP-Method-Override`` or, if that is absent, in Google's system
    parameter ``$httpMethod``. Other methods ignore both: a GET never changes anything.
    """
    if request.verb != "POST":
        return request.verb
    override = request.method_override or parameters.get("$httpMethod", [""])[-1]
    return override.upper() or request.verb


def _style(parameters: dict[str, list[str]]) -> _Style:
    """Return what the system parameters ask for, and take them out."""
    system = {key: parameters.pop(key)[-1] for key in list(parameters) if _SYSTEM.fullmatch(key)}
    alt, *options = (system.get("$alt") or system.get("alt") or "json").split(";")
    if alt != "json":
        raise errors.field_error(
            "alt", f'Unsupported "alt": "{alt[:100]}". Only json is supported.'
        )
    pretty = system.get("$prettyPrint", system.get("prettyPrint", "true"))
    fields = system.get("$fields", system.get("fields", ""))
    return _Style(
        integers="enum-encoding=int" in options,
        pretty=pretty.lower() not in {"false", "0"},
        fields=field_selection.parse(fields) if fields else {},
    )


def _decoded(name: str) -> str:
    try:
        return urllib.parse.unquote(name, errors="strict")
    except UnicodeDecodeError:
        raise errors.InvalidArgument("The path is not UTF-8.") from None


def _text(value: Any, style: _Style) -> bytes:
    if style.pretty:
        return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

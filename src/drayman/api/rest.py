"""REST below ``/v2/``: a route for each row of the table of calls.

A route is a row's HTTP method and path. The request message is merged from body, query and path, in
this order, so that the path takes precedence; the response is the response message as JSON.
"""

import dataclasses
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from google.protobuf import empty_pb2

from drayman.access.caller import Caller
from drayman.access.control import API_KEY
from drayman.api import buffer, calls, permissions, request_body
from drayman.api.context import Context
from drayman.api.responses import Response, encode, error_response
from drayman.core import errors
from drayman.core.errors import ServiceError
from drayman.tasks_v2 import rpcs
from drayman.wire import field_selection, json_writer, protojson

VERSION = "/v2/"

_SYSTEM = re.compile(
    r"\$?(alt|callback|fields|key|prettyPrint|quotaUser|userProject|req)|\$\.xgafv|"
    r"access_token|oauth_token|uploadType|upload_protocol|"
    r"\$(apiKey|ct|httpMethod|httpHeaders|outputDefaults|unique)"
)
"""Query parameters that every call takes and that are not fields of its request (discovery)."""


@dataclasses.dataclass(frozen=True, slots=True)
class RestRequest:
    """An HTTP request.

    Attributes:
        method: The HTTP method.
        path: The path as it was sent, percent signs included.
        query: The query as it was sent.
        body: The body, decompressed.
        content_type: The value of ``Content-Type``, empty if there is none.
        method_override: The value of ``X-HTTP-Method-Override``, empty if there is none.
        fields: All header fields, by their names in lower case.
    """

    method: str
    path: str
    query: str
    body: bytes
    content_type: str = ""
    method_override: str = ""
    fields: Mapping[bytes, bytes] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class _Route:
    """A route.

    Attributes:
        rpc: Its row of the table of calls.
        pattern: Matches a path below ``VERSION``; its group is the resource name.
        field: The path of the request's field that the resource name belongs to.
        request_class: The protobuf class of the request.
    """

    rpc: rpcs.Rpc
    pattern: re.Pattern[str]
    field: str
    request_class: Any


@dataclasses.dataclass(frozen=True, slots=True)
class _Format:
    """The form of a response, from the system parameters of its request.

    Attributes:
        integers: Whether enums are numbers.
        pretty: Whether the JSON has line breaks and indentation.
        fields: The fields to keep; empty for all.
    """

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


_EXPANSION = 2
"""How much larger a response is as JSON, with the values it is made of, than as protobuf."""
_ROUTES = [_route(rpc) for rpc in rpcs.SERVED if rpc.name in calls.HANDLERS]


async def handle(context: Context, request: RestRequest) -> Response:
    """Return the response to a request below ``/v2/``."""
    format_ = _Format()
    try:
        parameters = _parse_query(request.query)
        request = dataclasses.replace(
            request,
            method=_effective_method(request, parameters),
            fields=with_api_key(request.fields, parameters.get("key", [""])[-1]),
        )
        format_ = _pop_format(parameters)
        return Response(200, await _dispatch(context, request, parameters, format_))
    except ServiceError as error:
        return error_response(error, pretty=format_.pretty)


async def _dispatch(
    context: Context, request: RestRequest, parameters: Mapping[str, list[str]], format_: _Format
) -> bytes:
    """Return the body of the response."""
    match = buffer.PATH.fullmatch(request.path.removeprefix(VERSION))
    if match and request.method in buffer.METHODS:
        return await calls.guard(
            context, "BufferTask", request.fields,
            _buffer, context, match, request, parameters, format_,
        )  # fmt: skip
    route, name = _match_route(request)
    return await calls.guard(
        context, route.rpc.name, request.fields,
        _call, context, route, name, parameters, request.body, format_,
    )  # fmt: skip


async def _call(
    caller: Caller | None,
    context: Context,
    route: _Route,
    name: str,
    parameters: Mapping[str, list[str]],
    body: bytes,
    format_: _Format,
) -> bytes:
    size, rpc = len(body), route.rpc
    request_body.check_size(size, calls.request_size(rpc))
    calls.check_task_size(context, rpc, size)
    message = await context.offload.run(size, _message, route, name, parameters, body)
    async with calls.admit_response(context, rpc, _EXPANSION):
        response = await calls.handle(caller, context, rpc, message)
        return await context.offload.run(response.ByteSize(), _encode_message, response, format_)


async def _buffer(
    caller: Caller | None,
    context: Context,
    match: re.Match[str],
    request: RestRequest,
    parameters: Mapping[str, list[str]],
    format_: _Format,
) -> bytes:
    protojson.parse_query(parameters, empty_pb2.Empty())  # BufferTask has none of its own
    queue, task_id = _unquote(match[1]), _unquote(match[2] or "")
    await permissions.require(context.access, caller, permissions.CREATE_TASK, queue)
    task = await buffer.buffer_task(context, queue, task_id, request.body, request.content_type)
    return _encode({"task": json_writer.render(task, integers=format_.integers)}, format_)


def _encode_message(message: Any, format_: _Format) -> bytes:
    return _encode(json_writer.render(message, integers=format_.integers), format_)


def _encode(value: Any, format_: _Format) -> bytes:
    return encode(field_selection.apply(format_.fields, value), pretty=format_.pretty)


def find_call(method: str, path: str) -> str | None:
    """Return the name of the call that has a method and a path; None if there is none."""
    path = path.removeprefix(VERSION)
    if method in buffer.METHODS and buffer.PATH.fullmatch(path):
        return "BufferTask"
    return next((each.rpc.name for each in _ROUTES if _matches(each, method, path)), None)


def _matches(route: _Route, method: str, path: str) -> bool:
    return route.rpc.verb == method and route.pattern.fullmatch(path) is not None


def _match_route(request: RestRequest) -> tuple[_Route, str]:
    path = request.path.removeprefix(VERSION)
    for route in _ROUTES:
        if route.rpc.verb == request.method and (match := route.pattern.fullmatch(path)):
            return route, _unquote(match[1])
    raise errors.NotFound(f"No call has the method {request.method} and the path {request.path}.")


def _message(route: _Route, name: str, parameters: Mapping[str, list[str]], body: bytes) -> Any:
    message, field = route.request_class(), route.rpc.body
    if field is not None:
        value = protojson.decode(body)
        protojson.parse(value if field == "*" else {field: value}, message)
    if parameters:
        protojson.parse_query(parameters, message)
    target = message
    *parents, last = route.field.split(".")
    for parent in parents:
        target = getattr(target, parent)
    setattr(target, last, name)
    return message


def with_api_key(fields: Mapping[bytes, bytes], key: str) -> Mapping[bytes, bytes]:
    """Return the header fields of a request, with the API key of its query if they have none."""
    return {API_KEY: key.encode(), **fields} if key else fields


def _parse_query(query: str) -> dict[str, list[str]]:
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


def _effective_method(request: RestRequest, parameters: Mapping[str, list[str]]) -> str:
    """Return the effective method of a request: a POST may stand for another method.

    The header ``X-HTTP-Method-Override`` takes precedence over Google's system parameter
    ``$httpMethod``. Other methods ignore both: a GET never changes anything.
    """
    if request.method != "POST":
        return request.method
    override = request.method_override or parameters.get("$httpMethod", [""])[-1]
    return override.upper() or request.method


def _pop_format(parameters: dict[str, list[str]]) -> _Format:
    """Remove the system parameters; return the format that they request."""
    system = {key: parameters.pop(key)[-1] for key in list(parameters) if _SYSTEM.fullmatch(key)}
    alt, *options = (system.get("$alt") or system.get("alt") or "json").split(";")
    if alt != "json":
        raise errors.InvalidArgument(f'Unsupported "alt": "{alt[:100]}". Only json is supported.')
    pretty = system.get("$prettyPrint", system.get("prettyPrint", "true"))
    fields = system.get("$fields", system.get("fields", ""))
    return _Format(
        integers="enum-encoding=int" in options,
        pretty=pretty.lower() not in {"false", "0"},
        fields=field_selection.parse(fields) if fields else {},
    )


def _unquote(name: str) -> str:
    try:
        return urllib.parse.unquote(name, errors="strict")
    except UnicodeDecodeError:
        raise errors.InvalidArgument("The path is not UTF-8.") from None

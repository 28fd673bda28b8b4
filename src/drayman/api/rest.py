"""REST below ``/v2/``: a route for each row of the table of calls.

A route is a row's HTTP method and path. The request message is merged from body, query and path, in
this order, so that the path takes precedence; the response is the response message as JSON.
"""

import contextlib
import dataclasses
import functools
import re
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from google.protobuf import empty_pb2

from drayman.access.caller import Caller
from drayman.access.control import API_KEY
from drayman.api import buffer, calls, permissions, request_body
from drayman.api.context import Context
from drayman.api.offload import LARGE
from drayman.api.request import Request
from drayman.api.request_body import Body
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
_DEFAULT = _Format()
_CACHED_LENGTH = 512
"""The most characters of a method and a path whose match is remembered."""


class _Match(NamedTuple):
    """What a request is for.

    Attributes:
        call: The name of the call.
        route: Its route, None for BufferTask.
        names: The names in the path: of the resource, or of a queue and the id of a task.
    """

    call: str
    route: _Route | None
    names: tuple[str, ...]


async def handle(context: Context, request: Request) -> Response:
    """Return the response to a request below ``/v2/``."""
    format_ = _DEFAULT
    try:
        parameters, fields = request.parameters(), request.fields
        method = _effective_method(request, parameters)
        if parameters:
            fields = with_api_key(fields, parameters.get("key", [""])[-1])
            format_ = _pop_format(parameters)
        match = _match(method, request.path)
        if match is None:
            raise errors.NotFound(f"No call has the method {method} and the path {request.path}.")
        body = await calls.guard(
            context, match.call, fields, _call, context, match, request, parameters, format_
        )
        return Response(200, body)
    except ServiceError as error:
        return error_response(error, pretty=format_.pretty)


async def _call(
    caller: Caller | None,
    context: Context,
    match: _Match,
    request: Request,
    parameters: Mapping[str, list[str]],
    format_: _Format,
) -> bytes:
    """Return the body of the response of a known caller."""
    names = tuple(map(_unquote, match.names))
    if match.route is None:
        return await _buffer(caller, context, names, request, parameters, format_)
    async with _decompressed(context, request.body) as content:
        return await _run(caller, context, match.route, names[0], parameters, content, format_)


async def _run(
    caller: Caller | None,
    context: Context,
    route: _Route,
    name: str,
    parameters: Mapping[str, list[str]],
    content: bytes,
    format_: _Format,
) -> bytes:
    rpc, size = route.rpc, len(content)
    request_body.check_size(size, calls.request_size(rpc))
    calls.check_task_size(context, rpc, size)
    offload = context.offload
    message = await offload.run(size, _message, route, name, parameters, content)
    async with calls.admit_response(context, rpc, _EXPANSION):
        response = await calls.handle(caller, context, rpc, message)
        return await offload.run(response.ByteSize(), _encode_message, response, format_)


def _decompressed(context: Context, body: Body) -> contextlib.AbstractAsyncContextManager[bytes]:
    """Return the context of the decompressed body of a known caller, within the admission."""
    if body.is_plain and len(body.content) <= LARGE:  # nearly always
        return contextlib.nullcontext(body.content)
    return _decompress(context, body)


@contextlib.asynccontextmanager
async def _decompress(context: Context, body: Body) -> AsyncIterator[bytes]:
    async with context.offload.requests.admit(body.size):
        yield await context.offload.run(body.size, body.decompress)


async def _buffer(
    caller: Caller | None,
    context: Context,
    path: tuple[str, ...],
    request: Request,
    parameters: Mapping[str, list[str]],
    format_: _Format,
) -> bytes:
    protojson.parse_query(parameters, empty_pb2.Empty())  # BufferTask has none of its own
    queue, task_id = path
    await permissions.require(context.access, caller, permissions.CREATE_TASK, queue)
    content_type = request.field(b"content-type")
    async with _decompressed(context, request.body) as content:
        task = await buffer.buffer_task(context, queue, task_id, content, content_type)
    return _encode({"task": json_writer.render(task, integers=format_.integers)}, format_)


def _encode_message(message: Any, format_: _Format) -> bytes:
    return _encode(json_writer.render(message, integers=format_.integers), format_)


def _encode(value: Any, format_: _Format) -> bytes:
    return encode(field_selection.apply(format_.fields, value), pretty=format_.pretty)


def find_call(method: str, path: str) -> str | None:
    """Return the name of the call that has a method and a path; None if there is none."""
    match = _match(method, path)
    return match and match.call


def _match(method: str, path: str) -> _Match | None:
    is_short = len(method) + len(path) <= _CACHED_LENGTH  # a header field may override the method
    return (_find_cached if is_short else _find)(method, path)


def _find(method: str, path: str) -> _Match | None:
    path = path.removeprefix(VERSION)
    match = buffer.PATH.fullmatch(path) if method in buffer.METHODS else None
    if match:
        return _Match("BufferTask", None, (match[1], match[2] or ""))
    for route in _ROUTES:
        if route.rpc.verb == method and (match := route.pattern.fullmatch(path)):
            return _Match(route.rpc.name, route, (match[1],))
    return None


_find_cached = functools.lru_cache(maxsize=1024)(_find)


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


def _effective_method(request: Request, parameters: Mapping[str, list[str]]) -> str:
    """Return the effective method of a request: a POST may stand for another method.

    The header ``X-HTTP-Method-Override`` takes precedence over Google's system parameter
    ``$httpMethod``. Other methods ignore both: a GET never changes anything.
    """
    if request.method != "POST":
        return request.method
    override = request.field(b"x-http-method-override") or parameters.get("$httpMethod", [""])[-1]
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

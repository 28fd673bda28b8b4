"""Calls as a caller makes them: raw, over both transports, with any header fields."""

import json
import urllib.error
import urllib.request
from typing import Any, NamedTuple

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from drayman.access import keys
from drayman.api import admin, calls
from drayman.core.document import API_KEY, Document
from drayman.core.status import HTTP_STATUS, Code
from drayman.tasks_v2 import rpcs
from live import PATIENCE

LOCATION = "projects/p/locations/l"
QUEUE = f"{LOCATION}/queues/q"
NAMES = {
    "projects/*": "projects/p",
    "projects/*/locations/*": LOCATION,
    "projects/*/locations/*/queues/*": QUEUE,
    "projects/*/locations/*/queues/*/tasks/*": f"{QUEUE}/tasks/t",
    "projects/*/locations/*/cmekConfig": f"{LOCATION}/cmekConfig",
    "projects/*/locations/*/operations/*": f"{LOCATION}/operations/o",
}
"""A name of each form."""


class Result(NamedTuple):
    """How a call ended."""

    code: Code
    message: str
    reason: str = ""
    metadata: Any = None
    challenge: str = ""


def create_key(live, name, *roles, member=""):
    """Create an API key in the store of a live server; return its text."""
    key, text = keys.generate(name, member, roles, live.clock.now())
    live.run(live.store.put_document(Document(API_KEY, key.id, keys.encode(key))))
    live.advance(1_000_000)
    return text


def with_key(text):
    return {"x-goog-api-key": text}


def over_grpc(live, rpc, request, fields):
    with grpc.insecure_channel(live.address) as channel:
        call = channel.unary_unary(
            rpc.full_name,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=calls.message_class(rpc.response).FromString,
        )
        try:
            call(request, metadata=tuple(fields.items()), timeout=PATIENCE)
        except grpc.RpcError as error:
            return _of_grpc(error)
    return Result(Code.OK, "")


def _of_grpc(error):
    status, info = rpc_status.from_call(error), error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
    code = Code[error.code().name]
    return Result(code, error.details(), info.reason, dict(info.metadata))


def over_http(live, verb, path, fields, body=None):
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **fields}
    request = urllib.request.Request(live.url + path, content, headers, method=verb)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE):
            return Result(Code.OK, "")
    except urllib.error.HTTPError as error:
        with error:
            status, content = error.code, json.load(error)["error"]
            challenge = error.headers.get("WWW-Authenticate", "")
    assert content["code"] == status == HTTP_STATUS[Code[content["status"]]]
    info = next((each for each in content.get("details", []) if "reason" in each), {})
    code, message = Code[content["status"]], content["message"]
    return Result(code, message, info.get("reason", ""), info.get("metadata", {}), challenge)


def pattern_of(rpc):
    return rpc.path.partition("=")[2].partition("}")[0]


def harmless(rpc):
    """Return a request of a call that names a queue that does not exist, and changes nothing."""
    request = calls.message_class(rpc.request)()
    target = request
    *parents, last = rpc.routing.split(".")
    for parent in parents:
        target = getattr(target, parent)
    setattr(target, last, NAMES[pattern_of(rpc)])
    if rpc.name in {"UpdateQueue", "UpdateCmekConfig"}:
        request.update_mask.paths.append("bogus")
    return request


def path_of(rpc):
    before, _, rest = rpc.path.partition("{")
    return f"/v2/{before}{NAMES[pattern_of(rpc)]}{rest.partition('}')[2]}"


def call(live, transport, name, fields):
    """Make a harmless call by its name and return its result; None if the transport lacks it."""
    if name in rpcs.BY_NAME:
        rpc = rpcs.BY_NAME[name]
        if transport == "grpc":
            return over_grpc(live, rpc, harmless(rpc), fields)
        mask = "?updateMask=bogus" if rpc.verb == "PATCH" else ""
        return over_http(live, rpc.verb, path_of(rpc) + mask, fields, {} if rpc.body else None)
    if transport == "grpc":
        return None
    if name == "BufferTask":
        return over_http(live, "POST", f"/v2/{QUEUE}/tasks:buffer", fields, {})
    (row,) = (each for each in admin.CALLS if each.name == name)
    path = row.path.replace("{queue}", QUEUE).replace("{task_id}", "t")
    body = {"tasks": []} if row.method == "POST" else None
    return over_http(live, row.method, admin.PREFIX + path, fields, body)

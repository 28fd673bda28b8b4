"""The fields of a queue, as filters see them."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from drayman.core import filter as filters
from drayman.core.filter import Field, Predicate
from drayman.core.queue import Queue
from drayman.tasks_v2 import types
from drayman.wire import protojson, queues

_KINDS = {
    "google.protobuf.Duration": "duration",
    "google.protobuf.Timestamp": "moment",
}


def of_queues(text: str) -> Predicate:
    """Return the predicate of a filter, over queues as JSON values; InvalidArgument."""
    return filters.parse(text, _QUEUE)


def wants(predicate: Predicate, queue: Queue) -> bool:
    """Tell whether a filter wants a queue."""
    return predicate(protojson.render(queues.show(queue)))


def _fields(descriptor: Any) -> Mapping[str, Field]:
    found = {}
    for field in descriptor.fields:
        found[field.name] = found[field.json_name] = _field(field)
    return found


def _field(field: Any) -> Field:
    if field.type == FieldDescriptor.TYPE_STRING:
        return Field(field.json_name, "text")
    if field.enum_type is not None:
        members = tuple(value.name for value in field.enum_type.values)
        return Field(field.json_name, "enum", members)
    if field.message_type is None:
        return Field(field.json_name, "number")
    if kind := _KINDS.get(field.message_type.full_name):
        return Field(field.json_name, kind)
    return Field(field.json_name, "message", fields=_fields(field.message_type))


_QUEUE = _fields(types.Queue.pb().DESCRIPTOR)

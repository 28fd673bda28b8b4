"""Our messages are Google's, field by field, under a protobuf package of our own."""

import pytest
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import rest_base

from drayman.tasks_v2 import rpcs, types

MESSAGES = [name for name in types.__all__ if hasattr(getattr(types, name), "pb")]


def type_name(field):
    named = field.message_type or field.enum_type
    return named.full_name.replace("drayman.cloud", "google.cloud") if named else None


def shape(descriptor):
    fields = [
        (
            field.name,
            field.number,
            field.type,
            field.json_name,
            field.is_repeated,
            field.has_presence,
            field.containing_oneof.name if field.containing_oneof else None,
            type_name(field),
        )
        for field in descriptor.fields
    ]
    enums = {
        enum.name: {value.name: value.number for value in enum.values}
        for enum in descriptor.enum_types
    }
    nested = {
        child.name: shape(child)
        for child in descriptor.nested_types
        if not child.GetOptions().map_entry
    }
    return fields, enums, nested


@pytest.mark.parametrize("name", MESSAGES)
def test_message_has_googles_fields(name):
    ours, googles = getattr(types, name).pb(), getattr(tasks_v2, name).pb()
    assert shape(ours.DESCRIPTOR) == shape(googles.DESCRIPTOR)


def test_every_message_of_google_is_here():
    assert set(tasks_v2.__all__) - {"CloudTasksClient", "CloudTasksAsyncClient"} == set(
        types.__all__
    )


def test_http_method_has_googles_values():
    assert {m.name: m.value for m in types.HttpMethod} == {
        m.name: m.value for m in tasks_v2.HttpMethod
    }


def test_both_libraries_live_in_one_process():
    ours = types.Task(http_request={"url": "https://example.com", "body": b"x"})
    wire = types.Task.serialize(ours)
    assert tasks_v2.Task.deserialize(wire).http_request.body == b"x"


@pytest.mark.parametrize("rpc", rpcs.RPCS, ids=lambda rpc: rpc.name)
def test_rest_binding_is_googles(rpc):
    base = getattr(rest_base._BaseCloudTasksRestTransport, f"_Base{rpc.name}")  # noqa: SLF001
    (option,) = base._get_http_options()  # noqa: SLF001 - Google has no public table
    assert option["method"] == rpc.verb.lower()
    assert option["uri"] == f"/v2/{rpc.path}"
    assert option.get("body") == rpc.body

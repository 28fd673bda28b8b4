"""Our messages under Google's names, where names travel: in ``Any``, in JSON, in reflection.

The descriptors are those of ``tasks_v2.types`` with another package, in a pool of their own, so
that Google's library can still be loaded into the same process.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool
from google.rpc import error_details_pb2

from drayman.tasks_v2 import rpcs, types

_OURS, GOOGLES = "drayman.cloud.tasks.v2", "google.cloud.tasks.v2"
_OUR_FILES, _GOOGLE_FILES = "drayman/tasks_v2/types/", "google/cloud/tasks/v2/"
_SERVICE_FILE = f"{_GOOGLE_FILES}service.proto"


def name_of(message: Any) -> str:
    """Return the name under which the world knows a message's type."""
    return str(message.DESCRIPTOR.full_name).replace(_OURS, GOOGLES)


def pack(message: Any, into: Any) -> None:
    """Write a message into an ``Any``."""
    into.type_url = f"type.googleapis.com/{name_of(message)}"
    into.value = message.SerializeToString()


def renamed(text: str) -> str:
    """Return a text with the names of our types replaced by Google's."""
    return text.replace(_OURS, GOOGLES)


def _plain(message: Any) -> Any:
    return message.pb() if hasattr(message, "pb") else message


POOL = descriptor_pool.DescriptorPool()
"""Everything that this server speaks, under Google's names."""
_added: set[str] = set()


def add(file: Any) -> None:
    """Add a file of descriptors to the pool, after those it needs."""
    if file.name in _added:
        return
    _added.add(file.name)
    for dependency in file.dependencies:
        add(dependency)
    text = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(text)
    if text.package == _OURS:
        _rename(text)
    POOL.Add(text)


def _add_all() -> None:
    for name in types.__all__:
        kind = getattr(types, name)
        if hasattr(kind, "pb"):
            add(kind.pb().DESCRIPTOR.file)
    add(error_details_pb2.DESCRIPTOR)
    for rpc in rpcs.SERVED:
        for message in (rpc.request, rpc.response):
            add(_plain(message).DESCRIPTOR.file)
    POOL.Add(_service_file())


def _rename(file: Any) -> None:
    file.package = GOOGLES
    file.name = file.name.replace(_OUR_FILES, _GOOGLE_FILES)
    dependencies = [name.replace(_OUR_FILES, _GOOGLE_FILES) for name in file.dependency]
    del file.dependency[:]
    file.dependency.extend(dependencies)
    for message in file.message_type:
        _rename_fields(message)


def _rename_fields(message: Any) -> None:
    for field in message.field:
        if field.type_name:
            field.type_name = field.type_name.replace(f".{_OURS}.", f".{GOOGLES}.")
    for nested in message.nested_type:
        _rename_fields(nested)


def _service_file() -> Any:
    service = descriptor_pb2.ServiceDescriptorProto(name=rpcs.SERVICE.rpartition(".")[2])
    files = set()
    for rpc in rpcs.RPCS:
        request, response = _plain(rpc.request), _plain(rpc.response)
        service.method.add(
            name=rpc.name, input_type=f".{name_of(request)}", output_type=f".{name_of(response)}"
        )
        for message in (request, response):
            files.add(message.DESCRIPTOR.file.name.replace(_OUR_FILES, _GOOGLE_FILES))
    return descriptor_pb2.FileDescriptorProto(
        name=_SERVICE_FILE, package=GOOGLES, dependency=sorted(files), service=[service],
        syntax="proto3",
    )  # fmt: skip


_add_all()

"""The messages of gRPC's interoperability tests (grpc.testing), as far as the tests here use them.

Fields that the server does not read are left out. Enumerations are integers, as on the wire.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "grpc.testing"
_SCALARS = {
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
}
_MESSAGES = {
    "Empty": "",
    "Payload": "type=1:int32 body=2:bytes",
    "EchoStatus": "code=1:int32 message=2:string",
    "SimpleRequest": "response_size=2:int32 payload=3:Payload response_status=7:EchoStatus "
    "fill_server_id=9:bool",
    "SimpleResponse": "payload=1:Payload server_id=4:string",
    "StreamingInputCallRequest": "payload=1:Payload",
    "StreamingInputCallResponse": "aggregated_payload_size=1:int32",
    "ResponseParameters": "size=1:int32",
    "StreamingOutputCallRequest": "response_parameters=2:ResponseParameters* payload=3:Payload "
    "response_status=7:EchoStatus",
    "StreamingOutputCallResponse": "payload=1:Payload",
}
"""The fields of each message, ``NAME=NUMBER:TYPE``; those of repeated fields end with ``*``."""


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="interop_messages.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split():
            _add_field(message, field)
    return file


def _add_field(message: descriptor_pb2.DescriptorProto, text: str) -> None:
    declaration, kind = text.split(":")
    name, number = declaration.split("=")
    field = message.field.add(name=name, number=int(number))
    repeated = kind.endswith("*")
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    kind = kind.rstrip("*")
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())


def _message_class(name: str) -> type:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


Empty = _message_class("Empty")
EchoStatus = _message_class("EchoStatus")
Payload = _message_class("Payload")
ResponseParameters = _message_class("ResponseParameters")
SimpleRequest = _message_class("SimpleRequest")
SimpleResponse = _message_class("SimpleResponse")
StreamingInputCallRequest = _message_class("StreamingInputCallRequest")
StreamingInputCallResponse = _message_class("StreamingInputCallResponse")
StreamingOutputCallRequest = _message_class("StreamingOutputCallRequest")
StreamingOutputCallResponse = _message_class("StreamingOutputCallResponse")

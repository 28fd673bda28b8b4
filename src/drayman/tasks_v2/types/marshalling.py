"""Two kinds of values that mean here what they say, where Google's library is silent.

* A ``str`` for a field of bytes (a task's ``body``) is encoded as UTF-8. Google's library takes it
  for base64 and drops what is not, so that ``"text"`` becomes three bytes of garbage.
* A ``datetime`` without a time zone is UTC, whatever the zone of the machine.

The first has a price: who gave base64 on purpose sends base64. And ``to_dict`` and ``to_json``
write bytes as base64, and of the two only ``from_json`` reads them back.
``Task(Task.to_dict(task))`` would take the base64 for the text.
"""

import datetime
from typing import TYPE_CHECKING, Any

from google.protobuf import duration_pb2, timestamp_pb2
from proto.marshal import Marshal
from proto.marshal.rules import bytes as bytes_rules
from proto.marshal.rules import dates
from proto.primitives import ProtoType

PACKAGE = "drayman.cloud.tasks.v2"


if TYPE_CHECKING:

    class Moment:
        """A field that gives a ``datetime`` and takes a ``Timestamp`` as well."""

        def __get__(self, message: object, owner: type | None = None) -> datetime.datetime: ...
        def __set__(
            self, message: object, value: datetime.datetime | timestamp_pb2.Timestamp | None
        ) -> None: ...

    class Span:
        """A field that gives a ``timedelta`` and takes a ``Duration`` as well."""

        def __get__(self, message: object, owner: type | None = None) -> datetime.timedelta: ...
        def __set__(
            self, message: object, value: datetime.timedelta | duration_pb2.Duration | None
        ) -> None: ...

else:
    Moment, Span = datetime.datetime, datetime.timedelta


class Utf8Rule(bytes_rules.BytesRule):
    """Text is UTF-8."""

    def to_proto(self, value: Any) -> Any:
        """The bytes to send."""
        return value.encode() if isinstance(value, str) else value


class UtcRule(dates.TimestampRule):
    """A time without a zone is UTC."""

    def to_proto(self, value: Any) -> Any:
        """The timestamp to send."""
        if isinstance(value, datetime.datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=datetime.UTC)
        return super().to_proto(value)


def register() -> None:
    """Let our messages take values by these rules."""
    marshal = Marshal(name=PACKAGE)
    marshal.register(ProtoType.BYTES, Utf8Rule())
    marshal.register(timestamp_pb2.Timestamp, UtcRule())

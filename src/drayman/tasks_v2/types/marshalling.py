"""How Python values become field values, where the rules differ from those of Google's library.

* A ``str`` in a ``bytes`` field (a task's ``body``) is encoded as UTF-8. Google's library decodes
  it as base64 and skips invalid characters, so that ``"text"`` becomes three arbitrary bytes.
* A ``datetime`` without a time zone is UTC. Google's library uses the machine's zone.
* The name of an enum value is accepted in any case, and an unknown name is a ``ValueError``.
  Google's library raises a ``KeyError`` for both.

The first rule has two consequences. A base64 string is sent as that string. ``to_dict`` and
``to_json`` write bytes as base64, and only ``from_json`` decodes it again:
``Task(Task.to_dict(task))`` takes the base64 for the body.
"""

import datetime
import enum
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self, TypeVar

import proto
from google.protobuf import duration_pb2, timestamp_pb2
from proto.marshal import Marshal
from proto.marshal.rules import bytes as bytes_rules
from proto.marshal.rules import dates, enums
from proto.primitives import ProtoType

PACKAGE = "drayman.cloud.tasks.v2"

EnumT = TypeVar("EnumT", bound=enum.IntEnum)


if TYPE_CHECKING:

    class Timestamp:
        """A field that returns a ``datetime`` and accepts a ``Timestamp`` as well."""

        def __get__(self, message: object, owner: type | None = None) -> datetime.datetime: ...
        def __set__(
            self, message: object, value: datetime.datetime | timestamp_pb2.Timestamp | None
        ) -> None: ...

    class Duration:
        """A field that returns a ``timedelta`` and accepts a ``Duration`` as well."""

        def __get__(self, message: object, owner: type | None = None) -> datetime.timedelta: ...
        def __set__(
            self, message: object, value: datetime.timedelta | duration_pb2.Duration | None
        ) -> None: ...

    class Message:
        """What every message has. The stubs of the message classes name it as their base."""

        _pb: Any  # the protobuf message

        def __contains__(self, field: str) -> bool: ...
        def __delattr__(self, field: str) -> None: ...
        @classmethod
        def pb(cls, message: Any = ..., *, coerce: bool = ...) -> Any:
            """Return the protobuf message, or its class."""

        @classmethod
        def wrap(cls, pb: Any) -> Self:
            """Return a message around a protobuf message."""

        @classmethod
        def serialize(cls, instance: Any) -> bytes:
            """Return the bytes of a message."""

        @classmethod
        def deserialize(cls, payload: bytes) -> Self:
            """Parse the bytes of a message."""

        @classmethod
        def to_json(cls, instance: Any, **options: Any) -> str:
            """Return a message as JSON."""

        @classmethod
        def from_json(cls, payload: str | bytes, *, ignore_unknown_fields: bool = ...) -> Self:
            """Parse a message from JSON."""

        @classmethod
        def to_dict(cls, instance: Any, **options: Any) -> dict[str, Any]:
            """Return a message as a dict."""

        @classmethod
        def copy_from(cls, instance: Self, other: Any) -> None:
            """Replace the content of a message."""


else:
    Message = proto.Message
    Timestamp, Duration = datetime.datetime, datetime.timedelta


def parse_enum(enum_class: type[EnumT], value: str | int, name: str) -> EnumT:
    """Return the enum value with a name, in letters of any case, or with a number.

    Args:
        enum_class: The enum.
        value: The name or the number.
        name: The name of the argument, for the error message.

    Raises:
        ValueError: The enum has no such value. The message lists those it has.
    """
    try:
        return enum_class[value.upper()] if isinstance(value, str) else enum_class(value)
    except (KeyError, ValueError):
        known = ", ".join(member.name for member in enum_class if member)
        raise ValueError(f"{name} must be one of {known}, but is {value!r}.") from None


class Utf8Rule(bytes_rules.BytesRule):
    """Encodes text as UTF-8."""

    def to_proto(self, value: Any) -> Any:
        """Convert the value of a ``bytes`` field."""
        return value.encode() if isinstance(value, str) else value


class UtcRule(dates.TimestampRule):
    """Reads a time without a zone as UTC."""

    def to_proto(self, value: Any) -> Any:
        """Convert the value of a ``Timestamp`` field."""
        if isinstance(value, datetime.datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=datetime.UTC)
        return super().to_proto(value)


class EnumNameRule(enums.EnumRule):
    """Accepts the names of an enum in any case."""

    def __init__(self, enum_class: type[enum.IntEnum]) -> None:
        super().__init__(enum_class)
        self._enum_class = enum_class

    def to_proto(self, value: Any) -> Any:
        """Convert the value of an enum field."""
        if isinstance(value, str):
            value = parse_enum(self._enum_class, value, self._enum_class.__name__)
        return super().to_proto(value)


def register(enum_classes: Iterable[type[enum.IntEnum]]) -> None:
    """Apply these rules to the messages of our package.

    Args:
        enum_classes: The enums of the package.
    """
    marshal = Marshal(name=PACKAGE)
    marshal.register(ProtoType.BYTES, Utf8Rule())
    marshal.register(timestamp_pb2.Timestamp, UtcRule())
    for enum_class in enum_classes:
        marshal.register(enum_class, EnumNameRule(enum_class))

"""Field masks: which fields of a message an update sets (recorded: UpdateQueue masks)."""

from collections.abc import Sequence
from typing import Any

from drayman.core import errors


def check(paths: Sequence[str], descriptor: Any) -> None:
    """Check that each path names a field of a message, or of one below it.

    Raises:
        InvalidArgument: A path names no field; the message has the path as it was sent.
    """
    for path in dict.fromkeys(paths):
        if not _names_field(path.split("."), descriptor):
            raise errors.InvalidArgument(f"Invalid mask: {path}")


def _names_field(parts: Sequence[str], descriptor: Any) -> bool:
    field, rest = descriptor.fields_by_name.get(parts[0]), parts[1:]
    if field is None or not rest:
        return field is not None
    has_fields = field.message_type is not None and not field.is_repeated
    return has_fields and _names_field(rest, field.message_type)


def apply(paths: Sequence[str], source: Any, target: Any) -> None:
    """Copy the fields that checked paths name from ``source`` to ``target``.

    A field that ``source`` lacks is cleared. A message on the way to a field is created in
    ``target`` if ``source`` has it; if neither has it, the path has no effect.
    """
    for path in dict.fromkeys(paths):
        _apply(path.split("."), source, target)


def _apply(parts: Sequence[str], source: Any, target: Any) -> None:
    name, rest = parts[0], parts[1:]
    if not rest:
        _copy(target.DESCRIPTOR.fields_by_name[name], source, target)
    elif source.HasField(name) or target.HasField(name):
        child = getattr(target, name)
        child.SetInParent()
        _apply(rest, getattr(source, name), child)


def _copy(field: Any, source: Any, target: Any) -> None:
    name = field.name
    target.ClearField(name)
    if field.is_repeated:
        getattr(target, name).MergeFrom(getattr(source, name))
    elif field.has_presence and not source.HasField(name):
        return
    elif field.message_type is not None:
        getattr(target, name).CopyFrom(getattr(source, name))
    else:
        setattr(target, name, getattr(source, name))

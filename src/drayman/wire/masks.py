"""Field masks: which fields of a message an update sets."""

from collections.abc import Sequence
from typing import Any

from drayman.core import errors


def apply(paths: Sequence[str], source: Any, target: Any) -> None:
    """Copy the fields that the paths name from ``source`` to ``target``.

    A field that is unset in ``source``, or lies below an unset message, is cleared in ``target``.

    Raises:
        InvalidArgument: A path names no field; the message has the path.
    """
    for path in dict.fromkeys(paths):
        _apply(path, path.split("."), source, target)


def _apply(path: str, parts: Sequence[str], source: Any, target: Any) -> None:
    name, rest = parts[0], parts[1:]
    field = target.DESCRIPTOR.fields_by_name.get(name)
    is_message = field is not None and field.message_type is not None and not field.is_repeated
    if field is None or (rest and not is_message):
        raise errors.field_error(
            "update_mask", f'Invalid update_mask: "{path[:100]}" names no field.'
        )
    if rest:
        _apply(path, rest, getattr(source, name), getattr(target, name))
        return
    target.ClearField(name)
    if field.is_repeated:
        getattr(target, name).MergeFrom(getattr(source, name))
    elif not is_message and not field.has_presence:
        setattr(target, name, getattr(source, name))
    elif source.HasField(name):
        if is_message:
            getattr(target, name).CopyFrom(getattr(source, name))
        else:
            setattr(target, name, getattr(source, name))

"""Queue messages, to and from ``core.queue``."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from drayman.core import errors
from drayman.core.limits import SETTINGS_SIZE, Limits
from drayman.core.queue import Queue, RetryConfig, rate_limits
from drayman.tasks_v2 import types
from drayman.wire import masks, retries, targets, times

Message = types.Queue.pb()

OUTPUT_ONLY = ("name", "state", "purge_time", "rate_limits.max_burst_size")
_EMPTY_IS_ABSENT = ("http_target", "app_engine_routing_override")
_SETTINGS = ("app_engine_routing_override", "http_target", "stackdriver_logging_config")


def accept(message: Any, name: str, limits: Limits) -> Queue:
    """Return the queue that a message asks for, defaults filled in; InvalidArgument.

    ``message`` is changed on the way.
    """
    rates = message.rate_limits
    _accept_settings(message, name)
    return Queue(
        name=name,
        rate_limits=rate_limits(
            rates.max_dispatches_per_second, rates.max_concurrent_dispatches, limits
        ),
        retry_config=retries.accept(message.retry_config, RetryConfig()),
        settings=_settings(message),
    )


def update(existing: Queue | None, message: Any, paths: Sequence[str], limits: Limits) -> Queue:
    """Return what UpdateQueue makes of a queue, None of an absent one.

    No paths, or the path ``*``, mean every field. Output-only fields are ignored wherever they
    are named.
    """
    name = message.name
    if paths and list(paths) != ["*"]:
        merged = Message() if existing is None else show(existing)
        masks.apply([path for path in paths if path not in OUTPUT_ONLY], message, merged)
        message = merged
    changed = accept(message, name, limits)
    if existing is None:
        return changed
    return dataclasses.replace(changed, state=existing.state, purge_time=existing.purge_time)


def show(queue: Queue) -> Any:
    """Return the message of a queue."""
    message = Message.FromString(queue.settings)
    message.name = queue.name
    message.state = int(queue.state)
    rates = message.rate_limits
    rates.max_dispatches_per_second = queue.rate_limits.max_dispatches_per_second
    rates.max_burst_size = queue.rate_limits.max_burst_size
    rates.max_concurrent_dispatches = queue.rate_limits.max_concurrent_dispatches
    retries.show(queue.retry_config, message.retry_config)
    if queue.purge_time is not None:
        times.set_moment(message.purge_time, queue.purge_time)
    return message


def _accept_settings(message: Any, name: str) -> None:
    """Check the settings that only ``wire`` opens; drop those that say nothing."""
    for field in _EMPTY_IS_ABSENT:
        if not getattr(message, field).ByteSize():
            message.ClearField(field)
    if message.HasField("http_target"):
        targets.accept_target(message.http_target)
    if message.HasField("app_engine_routing_override"):
        targets.accept_routing(message.app_engine_routing_override, name)
    ratio = message.stackdriver_logging_config.sampling_ratio
    if not 0.0 <= ratio <= 1.0:
        raise errors.invalid_field(
            "StackdriverLoggingConfig.samplingRatio", "must be between 0.0 and 1.0."
        )


def _settings(message: Any) -> bytes:
    kept = Message()
    masks.apply(_SETTINGS, message, kept)
    settings = bytes(kept.SerializeToString())
    if len(settings) > SETTINGS_SIZE:
        raise errors.field_error(
            "queue", f"The settings of a queue must be at most {SETTINGS_SIZE // 1024} KB in total."
        )
    return settings

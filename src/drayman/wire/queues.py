"""Queue messages, to and from ``core.queue``, with the rules of their own fields.

The settings of a queue that only dispatch needs (HTTP target, routing, logging) are stored as one
serialized Queue message, with the fractions of a microsecond that its retry policy was set with.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from drayman.core import errors
from drayman.core.limits import SETTINGS_SIZE, QueueLimits
from drayman.core.queue import Queue, RateLimits, burst_of
from drayman.tasks_v2 import types
from drayman.wire import masks, requests, retries, targets, times

Message = types.Queue.pb()

OUTPUT_ONLY = ("name", "state", "purge_time", "rate_limits.max_burst_size")
_SETTINGS = ("app_engine_routing_override", "http_target", "stackdriver_logging_config")


def parse(message: Any, name: str, limits: QueueLimits) -> Queue:
    """Return the queue that a message asks for, defaults filled in.

    The checks stop at the first error; their order is that of the lines below.

    Raises:
        InvalidArgument: A field breaks its rule; the message names both.
    """
    if message.HasField("http_target"):
        targets.check(message.http_target)
    return _parse(message, name, limits)


def _parse(message: Any, name: str, limits: QueueLimits) -> Queue:
    """Return the queue of a message whose HttpTarget was checked in the parts it consists of."""
    settings = _parse_settings(message, name)
    rate_limits = _parse_rate_limits(message.rate_limits, limits)
    retry_config = retries.parse(message.retry_config)
    return Queue(
        name=name,
        rate_limits=rate_limits,
        retry_config=retry_config,
        settings=_serialize(settings),
    )


def update(
    existing: Queue | None, message: Any, paths: Sequence[str] | None, limits: QueueLimits
) -> Queue:
    """Return what UpdateQueue makes of a queue; None is one that does not exist (recorded).

    None for the paths means every field. The paths of output-only fields have no effect. An
    HttpTarget of the message is checked also where no path names it.
    """
    if paths is not None:
        masks.check(paths, Message.DESCRIPTOR)
    if message.HasField("http_target"):
        targets.check(message.http_target)
    changed = _parse(_merge(existing, message, paths), message.name, limits)
    if existing is None:
        return changed
    return dataclasses.replace(
        existing,
        rate_limits=changed.rate_limits,
        retry_config=changed.retry_config,
        settings=changed.settings,
    )


def _merge(existing: Queue | None, message: Any, paths: Sequence[str] | None) -> Any:
    """Return a message with the fields that the paths name, and the others of the queue."""
    if paths is None:
        return message
    merged = Message() if existing is None else encode(existing)
    masks.apply([path for path in paths if not _is_output_only(path)], message, merged)
    return merged


def _is_output_only(path: str) -> bool:
    return any(f"{path}.".startswith(f"{field}.") for field in OUTPUT_ONLY)


def encode(queue: Queue) -> Any:
    """Return the message of a queue."""
    message = Message.FromString(queue.settings)
    message.name = queue.name
    message.state = int(queue.state)
    rates = message.rate_limits
    rates.max_dispatches_per_second = queue.rate_limits.max_dispatches_per_second
    rates.max_burst_size = queue.rate_limits.max_burst_size
    rates.max_concurrent_dispatches = queue.rate_limits.max_concurrent_dispatches
    retries.encode(queue.retry_config, message.retry_config)
    if queue.purge_time is not None:
        times.set_moment(message.purge_time, queue.purge_time)
    return message


def _parse_settings(message: Any, name: str) -> Any:
    """Return a message of the checked settings alone."""
    settings = Message()
    masks.apply(_SETTINGS, message, settings)
    targets.check_override(settings.http_target)
    if not settings.app_engine_routing_override.ByteSize():
        settings.ClearField("app_engine_routing_override")
    else:
        requests.complete_routing(settings.app_engine_routing_override, name)
    ratio = settings.stackdriver_logging_config.sampling_ratio
    if not 0.0 <= ratio <= 1.0:
        raise errors.invalid_field("sampling_ratio", "must be between 0.0 and 1.0.")
    if not ratio:  # recorded: no configuration at all
        settings.ClearField("stackdriver_logging_config")
    retries.keep_fractions(message.retry_config, settings.retry_config)
    return settings


def _parse_rate_limits(message: Any, limits: QueueLimits) -> RateLimits:
    """Return checked rate limits; zero means the default, as proto3 cannot tell it from unset."""
    rate, concurrency = message.max_dispatches_per_second, message.max_concurrent_dispatches
    _check_range("RateLimits.maxDispatchesPerSecond", rate, limits.max_dispatches_per_second)
    _check_range(
        "RateLimits.maxConcurrentDispatches", concurrency, limits.max_concurrent_dispatches
    )
    default = RateLimits()
    rate = rate or default.max_dispatches_per_second
    return RateLimits(rate, burst_of(rate), concurrency or default.max_concurrent_dispatches)


def _check_range(field: str, value: float, limit: float) -> None:
    """Check that a rate limit is from 0 to a limit of the server (recorded)."""
    if not value >= 0:  # also true of NaN
        raise errors.InvalidArgument(f"{field} cannot be negative.")
    if value > limit:
        raise errors.InvalidArgument(f"{field} must be less than or equal to {limit:.15g}.")


def _serialize(settings: Any) -> bytes:
    """Return the stored form of the settings; their size is bounded (ours)."""
    content = bytes(settings.SerializeToString())
    if len(content) > SETTINGS_SIZE:
        raise errors.InvalidArgument(
            f"The settings of a queue must be at most {SETTINGS_SIZE // 1024} KB in total."
        )
    return content

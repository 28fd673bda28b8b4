"""Queue messages, to and from ``core.queue``, with the rules of their own fields.

The settings of a queue that only dispatch needs (HTTP target, routing, logging) are stored as one
serialized Queue message.
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
_ABSENT_IF_EMPTY = ("app_engine_routing_override", "http_target")


def parse(message: Any, name: str, limits: QueueLimits) -> Queue:
    """Return the queue that a message asks for, defaults filled in.

    The checks stop at the first error; their order is that of the lines below.

    Raises:
        InvalidArgument: A field breaks its rule; the message names both.
    """
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
    existing: Queue | None, message: Any, paths: Sequence[str], limits: QueueLimits
) -> Queue:
    """Return what UpdateQueue makes of a queue; None is one that does not exist.

    No paths, or the path ``*``, mean every field. Output-only fields are ignored wherever they
    are named (API text).
    """
    name = message.name
    if paths and list(paths) != ["*"]:
        merged = Message() if existing is None else encode(existing)
        masks.apply([path for path in paths if path not in OUTPUT_ONLY], message, merged)
        message = merged
    changed = parse(message, name, limits)
    if existing is None:
        return changed
    return dataclasses.replace(changed, state=existing.state, purge_time=existing.purge_time)


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
    for field in _ABSENT_IF_EMPTY:
        if not getattr(settings, field).ByteSize():
            settings.ClearField(field)
    if settings.HasField("http_target"):
        targets.check(settings.http_target)
    if settings.HasField("app_engine_routing_override"):
        requests.complete_routing(settings.app_engine_routing_override, name)
    ratio = settings.stackdriver_logging_config.sampling_ratio
    if not 0.0 <= ratio <= 1.0:  # API text
        raise errors.invalid_field(
            "StackdriverLoggingConfig.samplingRatio", "must be between 0.0 and 1.0."
        )
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

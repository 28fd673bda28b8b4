"""RetryConfig, of a queue and of a task, with its rules (recorded, unless marked)."""

from typing import Any

from drayman.core import errors
from drayman.core.clock import SECOND, Micros
from drayman.core.queue import RetryConfig
from drayman.wire import times

_BACKOFFS = {"min_backoff": "minBackoff", "max_backoff": "maxBackoff"}
"""The fields of a delay, and their JSON names."""


def parse(message: Any) -> RetryConfig:
    """Return the checked configuration; Google's defaults stand in for unset and zero fields.

    Raises:
        InvalidArgument: A field breaks its rule; the first in the order of the lines is named.
    """
    if message.max_attempts < -1:
        raise errors.InvalidArgument("RetryConfig.maxAttempts must be greater or equal to -1.")
    min_backoff = _parse_backoff(message, "min_backoff")
    if message.max_doublings < 0:
        raise errors.InvalidArgument("RetryConfig.maxDoublings cannot be negative.")
    max_retry_duration = _parse_duration(message.max_retry_duration)
    max_backoff = _parse_backoff(message, "max_backoff")
    default = RetryConfig()
    _check_order(message, default)
    return RetryConfig(
        max_attempts=message.max_attempts or default.max_attempts,
        max_retry_duration=max_retry_duration,
        min_backoff=min_backoff or default.min_backoff,
        max_backoff=max_backoff or default.max_backoff,
        max_doublings=message.max_doublings or default.max_doublings,
    )


def complete(message: Any, stored: Any) -> None:
    """Write the checked configuration of a task, its unset fields filled in.

    They get Google's defaults, not the values of the queue.
    """
    config = parse(message)
    keep_fractions(message, stored)
    encode(config, stored)


def encode(config: RetryConfig, message: Any) -> None:
    """Write a configuration into a RetryConfig message; a delay that it has already stays."""
    message.max_attempts = config.max_attempts
    if config.max_retry_duration:
        times.set_span(message.max_retry_duration, config.max_retry_duration)
    for name in _BACKOFFS:
        if not message.HasField(name):
            times.set_span(getattr(message, name), getattr(config, name))
    message.max_doublings = config.max_doublings


def keep_fractions(source: Any, target: Any) -> None:
    """Copy the delays that are finer than a microsecond, which ``RetryConfig`` rounds."""
    for name in _BACKOFFS:
        delay = getattr(source, name)
        if delay.nanos % times.NANOS:
            getattr(target, name).CopyFrom(delay)


def _parse_duration(message: Any) -> Micros:
    if message.seconds < 0:
        raise errors.InvalidArgument("RetryConfig.max_retry_duration.seconds cannot be negative.")
    if message.nanos:
        raise errors.InvalidArgument("RetryConfig.max_retry_duration.nanos cannot be set.")
    return times.span("RetryConfig.maxRetryDuration", message)


def _parse_backoff(message: Any, name: str) -> Micros:
    """Return a delay, 0 if it is unset; what is finer than a microsecond is rounded up."""
    delay, field = getattr(message, name), f"RetryConfig.{_BACKOFFS[name]}"
    length = times.span(field, delay)  # ours: it must be a valid duration
    if delay.seconds < 0 or delay.nanos < 0:
        raise errors.InvalidArgument(f"{field} cannot be negative.")
    return length + bool(delay.nanos % times.NANOS)


def _check_order(message: Any, default: RetryConfig) -> None:
    shortest = _nanoseconds(message.min_backoff, default.min_backoff)
    if shortest > _nanoseconds(message.max_backoff, default.max_backoff):
        raise errors.InvalidArgument(
            "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff."
        )


def _nanoseconds(delay: Any, default: Micros) -> int:
    return int(delay.seconds * SECOND * times.NANOS + delay.nanos) or default * times.NANOS

"""RetryConfig, of a queue and of a task, with its rules."""

from typing import Any

from drayman.core import errors
from drayman.core.clock import SECOND, Micros
from drayman.core.queue import RetryConfig
from drayman.wire import times


def parse(message: Any) -> RetryConfig:
    """Return the checked configuration; Google's defaults stand in for unset fields."""
    config = _merge(message, RetryConfig())
    _check(config)
    return config


def complete(message: Any, stored: Any) -> None:
    """Write the checked configuration of a task, its unset fields filled in (recorded).

    They get Google's defaults, not the values of the queue.
    """
    encode(parse(message), stored)


def encode(config: RetryConfig, message: Any) -> None:
    """Write the configuration of a queue into a RetryConfig message."""
    message.max_attempts = config.max_attempts
    if config.max_retry_duration:
        times.set_span(message.max_retry_duration, config.max_retry_duration)
    times.set_span(message.min_backoff, config.min_backoff)
    times.set_span(message.max_backoff, config.max_backoff)
    message.max_doublings = config.max_doublings


def _merge(message: Any, default: RetryConfig) -> RetryConfig:
    """Return the fields of a message over those of ``default``.

    Zero attempts and zero doublings count as unset: proto3 cannot tell them apart.
    """

    def span(field: str, json_name: str, default: Micros) -> Micros:
        if not message.HasField(field):
            return default
        return times.span(f"RetryConfig.{json_name}", getattr(message, field))

    duration = span("max_retry_duration", "maxRetryDuration", default.max_retry_duration)
    return RetryConfig(
        max_attempts=message.max_attempts or default.max_attempts,
        # Truncated to seconds (API text), towards zero as all truncation here.
        max_retry_duration=int(duration / SECOND) * SECOND,
        min_backoff=span("min_backoff", "minBackoff", default.min_backoff),
        max_backoff=span("max_backoff", "maxBackoff", default.max_backoff),
        max_doublings=message.max_doublings or default.max_doublings,
    )


def _check(config: RetryConfig) -> None:
    """Check the values of a configuration (recorded, unless marked)."""
    if config.max_attempts < -1:
        raise errors.InvalidArgument("RetryConfig.maxAttempts must be greater or equal to -1.")
    if config.min_backoff < 0:
        raise errors.InvalidArgument("RetryConfig.minBackoff cannot be negative.")
    if config.max_doublings < 0:
        raise errors.InvalidArgument("RetryConfig.maxDoublings cannot be negative.")
    if config.max_retry_duration < 0:  # ours
        raise errors.invalid_field("RetryConfig.maxRetryDuration", "cannot be negative.")
    if config.max_backoff < 0:  # ours
        raise errors.invalid_field("RetryConfig.maxBackoff", "cannot be negative.")
    if config.min_backoff > config.max_backoff:
        raise errors.InvalidArgument(
            "RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff."
        )

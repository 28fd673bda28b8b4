"""RetryConfig, of a queue and of a task."""

import dataclasses
from typing import Any

from drayman.core.clock import SECOND, Micros
from drayman.core.queue import RetryConfig, check_retry_config
from drayman.wire import times

FOREVER: Micros = 10**18


def accept(message: Any, default: RetryConfig) -> RetryConfig:
    """Return the checked configuration of a RetryConfig message; see ``_merged``."""
    return check_retry_config(_merged(message, default))


def check(message: Any) -> None:
    """Check the configuration of a task by itself; what it leaves out, its queue will decide."""
    check_retry_config(_merged(message, RetryConfig(min_backoff=0, max_backoff=FOREVER)))


def override(message: Any, of_queue: RetryConfig) -> RetryConfig:
    """Return the configuration of a task, which was checked when it was created, over its queue's.

    The queue may have changed since: a first delay that is longer than the longest one is cut.
    """
    merged = _merged(message, of_queue)
    return dataclasses.replace(merged, min_backoff=min(merged.min_backoff, merged.max_backoff))


def _merged(message: Any, default: RetryConfig) -> RetryConfig:
    """Return the configuration of a message.

    What it leaves out comes from ``default``: Google's defaults for a queue, the queue's for a
    task. Zero attempts or doublings count as left out where proto3 cannot tell them apart.
    """

    def span(field: str, json_name: str, otherwise: int) -> int:
        if not message.HasField(field):
            return otherwise
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


def show(config: RetryConfig, message: Any) -> None:
    """Write a queue's configuration into a RetryConfig message."""
    message.max_attempts = config.max_attempts
    if config.max_retry_duration:
        times.set_span(message.max_retry_duration, config.max_retry_duration)
    times.set_span(message.min_backoff, config.min_backoff)
    times.set_span(message.max_backoff, config.max_backoff)
    message.max_doublings = config.max_doublings

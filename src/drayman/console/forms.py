"""Forms: fields of people's input to and from JSON messages of the API.

What a field means is checked by the API alone.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from drayman.console.formats import field
from drayman.console.page import PageRequest
from drayman.core import errors

METHODS = ("POST", "GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


class Setting(NamedTuple):
    """A setting of a queue.

    Attributes:
        path: Its path in the JSON message, and the name of its field.
        label: What people call it.
        hint: Its unit, and values with a meaning of their own.
    """

    path: str
    label: str
    hint: str

    @property
    def is_duration(self) -> bool:
        """Whether its value is a duration."""
        return "uration" in self.path or "Backoff" in self.path

    @property
    def original(self) -> str:
        """The name of the hidden field with the value that the form had at first."""
        return f"original.{self.path}"

    def is_edited(self, request: PageRequest) -> bool:
        """Whether a form has the setting, with another value than at first."""
        return self.path in request.form and (
            request.field(self.path) != request.field(self.original)
        )


SETTINGS: Mapping[str, tuple[Setting, ...]] = {
    "Rate limits": (
        Setting("rateLimits.maxDispatchesPerSecond", "Dispatches per second",
                "Attempts that start in a second, at most."),
        Setting("rateLimits.maxConcurrentDispatches", "Concurrent dispatches",
                "Attempts in flight at once, at most."),
    ),
    "Retries": (
        Setting("retryConfig.maxAttempts", "Attempts",
                "Of a task, the first included; -1: no limit."),
        Setting("retryConfig.maxRetryDuration", "Retry duration",
                "Since the first attempt, such as 3600s; 0s: no limit."),
        Setting("retryConfig.minBackoff", "Shortest backoff", "Wait before the first retry: 0.1s."),
        Setting("retryConfig.maxBackoff", "Longest backoff", "Wait between retries: 3600s."),
        Setting("retryConfig.maxDoublings", "Doublings",
                "How often the wait doubles before it grows linearly."),
    ),
    "Records": (
        Setting("stackdriverLoggingConfig.samplingRatio", "Sampling ratio",
                "Fraction of attempts that are recorded, from 0 to 1."),
    ),
}  # fmt: skip
"""The settings that a form edits, by groups."""
_ALL = tuple(setting for group in SETTINGS.values() for setting in group)


def settings_values(queue: Any, request: PageRequest) -> dict[str, str]:
    """Return the texts of a form with settings: what was sent, otherwise what the queue has."""
    return {each.path: request.field(each.path, _text(queue, each)) for each in _ALL}


def original_values(queue: Any, request: PageRequest) -> dict[str, str]:
    """Return what a form with settings had before it was edited, by the names of hidden fields."""
    return {each.original: request.field(each.original, _text(queue, each)) for each in _ALL}


def changed_settings(request: PageRequest) -> tuple[dict[str, Any], list[str]]:
    """Return the message with the settings that were edited in a form, and their paths.

    The form is compared with its own original values: the queue may have others by now.
    """
    message: dict[str, Any] = {}
    changed = [each for each in _ALL if each.is_edited(request)]
    for setting in changed:
        group, name = setting.path.split(".")
        text = request.field(setting.path)
        if text:  # an empty field resets the setting to its default
            message.setdefault(group, {})[name] = seconds(text) if setting.is_duration else text
    return message, [each.path for each in changed]


def task(request: PageRequest) -> dict[str, Any]:
    """Return the task of a form. InvalidArgument for a header line without a colon."""
    body = request.form.get("body", [""])[-1].replace("\r\n", "\n").encode()
    target: dict[str, Any] = {
        "url": request.field("url"),
        "httpMethod": request.field("httpMethod"),
        "headers": headers(request.field("headers")),
    }
    if body:
        target["body"] = base64.b64encode(body).decode()
    message: dict[str, Any] = {"httpRequest": target}
    if task_id := request.field("taskId"):
        message["name"] = f"{request.queue}/tasks/{task_id}"
    if deadline := request.field("dispatchDeadline"):
        message["dispatchDeadline"] = seconds(deadline)
    if time := request.field("scheduleTime"):
        message["scheduleTime"] = _utc(time)
    return message


def headers(text: str) -> dict[str, str]:
    """Return the header fields of lines such as ``Name: value``. InvalidArgument."""
    fields = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon:
            raise errors.InvalidArgument(
                f'The header line "{line[:100]}" must have the form "Name: value".'
            )
        fields[name.strip()] = value.strip()
    return fields


def seconds(text: str) -> str:
    """Return a duration as JSON has it; a number alone counts as seconds."""
    return f"{text}s" if _NUMBER.fullmatch(text) else text


def _utc(time: str) -> str:
    """Return the moment of an input of local date and time, which the form calls UTC."""
    return f"{time}:00Z" if re.fullmatch(r"[0-9-]+T[0-9]{2}:[0-9]{2}", time) else f"{time}Z"


def _text(queue: Any, setting: Setting) -> str:
    return str(field(queue, setting.path))

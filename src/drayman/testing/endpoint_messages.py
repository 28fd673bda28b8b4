"""Messages of the test endpoints: fields are parsed, responses rendered as JSON values."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from drayman import value_types
from drayman.core import errors, names
from drayman.core.clock import SECOND, Micros
from drayman.testing import values
from drayman.testing.values import Answer, Delivery, NoReply, Reply
from drayman.wire import json_values, times

Parser = Callable[[Any], Any]


def render_delivery(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery."""
    rendered: dict[str, Any] = {
        "task": delivery.task,
        "queue": delivery.queue,
        "url": delivery.url,
        "httpMethod": delivery.method,
        "headers": dict(delivery.headers),
        "body": base64.b64encode(delivery.body).decode(),
        "time": times.text(values.to_micros(delivery.time)),
        "retryCount": delivery.retry_count,
    }
    if delivery.status is not None:
        rendered["status"] = delivery.status
    if delivery.error is not None:
        error = delivery.error
        rendered["error"] = error.value if isinstance(error, NoReply) else str(error)
    return rendered


def parse_text(value: Any) -> str:
    """Return a text that is not empty. ValueError, as of all parsers, says what it must be."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text")
    return value


def parse_duration(value: Any) -> Micros:
    """Return a duration; its form is that of the settings."""
    try:
        return value_types.DURATION.parse(parse_text(value))
    except ValueError:
        raise ValueError(f"must be {value_types.DURATION.allowed}") from None


def parse_time(value: Any) -> Micros:
    """Return a time in the form of RFC 3339."""
    try:
        seconds, nanos = times.parse_rfc3339(parse_text(value))
    except ValueError:
        raise ValueError("must be a time such as 2030-01-01T00:00:00Z") from None
    return seconds * SECOND + nanos // times.NANOS


def parse_count(value: Any) -> int:
    """Return a number of attempts."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("must be a whole number from 1")
    return value


def parse_queue(value: Any) -> str:
    """Return the full name of a queue."""
    try:
        return names.queue(parse_text(value))
    except errors.InvalidArgument:
        raise ValueError(f"must be a full name, {errors.QUEUE_FORM}") from None


_NO_REPLIES = {"TIMEOUT": NoReply.TIMEOUT, "CONNECTION_ERROR": NoReply.CONNECTION_ERROR}


def parse_response(value: Any) -> Answer:
    """Return the response of a target."""
    match value:
        case int(status) if status in values.STATUSES:
            return status
        case str(name) if name in _NO_REPLIES:
            return _NO_REPLIES[name]
        case {"status": int(status), **rest} if status in values.STATUSES and _is_reply(rest):
            return Reply(status, value.get("headers", {}), _body(value))
        case _:
            raise ValueError(
                'must be a status from 200 to 599, "TIMEOUT", "CONNECTION_ERROR" or '
                '{"status": 503, "headers": {}, "body": BASE64}'
            )


def _is_reply(fields: Mapping[Any, Any]) -> bool:
    headers, body = fields.get("headers", {}), fields.get("body", "")
    return (
        fields.keys() <= {"headers", "body"}
        and isinstance(headers, dict)
        and all(isinstance(each, str) for each in headers.values())
        and json_values.is_base64(body)
    )


def _body(fields: Mapping[str, Any]) -> bytes:
    return json_values.from_base64(fields.get("body", ""))


def parse_responses(value: Any) -> list[Answer]:
    """Return a response for each of several requests."""
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of responses")
    return [parse_response(each) for each in value]

"""Messages of the API from and to their JSON values."""

from typing import Any

import click


def value(message: Any) -> Any:
    """Return the JSON value of a message."""
    from google.protobuf import json_format

    serialized = type(message).pb(message) if hasattr(type(message), "pb") else message
    return json_format.MessageToDict(serialized)


def queue(content: Any) -> Any:
    """Return the queue of a JSON value; UsageError."""
    from drayman.tasks_v2 import types

    return types.Queue(_parse(content, types.Queue.pb()()))


def task(content: Any) -> Any:
    """Return the task of a JSON value; UsageError."""
    from drayman.tasks_v2 import types

    return types.Task(_parse(content, types.Task.pb()()))


def policy(content: Any) -> Any:
    """Return the IAM policy of a JSON value; UsageError."""
    from google.iam.v1 import policy_pb2

    return _parse(content, policy_pb2.Policy())


def _parse(content: Any, message: Any) -> Any:
    from google.protobuf import json_format

    try:
        return json_format.ParseDict(content, message)
    except json_format.ParseError as error:
        raise click.UsageError(str(error)) from None

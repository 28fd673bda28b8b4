"""Failures on the way to a server over REST, as the exceptions that gRPC has for them."""

import functools
from typing import Any

import requests
from google.api_core import exceptions


def failure(error: requests.RequestException) -> Exception:
    """``DeadlineExceeded`` for a timeout, ``ServiceUnavailable`` for a lost connection.

    It is an exception of the class that was raised too, for those who catch that of requests.
    Whatever else requests raises concerns the request itself and stays as it is.
    """
    if isinstance(error, requests.Timeout):
        kind: type[exceptions.GoogleAPICallError] = exceptions.DeadlineExceeded
    elif isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        kind = exceptions.ServiceUnavailable
    else:
        return error
    cause: Any = type(error)
    raised: Exception = _both(kind, cause)(str(error))
    vars(raised)["request"] = error.request
    return raised


@functools.cache
def _both(kind: Any, cause: Any) -> Any:
    # Both have a `response`, one of them as a property that cannot be set.
    return type(kind)(kind.__name__, (kind, cause), {"__module__": __name__, "response": None})

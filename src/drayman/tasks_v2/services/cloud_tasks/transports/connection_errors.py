"""Maps connection errors over REST to the exceptions that gRPC raises for them."""

import functools
from typing import Any

import requests
from google.api_core import exceptions


def to_api_error(error: requests.RequestException) -> Exception:
    """Return ``DeadlineExceeded`` for a timeout and ``ServiceUnavailable`` for a lost connection.

    The exception is also an instance of the class of ``error``, so that handlers for exceptions
    of requests catch it. Other errors, which concern the request itself, are returned unchanged.
    """
    if isinstance(error, requests.Timeout):
        api_class: type[exceptions.GoogleAPICallError] = exceptions.DeadlineExceeded
    elif isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        api_class = exceptions.ServiceUnavailable
    else:
        return error
    requests_class: Any = type(error)
    api_error: Exception = _combined_class(api_class, requests_class)(str(error))
    vars(api_error)["request"] = error.request
    return api_error


@functools.cache
def _combined_class(api_class: Any, requests_class: Any) -> Any:
    # Both bases have a `response`, which is a read-only property in one and assigned in the other.
    attributes = {"__module__": __name__, "response": None}
    return type(api_class)(api_class.__name__, (api_class, requests_class), attributes)

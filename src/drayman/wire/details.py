"""Errors as google.rpc.Status, details included."""

from typing import Any

from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from drayman.core.errors import (
    BadRequest,
    Detail,
    ErrorInfo,
    Help,
    LocalizedMessage,
    RetryInfo,
    ServiceError,
)


def status(error: ServiceError) -> Any:
    """Return the google.rpc.Status of an error."""
    return status_pb2.Status(
        code=int(error.code), message=error.message, details=map(_pack, error.details)
    )


def _pack(detail: Detail) -> Any:
    packed = any_pb2.Any()
    packed.Pack(_message(detail))
    return packed


def _message(detail: Detail) -> Any:
    match detail:
        case Help(description, url):
            link = error_details_pb2.Help.Link(description=description, url=url)
            return error_details_pb2.Help(links=[link])
        case ErrorInfo(reason, domain, metadata):
            return error_details_pb2.ErrorInfo(
                reason=reason, domain=domain, metadata=dict(metadata)
            )
        case LocalizedMessage(locale, message):
            return error_details_pb2.LocalizedMessage(locale=locale, message=message)
        case RetryInfo(delay):
            message = error_details_pb2.RetryInfo()
            message.retry_delay.FromMicroseconds(delay)
            return message
        case BadRequest(violations):
            return error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=field, description=text)
                    for field, text in violations
                ]
            )

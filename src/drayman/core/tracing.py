"""Tracing as calls and attempts see it: spans of theirs, and trace contexts in headers.

A trace context is what the headers of ``FIELDS`` say (W3C Trace Context): which span of which trace
caused a request.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from drayman.core.delivery import NoResponse, Request, Response
from drayman.core.lifecycle import Claim

FIELDS = ("traceparent", "tracestate")
"""The headers of a trace context, in lower case."""


class AttemptSpan(Protocol):
    """The span of an attempt.

    Attributes:
        request: The request to send, with the trace context of the attempt.
    """

    request: Request

    def record(self, result: Response | NoResponse) -> None:
        """Record how the attempt ended."""


class Tracing(Protocol):
    """Makes spans."""

    def call(self, method: str, fields: Mapping[bytes, bytes]) -> AbstractContextManager[object]:
        """Return the context in which a call is handled: its span, which ends with it.

        ``method`` is the full name of the call. Its parent is the trace context in the header
        fields of the call.
        """

    def headers(self) -> Mapping[str, str]:
        """Return the trace context of the present call as headers; none outside of a call."""

    def attempt(
        self, claim: Claim, request: Request, address: str
    ) -> AbstractContextManager[AttemptSpan]:
        """Return the context in which a request is sent: the span of the attempt.

        Its parent is the trace context in the headers of the request. ``address`` is the method and
        URL to show.
        """

    def close(self) -> None:
        """Export what has not been exported."""

"""A request over HTTP/1.1, as the connection hands it to the application."""

import dataclasses
import urllib.parse
from collections.abc import Mapping

from drayman.api.request_body import Body
from drayman.core import errors

_MOST_PARAMETERS = 1_000


@dataclasses.dataclass(slots=True)
class Request:
    """A request.

    Attributes:
        method: The HTTP method.
        path: The path as it was sent, percent signs included.
        query: The query as it was sent.
        fields: The header fields by their names in lower case; of several with one name the last.
        content: The body as it was sent; empty until it has arrived.
    """

    method: str
    path: str
    query: str
    fields: Mapping[bytes, bytes]
    content: bytes = b""

    def field(self, name: bytes) -> str:
        """Return the value of a header field, empty if there is none."""
        return self.fields.get(name, b"").decode("latin-1")

    @property
    def body(self) -> Body:
        """The body with its content coding."""
        return Body(self.content, self.field(b"content-encoding"))

    def parameters(self) -> dict[str, list[str]]:
        """Return the values of the query's parameters by their names. InvalidArgument."""
        if not self.query:
            return {}
        try:
            pairs = urllib.parse.parse_qsl(
                self.query,
                keep_blank_values=True,
                errors="strict",
                max_num_fields=_MOST_PARAMETERS,
            )
        except ValueError:
            raise errors.InvalidArgument("The query is malformed.") from None
        parameters: dict[str, list[str]] = {}
        for key, value in pairs:
            parameters.setdefault(key, []).append(value)
        return parameters

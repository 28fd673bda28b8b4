"""HTTP/1.1 on a connection: uvicorn's protocol, without upgrades and with half-closed connections.

``Upgrade`` is an offer that a server may ignore (RFC 9110, section 7.8), and no upgrade is served
here. httptools, the parser, takes the message to end with such a head, and the body would be lost.
The JDK's client and ``curl --http2`` offer ``h2c`` with their requests by default.
"""

from collections.abc import Sequence

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_INVALID = "Invalid HTTP request received."


class HttpProtocol(HttpToolsProtocol):
    """A connection on which every request is read as if it had no ``Upgrade`` header."""

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived."""
        self._unset_keepalive_if_required()
        try:
            self._parse(memoryview(data))
        except httptools.HttpParserError:
            self.logger.warning(_INVALID)
            self.send_400_response(_INVALID)

    def _parse(self, data: memoryview) -> None:
        """Feed the parser, again from each head that offers an upgrade."""
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._parse_head_again()
                data = data[upgrade.args[0] :]
            else:
                return

    def _parse_head_again(self) -> None:
        """Give the present head to a new parser, without its ``Upgrade`` header."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":  # llhttp treats it as an upgrade, with the header or without
            raise httptools.HttpParserError("CONNECT is not served")
        lines = [b"%s %s HTTP/%s" % (method, self.url, version.encode())]
        lines += [b"%s: %s" % field for field in self.headers if field[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn does: data after the last request of a connection is no error.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio reads it, uvicorn gives none
        """Answer what was asked before the caller closed its half, then close the connection.

        The application sees a body that was cut short of its Content-Length, and refuses it. The
        end of a chunked body cannot be told from its loss: such a request is dropped.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return False
        if cycle.more_body and not _has_length(self.headers):
            return False
        cycle.keep_alive = cycle.more_body = False
        cycle.message_event.set()
        return True

    def on_headers_complete(self) -> None:
        """Start the request, unless its head is to be parsed again."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the body, unless it is yet to come."""
        if not self.parser.should_upgrade():
            super().on_message_complete()


def _has_length(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-length" for name, _ in headers)

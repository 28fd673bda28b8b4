"""HTTP/1.1 on a connection: uvicorn's protocol, but upgrades are ignored and half-closes served.

A server may ignore ``Upgrade`` (RFC 9110, section 7.8), and this one supports no upgrade. The
parser, httptools, ends a message after a head with ``Upgrade``, which would lose the body. The
JDK's client and ``curl --http2`` send ``Upgrade: h2c`` by default.
"""

from collections.abc import Sequence

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_INVALID = "Invalid HTTP request received."


class HttpProtocol(HttpToolsProtocol):
    """A connection that parses every request as if it had no ``Upgrade`` header."""

    def data_received(self, data: bytes) -> None:
        """Parse the bytes that have arrived."""
        self._unset_keepalive_if_required()
        try:
            self._parse(memoryview(data))
        except httptools.HttpParserError:
            self.logger.warning(_INVALID)
            self.send_400_response(_INVALID)

    def _parse(self, data: memoryview) -> None:
        """Feed the parser; after a head that offers an upgrade, continue with a new parser."""
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._parse_head_again()
                data = data[upgrade.args[0] :]
            else:
                return

    def _parse_head_again(self) -> None:
        """Feed the present head to a new parser, without its ``Upgrade`` header."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":  # for llhttp an upgrade even without the header
            raise httptools.HttpParserError("CONNECT is not served")
        lines = [b"%s %s HTTP/%s" % (method, self.url, version.encode())]
        lines += [b"%s: %s" % field for field in self.headers if field[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn does: data after the last request of a connection is not an error.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's returns None, asyncio accepts both
        """Answer the requests sent before the caller closed its half, then close the connection.

        A body shorter than its Content-Length reaches the application, which refuses it. A request
        whose chunked body has not ended is dropped: whether the rest was lost cannot be known.
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
        """Start the request, unless its head is parsed again without ``Upgrade``."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the body, unless it follows a head with ``Upgrade``."""
        if not self.parser.should_upgrade():
            super().on_message_complete()


def _has_length(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-length" for name, _ in headers)

"""HTTP/2 as the servers use it. This is the only file that knows the library: ngh2 (libnghttp2).

An engine has no I/O: ``receive`` takes what was read and returns events, ``output`` returns what
to write. A fatal error of the peer ends the engine: ``receive`` returns what came before it,
``output`` a last GOAWAY frame, and ``finished`` is true.
"""

import contextlib

import ngh2
from ngh2 import Event

from drayman.edge import limits

DataReceived = ngh2.DataReceived
PingReceived = ngh2.PingReceived
RequestReceived = ngh2.RequestReceived
SettingsReceived = ngh2.SettingsReceived
StreamClosed = ngh2.StreamClosed
StreamReset = ngh2.StreamReset
TrailersReceived = ngh2.TrailersReceived

Headers = tuple[tuple[bytes, bytes], ...]

NO_ERROR = int(ngh2.ErrorCode.NO_ERROR)
CANCEL = int(ngh2.ErrorCode.CANCEL)
ENHANCE_YOUR_CALM = int(ngh2.ErrorCode.ENHANCE_YOUR_CALM)

_CONFIGURATION = ngh2.Configuration(
    auto_window_update=False,
    # The connection counts resets itself, by the server's clock and with a better error code.
    stream_reset_rate_limit=(1 << 32, 1 << 32),
    max_outbound_ack=limits.OUTBOUND_ACKS,
    max_continuations=limits.CONTINUATIONS,
    max_inbound_header_list_size=limits.METADATA_HARD_SIZE,
    max_inbound_header_count=limits.METADATA_FIELDS,
)
_SETTINGS = {
    ngh2.Setting.MAX_CONCURRENT_STREAMS: limits.CONCURRENT_STREAMS,
    ngh2.Setting.INITIAL_WINDOW_SIZE: limits.STREAM_WINDOW,
    ngh2.Setting.MAX_HEADER_LIST_SIZE: limits.METADATA_SIZE,
}
_GOAWAY = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(4)


class Engine:
    """The server's side of one HTTP/2 connection."""

    def __init__(self) -> None:
        self._connection = ngh2.Connection(ngh2.Role.SERVER, _CONFIGURATION)
        self._connection.initiate_connection(_SETTINGS)
        self._connection.set_local_window_size(limits.CONNECTION_WINDOW)
        self._farewell = b""
        self._failed = False

    def receive(self, data: memoryview) -> list[Event]:
        """Take bytes of the peer and return the events they cause."""
        if self._failed:
            return []
        try:
            self._connection.receive_data(data)
        except ngh2.NGH2Error as error:
            self._fail(error)
        return self._connection.events()

    def _fail(self, error: ngh2.NGH2Error) -> None:
        # After such errors the library writes nothing more; the peer should still learn why.
        denied = isinstance(error, ngh2.DenialOfServiceError)
        code = ngh2.ErrorCode.ENHANCE_YOUR_CALM if denied else ngh2.ErrorCode.PROTOCOL_ERROR
        self._farewell = _GOAWAY + int(code).to_bytes(4, "big")
        self._failed = True

    def events(self) -> list[Event]:
        """Return what writing has caused: closed streams."""
        return self._connection.events()

    def output(self, size: int) -> bytes:
        """Return at most ``size`` bytes to write; what the peer has no window for stays."""
        if self._failed:
            farewell, self._farewell = self._farewell, b""
            return farewell
        return self._connection.data_to_send(size)

    @property
    def finished(self) -> bool:
        """Whether the connection has come to its end: nothing to read or write is left."""
        if self._failed:
            return not self._farewell
        return not (self._connection.want_read or self._connection.want_write)

    @property
    def failed(self) -> bool:
        """Whether a fatal error has ended the connection; nothing can be sent any more."""
        return self._failed

    def queued(self, stream_id: int | None = None) -> int:
        """Return the bytes of responses, of a stream or of all, that are not yet output."""
        try:
            return self._connection.queued_body_size(stream_id)
        except ngh2.NGH2Error:
            return 0  # the stream or the connection has ended

    def consume(self, stream_id: int, size: int) -> None:
        """Reopen the windows for data that has been taken out of its buffer."""
        try:
            self._connection.acknowledge_received_data(size, stream_id)
        except ngh2.NGH2Error:
            return  # the connection has ended

    def respond(self, stream_id: int, headers: Headers, body: bytes, trailers: Headers) -> bool:
        """Queue a whole response; False if the stream is gone."""
        try:
            self._connection.send_response(stream_id, headers)
            self._connection.send_data(stream_id, body)
            self._connection.send_trailers(stream_id, trailers)
        except ngh2.NGH2Error:
            return False
        return True

    def send_headers(self, stream_id: int, headers: Headers, *, end: bool = False) -> bool:
        """Queue the header fields of a response; False if the stream is gone."""
        try:
            self._connection.send_response(stream_id, headers, end_stream=end)
        except ngh2.NGH2Error:
            return False
        return True

    def send_data(self, stream_id: int, data: bytes, *, end: bool = False) -> bool:
        """Queue a part of a response's body; False if the stream is gone."""
        try:
            self._connection.send_data(stream_id, data, end_stream=end)
        except ngh2.NGH2Error:
            return False
        return True

    def send_trailers(self, stream_id: int, trailers: Headers) -> bool:
        """Queue the end of a response; False if the stream is gone."""
        try:
            self._connection.send_trailers(stream_id, trailers)
        except ngh2.NGH2Error:
            return False
        return True

    def reset(self, stream_id: int, code: int) -> None:
        """End a stream at once; what is queued for it is dropped."""
        with contextlib.suppress(ngh2.NGH2Error):
            self._connection.reset_stream(stream_id, code)

    def ping(self) -> None:
        """Queue a ping."""
        with contextlib.suppress(ngh2.NGH2Error):
            self._connection.ping()

    def goaway(self, code: int, reason: bytes = b"") -> None:
        """Accept no new streams. A code other than NO_ERROR ends the connection."""
        with contextlib.suppress(ngh2.NGH2Error):
            self._connection.send_goaway(code, debug_data=reason)

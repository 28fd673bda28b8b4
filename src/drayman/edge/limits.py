"""The limits of connections, one row each, with the reason for its size."""

from drayman.core.clock import MINUTE, SECOND, Micros

CONNECTIONS = 8_192
"""The most connections at once. An idle one costs about 20 KB, and over TLS 50 KB."""
CONNECTIONS_OF_ADDRESS = 4_096
"""The most connections of one address: half of all, because a proxy is one address too."""
CONCURRENT_CALLS = 10_000
"""The most unary calls in progress; further ones get RESOURCE_EXHAUSTED."""
CONCURRENT_STREAMS = 200
"""The most calls in progress on one connection. Clients queue what exceeds it."""
STREAMING_CALLS = 1_000
"""The most streaming calls (watches, reflection) in progress, apart from unary calls: a stream may
stay open for days."""
REFLECTION_CALLS = 20
"""The most calls of reflection in progress, a tool of developers with large responses."""
STREAMING_CALLS_OF_CONNECTION = 20
"""The most streaming calls on one connection, so that unary calls always find a free stream."""

BYTES_IN_FLIGHT = 128 << 20
"""The most bytes of requests and unread responses over all connections: eight of the largest."""
BYTES_OF_CONNECTION = 32 << 20
"""The most bytes of requests and unread responses of one connection: two large requests."""
SMALL_CALL = 64 << 10
"""A request or response of at most so many bytes may use the whole budget, larger ones leave a
quarter of it free. So large ones cannot keep others from being served."""
MESSAGE_OVERHEAD = 64
"""The bytes that an unread message of a stream counts beside those it was sent in: its object in
memory. Otherwise messages of a few bytes would hold ten times the memory that is counted."""
TRANSFER_TIME: Micros = 2 * SECOND
"""How long a large request may arrive, and a large response be read, before a later one that finds
no room may end it: 8 MB/s for the largest. Without pressure the longer timeouts below hold."""

METADATA_SIZE = 64 << 10
"""The most bytes of a request's header fields, each with 32 bytes of overhead (RFC 9113, 6.5.2)."""
METADATA_HARD_SIZE = 2 * METADATA_SIZE
"""Beyond this size of header fields the connection ends: decoding them is not worth it."""
METADATA_FIELDS = 1_024
"""Beyond this number of header fields the connection ends."""
HTTP1_FIELDS = 100
"""The most header fields of an HTTP/1.1 request, with those of its trailers."""
PIPELINED_REQUESTS = 16
"""The requests that wait on an HTTP/1.1 connection from which on nothing more is parsed."""
PARSE_SIZE = 1 << 10
"""The bytes of HTTP/1.1 that are parsed between two checks: at most 56 requests."""
STREAM_WINDOW = 1 << 20
"""The flow-control window of a stream: a round trip of 10 ms allows 100 MB/s."""
CONNECTION_WINDOW = 4 << 20
"""The flow-control window of a connection: one busy stream leaves room for others."""
READ_SIZE = 4 << 10
"""The bytes that the HTTP/2 engine is given at once: at most 450 events, 2 ms of work."""
SMALL_READ = 512
"""The bytes of a read that is always worked off at once: one call, or 0.3 ms of work."""
EVENTS_OF_TURN = 250
"""The events in one turn of the event loop of connections that have just read, some ms of work. The
smallest frames have nine bytes, so that one read may hold 28,000."""
WAITING_EVENTS_OF_TURN = 100
"""The events in one turn of the event loop of connections that have read more than that."""
EVENTS_OF_PIECE = 50
"""The events of one connection that waits, until it is the next one's turn. Each large message
that is sent, and each message of a stream that is decompressed, counts as so many events."""
BYTES_OF_EVENT = 1 << 10
"""The bytes of data that count as one more event."""
WORK_OF_EVENT = 8
"""The work of the HTTP/1.1 parser that counts as one more event, in header fields of 0.4 µs each. A
part of a body counts as 2, a request as 8: 1 KB of chunks of one byte has 340."""
WORK_OF_PIECE = 24
"""The work that is free in each piece parsed, so that an ordinary request is one event."""
OUTPUT_SIZE = 256 << 10
"""The most bytes of one write. Answers beyond what the client reads stay in the HTTP/2 engine."""
HIGH_WATER = 256 << 10
"""The unwritten bytes of a connection from which on nothing more is read or written."""

PREFACE_TIMEOUT: Micros = 10 * SECOND
"""How long a client may take to open the HTTP/2 connection."""
ACCEPTS_OF_TURN = 100
"""The connections of a TLS listener that are accepted in one turn of the event loop."""
ACCEPT_PAUSE: Micros = SECOND
"""How long nothing is accepted after the system had no file or no memory for a connection."""
HANDSHAKES = 1_000
"""The TLS handshakes in progress on a listener, beyond which a new one ends the oldest: an honest
client is done within milliseconds."""
HANDSHAKE_TIMEOUT: Micros = 10 * SECOND
"""How long a TLS handshake may take."""
HEAD_TIMEOUT: Micros = 10 * SECOND
"""How long the head of an HTTP/1.1 request may take to arrive."""
REQUEST_TIMEOUT: Micros = 60 * SECOND
"""How long a unary request may take to arrive: twice the longest deadline of Cloud Tasks' calls."""
KEEP_ALIVE_TIMEOUT: Micros = 5 * SECOND
"""How long an HTTP/1.1 connection may be idle after a response."""
WRITE_TIMEOUT: Micros = 30 * SECOND
"""How long a client may leave responses unread before its connection ends."""
DISCARD_TIMEOUT: Micros = 10 * SECOND
"""How long a client that was refused may go on to send, so that it reads the response."""
DISCARDED_BYTES = 32 << 20
"""The most bytes that it may send: two large requests."""
PROGRESS_INTERVAL: Micros = 5 * SECOND
"""How often requests that have not arrived and responses that are not read are checked."""
IDLE_TIMEOUT: Micros = 5 * MINUTE
"""A connection that has been silent for so long is asked for a sign of life by a ping."""
PING_TIMEOUT: Micros = 20 * SECOND
"""How long the response to that ping may take."""

PING_INTERVAL: Micros = 5 * SECOND
"""What a client must leave between two keepalive pings. Clients of Go may ping every 10 s, and a
ping that the network delays comes closer to the next."""
PING_STRIKES = 2
"""How many pings may come sooner before the client is sent away (gRPC's number). Each response sets
the count back."""
BYTES_OF_PING = 1 << 10
"""For so many bytes of responses a client may ping once more: clients measure their bandwidth by
up to one ping for each frame of data, and frames are small where windows are."""
PING_CREDIT = 10_000
"""The most such pings that a client can save up."""
RESETS = (500, 50)
"""The calls that a client may cancel: at once, and per second. More look like a rapid-reset attack;
200 calls that end by their deadline together are normal."""
SETTINGS_FRAMES = (100, 10)
"""The SETTINGS frames of a client: at once, and per second. One is normal, clients that tune their
windows send some."""
CONTINUATIONS = 8
"""The most CONTINUATION frames of a header block: with frames of 16 KB, twice METADATA_SIZE."""
OUTBOUND_ACKS = 1_000
"""The most acknowledgements of SETTINGS and PING frames that may wait to be written."""

"""A server that only answers: what is left to measure is the client.

python -m bench.trivial --port PORT [--http-port PORT] [--host HOST]
"""

import argparse
import asyncio
import contextlib
import gc
from typing import Any

import httptools
import ngh2
import uvloop
from google.longrunning import operations_pb2

from bench import messages
from drayman.tasks_v2 import types

WINDOW = 1 << 24
OPTIONS = ngh2.Configuration(max_outbound_ack=10_000)


def replies() -> dict[bytes, bytes]:
    """Return the reply of each method that has one; all others reply an empty message."""
    create = types.CreateTaskRequest.pb().FromString(messages.create_task(QUEUE, messages.IDLE_URL))
    create.task.name = f"{QUEUE}/tasks/1"
    operation = operations_pb2.Operation(name="operations/1", done=True)
    created = types.BatchCreateTasksResponse.pb()(tasks=[create.task] * messages.BATCH)
    operation.response.Pack(created)
    return {
        messages.path("CreateTask").encode(): create.task.SerializeToString(),
        messages.path("BatchCreateTasks").encode(): operation.SerializeToString(),
    }


QUEUE = messages.queue_name("q")
HEADERS = ((b":status", b"200"), (b"content-type", b"application/grpc"))
TRAILERS = ((b"grpc-status", b"0"),)


class GrpcConnection(asyncio.Protocol):
    """Answers each gRPC call when its request is complete."""

    def __init__(self, frames: dict[bytes, bytes]) -> None:
        self._frames = frames
        self._paths: dict[int, bytes] = {}
        self._http2 = ngh2.Connection(ngh2.Role.SERVER, OPTIONS)
        self._http2.initiate_connection(
            {ngh2.Setting.INITIAL_WINDOW_SIZE: WINDOW, ngh2.Setting.MAX_CONCURRENT_STREAMS: 1000}
        )
        self._http2.set_local_window_size(WINDOW)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the settings."""
        self._transport: Any = transport
        transport.write(self._http2.data_to_send())

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        try:
            self._http2.receive_data(data)
        except ngh2.NGH2Error:
            self._transport.abort()
            return
        for event in self._http2.events():
            kind = type(event)
            if kind is ngh2.RequestReceived:
                self._paths[event.stream_id] = dict(event.headers)[b":path"]
            elif kind is ngh2.StreamClosed:
                self._paths.pop(event.stream_id, None)
            if getattr(event, "end_stream", False):
                self._answer(event.stream_id)
        self._transport.write(self._http2.data_to_send())

    def _answer(self, stream: int) -> None:
        self._http2.send_response(stream, HEADERS)
        self._http2.send_data(stream, self._frames.get(self._paths[stream], b"\0\0\0\0\0"))
        self._http2.send_trailers(stream, TRAILERS)


class HttpConnection(asyncio.Protocol):
    """Answers each HTTP/1.1 request when it is complete."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Parse requests."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Answer."""
        self._transport.write(self._answer)


def http_answer() -> bytes:
    """Return a created task, as a whole HTTP/1.1 response."""
    body = types.Task.to_json(
        types.Task(name=f"{QUEUE}/tasks/1", http_request={"url": messages.IDLE_URL})
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def serve(host: str, port: int, http_port: int | None) -> None:
    """Serve until the process is ended."""
    loop = asyncio.get_running_loop()
    frames = {
        path: b"\0" + len(reply).to_bytes(4, "big") + reply for path, reply in replies().items()
    }
    server = await loop.create_server(lambda: GrpcConnection(frames), host, port)
    if http_port is not None:
        answer = http_answer()
        await loop.create_server(lambda: HttpConnection(answer), host, http_port, backlog=4096)
    await server.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--http-port", type=int)
    options = parser.parse_args()
    gc.freeze()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(options.host, options.port, options.http_port))


if __name__ == "__main__":
    main()

"""A gRPC server on loopback that writes down what it receives and answers what it is told."""

import collections
import dataclasses
import functools
import http.server
import json
import threading
from concurrent import futures

import grpc


@dataclasses.dataclass
class Received:
    method: str
    metadata: dict
    body: bytes
    timeout: float | None


@dataclasses.dataclass
class Failure:
    code: grpc.StatusCode
    message: str


class GrpcRecorder(grpc.GenericRpcHandler):
    def __init__(self, credentials=None):
        self.received = []
        self.answers = collections.deque()
        self.script = None
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((self,))
        listen = self._server.add_insecure_port
        if credentials:
            listen = functools.partial(self._server.add_secure_port, server_credentials=credentials)
        self.address = f"127.0.0.1:{listen('127.0.0.1:0')}"
        self._server.start()

    def service(self, handler_call_details):
        def answer(body, context):
            left = context.time_remaining()
            metadata = dict(handler_call_details.invocation_metadata)
            self.received.append(
                Received(
                    handler_call_details.method,
                    metadata,
                    body,
                    # Without a deadline gRPC says "in a million years".
                    left if left is not None and left < 1e6 else None,
                )
            )
            if self.script:
                told = self.script(handler_call_details.method.rpartition("/")[2], body)
            else:
                told = self.answers.popleft() if self.answers else b""
            if isinstance(told, Failure):
                context.abort(told.code, told.message)
            return told

        return grpc.unary_unary_rpc_method_handler(answer)

    def take(self):
        """What came since the last call."""
        taken, self.received = self.received, []
        return taken

    def stop(self):
        self._server.stop(None).wait()


@dataclasses.dataclass
class Asked:
    verb: str
    path: str
    headers: dict
    body: bytes


class RestRecorder:
    """An HTTP server on loopback that does the same. An answer is a status and a JSON value."""

    def __init__(self):
        recorder = self
        self.received = []
        self.answers = collections.deque()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                recorder.received.append(
                    Asked(self.command, self.path, dict(self.headers), self.rfile.read(length))
                )
                status, value = recorder.answers.popleft() if recorder.answers else (200, {})
                content = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

            def log_message(self, *_args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def take(self):
        taken, self.received = self.received, []
        return taken

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

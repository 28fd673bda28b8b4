"""Servers on loopback, gRPC and REST, that record each call and send scripted responses."""

import collections
import dataclasses
import functools
import http.server
import json
import threading
from concurrent import futures

import grpc

AGENT = "x-goog-api-client"
# gRPC reports this many seconds or more for a call without a deadline.
NO_DEADLINE = 1e6


@dataclasses.dataclass
class GrpcCall:
    method: str
    metadata: dict
    body: bytes
    timeout: float | None


@dataclasses.dataclass
class Failure:
    """A scripted response that is an error."""

    code: grpc.StatusCode
    message: str


class GrpcRecorder(grpc.GenericRpcHandler):
    """A gRPC server that records all calls.

    Attributes:
        calls: The recorded calls.
        responses: The next responses, as bytes or ``Failure``. An empty message without one.
        handler: A function of RPC name and request bytes that returns the response instead.
    """

    def __init__(self, credentials=None):
        self.calls = []
        self.responses = collections.deque()
        self.handler = None
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((self,))
        listen = self._server.add_insecure_port
        if credentials:
            listen = functools.partial(self._server.add_secure_port, server_credentials=credentials)
        self.address = f"127.0.0.1:{listen('127.0.0.1:0')}"
        self._server.start()

    def service(self, handler_call_details):
        def respond(body, context):
            remaining = context.time_remaining()
            self.calls.append(
                GrpcCall(
                    handler_call_details.method,
                    dict(handler_call_details.invocation_metadata),
                    body,
                    remaining if remaining is not None and remaining < NO_DEADLINE else None,
                )
            )
            if self.handler:
                response = self.handler(handler_call_details.method.rpartition("/")[2], body)
            else:
                response = self.responses.popleft() if self.responses else b""
            if isinstance(response, Failure):
                context.abort(response.code, response.message)
            return response

        return grpc.unary_unary_rpc_method_handler(respond)

    def reset(self):
        """Forget all calls and scripted responses."""
        self.calls = []
        self.responses.clear()
        self.handler = None

    def take(self):
        """Return the calls since the last ``take``."""
        calls, self.calls = self.calls, []
        return calls

    def take_comparable(self):
        """Return the one call since the last ``take``, without what differs between clients."""
        (call,) = self.take()
        assert call.metadata.pop(AGENT).startswith("gl-python/")
        call.metadata.pop("user-agent")
        return call.method, call.metadata, call.body, call.timeout and round(call.timeout)

    def stop(self):
        self._server.stop(None).wait()


@dataclasses.dataclass
class RestCall:
    verb: str
    path: str
    headers: dict
    body: bytes


class RestRecorder:
    """An HTTP server that records all calls.

    Attributes:
        calls: The recorded calls.
        responses: The next responses, as a status code and a JSON value or bytes. An empty JSON
            object without one.
    """

    def __init__(self):
        recorder = self
        self.calls = []
        self.responses = collections.deque()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def respond(self):
                length = int(self.headers.get("Content-Length") or 0)
                recorder.calls.append(
                    RestCall(self.command, self.path, dict(self.headers), self.rfile.read(length))
                )
                status, value = recorder.responses.popleft() if recorder.responses else (200, {})
                content = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815

            def log_message(self, *_args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def reset(self):
        """Forget all calls and scripted responses."""
        self.calls = []
        self.responses.clear()

    def take(self):
        """Return the calls since the last ``take``."""
        calls, self.calls = self.calls, []
        return calls

    def take_comparable(self):
        """Return the one call since the last ``take``, without what differs between clients."""
        (call,) = self.take()
        assert call.headers.pop(AGENT).startswith("gl-python/")
        call.headers.pop("User-Agent")
        call.headers.pop("Content-Length", None)
        return call.verb, call.path, call.headers, json.loads(call.body) if call.body else None

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

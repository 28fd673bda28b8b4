"""A gRPC server on loopback that writes down what it receives and answers what it is told."""

import collections
import dataclasses
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
    def __init__(self):
        self.received = []
        self.answers = collections.deque()
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
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

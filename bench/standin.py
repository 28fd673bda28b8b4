"""A server that only responds, so that the cost of a call is the client's.

It prints the addresses of its gRPC and REST ports and runs until it is terminated.
"""

import asyncio
import json

import grpc
import uvicorn
import uvloop
from google.cloud import tasks_v2
from google.longrunning import operations_pb2

CREATE = tasks_v2.CreateTaskRequest.pb()
BATCH = tasks_v2.BatchCreateTasksRequest.pb()
CREATED = tasks_v2.BatchCreateTasksResponse.pb()


async def create_task(body, _context):
    request = CREATE.FromString(body)
    request.task.name = f"{request.parent}/tasks/1"
    return request.task.SerializeToString()


async def batch_create_tasks(body, _context):
    request = BATCH.FromString(body)
    created = CREATED()
    for one in request.requests:
        task = created.tasks.add()
        task.CopyFrom(one.task)
        task.name = f"{one.parent}/tasks/1"
    operation = operations_pb2.Operation(name="operations/1", done=True)
    operation.response.Pack(created)
    return operation.SerializeToString()


HANDLERS = {
    "/google.cloud.tasks.v2.CloudTasks/CreateTask": create_task,
    "/google.cloud.tasks.v2.CloudTasks/BatchCreateTasks": batch_create_tasks,
}


class Handlers(grpc.GenericRpcHandler):
    def service(self, handler_call_details):
        handler = HANDLERS.get(handler_call_details.method)
        return handler and grpc.unary_unary_rpc_method_handler(handler)


async def rest(scope, receive, send):
    """Respond to a creation over HTTP with the task."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = json.dumps(json.loads(body)["task"] | {"name": "projects/p/tasks/1"}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def main():
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handlers(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    http = uvicorn.Server(uvicorn.Config(rest, port=0, log_level="error", access_log=False))
    serving = asyncio.create_task(http.serve())
    while not http.started:
        await asyncio.wait([serving], timeout=0.01)
    http_port = http.servers[0].sockets[0].getsockname()[1]
    print(f"ready grpc=127.0.0.1:{port} http=http://127.0.0.1:{http_port}", flush=True)
    await serving


if __name__ == "__main__":
    uvloop.run(main())

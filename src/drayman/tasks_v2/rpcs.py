"""The table of RPCs, one row each.

The client's stubs, the server's gRPC handlers, its REST routes and the reference documentation
are loops over these rows. Paths, bodies, timeouts and retries are those of Google's client 2.26.0.
"""

import dataclasses
from typing import Any, Literal

from google.cloud.location import locations_pb2
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from drayman.tasks_v2 import types

SERVICE = "google.cloud.tasks.v2.CloudTasks"

_QUEUE = "projects/*/locations/*/queues/*"
_TASK = "projects/*/locations/*/queues/*/tasks/*"
_LOCATION = "projects/*/locations/*"


@dataclasses.dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC.

    Attributes:
        name: The name in the service, ``CreateTask``.
        method: The name of the client method, ``create_task``.
        permission: The permission that the call needs on its resource (IAM).
        request: The class of the request: a proto-plus message, or a plain protobuf message for
            RPCs of IAM, locations and operations.
        response: The class of the response.
        verb: The HTTP method over REST.
        path: The REST path below the version, with a field of the request and its pattern in
            braces.
        body: The request field that is the REST body, ``*`` for all fields that are not in the
            path, or None for no body.
        routing: The request field that is repeated in the ``x-goog-request-params`` header.
        timeout: The client's default timeout in seconds, or None for no timeout.
        retried: Whether the client retries DEADLINE_EXCEEDED and UNAVAILABLE by default.
        flattened: The request fields that are also arguments of the client method.
        service: The gRPC service.
    """

    name: str
    method: str
    permission: str
    request: Any
    response: Any
    verb: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    body: str | None
    routing: str
    flattened: tuple[str, ...]
    retried: bool = False
    timeout: float | None = 20.0
    service: str = SERVICE

    @property
    def pattern(self) -> str:
        """The form of the routing field, ``projects/*/locations/*``."""
        return self.path.partition("=")[2].partition("}")[0]

    @property
    def full_name(self) -> str:
        """The gRPC path, ``/SERVICE/NAME``."""
        return f"/{self.service}/{self.name}"


_EMPTY = empty_pb2.Empty

RPCS: tuple[Rpc, ...] = (
    Rpc("ListQueues", "list_queues", "cloudtasks.queues.list",
        types.ListQueuesRequest, types.ListQueuesResponse,
        "GET", f"{{parent={_LOCATION}}}/queues", None, "parent", ("parent",), retried=True),
    Rpc("GetQueue", "get_queue", "cloudtasks.queues.get",
        types.GetQueueRequest, types.Queue,
        "GET", f"{{name={_QUEUE}}}", None, "name", ("name",), retried=True),
    Rpc("CreateQueue", "create_queue", "cloudtasks.queues.create",
        types.CreateQueueRequest, types.Queue,
        "POST", f"{{parent={_LOCATION}}}/queues", "queue", "parent", ("parent", "queue")),
    Rpc("UpdateQueue", "update_queue", "cloudtasks.queues.update",
        types.UpdateQueueRequest, types.Queue,
        "PATCH", f"{{queue.name={_QUEUE}}}", "queue", "queue.name", ("queue", "update_mask")),
    Rpc("DeleteQueue", "delete_queue", "cloudtasks.queues.delete",
        types.DeleteQueueRequest, _EMPTY,
        "DELETE", f"{{name={_QUEUE}}}", None, "name", ("name",), retried=True),
    Rpc("PurgeQueue", "purge_queue", "cloudtasks.queues.purge",
        types.PurgeQueueRequest, types.Queue,
        "POST", f"{{name={_QUEUE}}}:purge", "*", "name", ("name",)),
    Rpc("PauseQueue", "pause_queue", "cloudtasks.queues.pause",
        types.PauseQueueRequest, types.Queue,
        "POST", f"{{name={_QUEUE}}}:pause", "*", "name", ("name",)),
    Rpc("ResumeQueue", "resume_queue", "cloudtasks.queues.resume",
        types.ResumeQueueRequest, types.Queue,
        "POST", f"{{name={_QUEUE}}}:resume", "*", "name", ("name",)),
    Rpc("GetIamPolicy", "get_iam_policy", "cloudtasks.queues.list",
        iam_policy_pb2.GetIamPolicyRequest, policy_pb2.Policy,
        "POST", f"{{resource={_QUEUE}}}:getIamPolicy", "*", "resource", ("resource",),
        retried=True),
    Rpc("SetIamPolicy", "set_iam_policy", "cloudtasks.queues.list",
        iam_policy_pb2.SetIamPolicyRequest, policy_pb2.Policy,
        "POST", f"{{resource={_QUEUE}}}:setIamPolicy", "*", "resource", ("resource",)),
    Rpc("TestIamPermissions", "test_iam_permissions", "cloudtasks.queues.list",
        iam_policy_pb2.TestIamPermissionsRequest, iam_policy_pb2.TestIamPermissionsResponse,
        "POST", f"{{resource={_QUEUE}}}:testIamPermissions", "*", "resource",
        ("resource", "permissions"), retried=True),
    Rpc("ListTasks", "list_tasks", "cloudtasks.tasks.list",
        types.ListTasksRequest, types.ListTasksResponse,
        "GET", f"{{parent={_QUEUE}}}/tasks", None, "parent", ("parent",), retried=True),
    Rpc("GetTask", "get_task", "cloudtasks.tasks.get",
        types.GetTaskRequest, types.Task,
        "GET", f"{{name={_TASK}}}", None, "name", ("name",), retried=True),
    Rpc("CreateTask", "create_task", "cloudtasks.tasks.create",
        types.CreateTaskRequest, types.Task,
        "POST", f"{{parent={_QUEUE}}}/tasks", "*", "parent", ("parent", "task")),
    Rpc("BatchCreateTasks", "batch_create_tasks", "cloudtasks.tasks.create",
        types.BatchCreateTasksRequest, operations_pb2.Operation,
        "POST", f"{{parent={_QUEUE}}}/tasks:batchCreate", "*", "parent", ("parent", "requests"),
        timeout=None),
    Rpc("DeleteTask", "delete_task", "cloudtasks.tasks.delete",
        types.DeleteTaskRequest, _EMPTY,
        "DELETE", f"{{name={_TASK}}}", None, "name", ("name",), retried=True),
    Rpc("BatchDeleteTasks", "batch_delete_tasks", "cloudtasks.tasks.delete",
        types.BatchDeleteTasksRequest, operations_pb2.Operation,
        "POST", f"{{parent={_QUEUE}}}/tasks:batchDelete", "*", "parent", ("parent", "names"),
        timeout=None),
    Rpc("RunTask", "run_task", "cloudtasks.tasks.run",
        types.RunTaskRequest, types.Task,
        "POST", f"{{name={_TASK}}}:run", "*", "name", ("name",)),
    Rpc("UpdateCmekConfig", "update_cmek_config", "cloudtasks.cmekConfig.update",
        types.UpdateCmekConfigRequest, types.CmekConfig,
        "PATCH", f"{{cmek_config.name={_LOCATION}/cmekConfig}}", "cmek_config",
        "cmek_config.name", ("cmek_config", "update_mask")),
    Rpc("GetCmekConfig", "get_cmek_config", "cloudtasks.cmekConfig.get",
        types.GetCmekConfigRequest, types.CmekConfig,
        "GET", f"{{name={_LOCATION}/cmekConfig}}", None, "name", ("name",)),
)  # fmt: skip

# RPCs of other services on the same host.
MIXINS: tuple[Rpc, ...] = (
    Rpc("GetOperation", "get_operation", "cloudtasks.operations.get",
        operations_pb2.GetOperationRequest, operations_pb2.Operation,
        "GET", f"{{name={_LOCATION}/operations/*}}", None, "name", (),
        timeout=None, service="google.longrunning.Operations"),
    Rpc("GetLocation", "get_location", "cloudtasks.locations.get",
        locations_pb2.GetLocationRequest, locations_pb2.Location,
        "GET", f"{{name={_LOCATION}}}", None, "name", (),
        timeout=None, service="google.cloud.location.Locations"),
    Rpc("ListLocations", "list_locations", "cloudtasks.locations.list",
        locations_pb2.ListLocationsRequest, locations_pb2.ListLocationsResponse,
        "GET", "{name=projects/*}/locations", None, "name", (),
        timeout=None, service="google.cloud.location.Locations"),
)  # fmt: skip

# RPCs that the server implements and that Google's client has no method for.
OPERATIONS: tuple[Rpc, ...] = (
    Rpc("ListOperations", "list_operations", "cloudtasks.operations.list",
        operations_pb2.ListOperationsRequest, operations_pb2.ListOperationsResponse,
        "GET", f"{{name={_LOCATION}}}/operations", None, "name", (),
        timeout=None, service="google.longrunning.Operations"),
    Rpc("DeleteOperation", "delete_operation", "cloudtasks.operations.delete",
        operations_pb2.DeleteOperationRequest, _EMPTY,
        "DELETE", f"{{name={_LOCATION}/operations/*}}", None, "name", (),
        timeout=None, service="google.longrunning.Operations"),
    Rpc("CancelOperation", "cancel_operation", "cloudtasks.operations.cancel",
        operations_pb2.CancelOperationRequest, _EMPTY,
        "POST", f"{{name={_LOCATION}/operations/*}}:cancel", "*", "name", (),
        timeout=None, service="google.longrunning.Operations"),
    Rpc("WaitOperation", "wait_operation", "cloudtasks.operations.get",
        operations_pb2.WaitOperationRequest, operations_pb2.Operation,
        "POST", f"{{name={_LOCATION}/operations/*}}:wait", "*", "name", (),
        timeout=None, service="google.longrunning.Operations"),
)  # fmt: skip

SERVED: tuple[Rpc, ...] = (*RPCS, *MIXINS, *OPERATIONS)
BY_NAME = {rpc.name: rpc for rpc in SERVED}
BY_METHOD = {rpc.method: rpc for rpc in SERVED}

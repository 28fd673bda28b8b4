"""The client for asyncio."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from google.cloud.location import locations_pb2
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2, field_mask_pb2

from drayman.tasks_v2 import types
from drayman.tasks_v2.services.cloud_tasks import operations, pagers
from drayman.tasks_v2.services.cloud_tasks.base_client import BaseClient
from drayman.tasks_v2.services.cloud_tasks.batches import AsyncTasks, Creation
from drayman.tasks_v2.services.cloud_tasks.bulk_asyncio import AsyncBulk
from drayman.tasks_v2.services.cloud_tasks.requests import (
    DEFAULT,
    AsyncRetry,
    Metadata,
    Timeout,
    is_default,
)

if TYPE_CHECKING:
    from google.api_core import operation_async


class CloudTasksAsyncClient(BaseClient):
    """Creates tasks and manages queues, from asyncio.

    Every method takes its request as a message, as a dict, or field by field in the keyword
    arguments, and with it:

    * ``retry``: a ``google.api_core.retry.AsyncRetry``, or None for none. By default
      ``list_queues``, ``get_queue``, ``delete_queue``, ``list_tasks``, ``get_task``,
      ``delete_task``, ``get_iam_policy`` and ``test_iam_permissions`` are repeated for up to 20
      seconds while they fail with ``ServiceUnavailable`` or ``DeadlineExceeded``; so are the polls
      of an operation. No other call is.
    * ``timeout``: seconds until the call is given up, or None. By default 20; none for
      ``batch_create_tasks``, ``batch_delete_tasks`` and the calls about locations and operations.
    * ``metadata``: headers to send along.

    Besides the errors listed with a method, any can raise ``ServiceUnavailable``,
    ``DeadlineExceeded``, ``PermissionDenied``, ``Unauthenticated``, all from
    ``google.api_core.exceptions``, and ``ValueError`` when a request is given twice or has an
    unknown field.

    How a client is made stands with ``BaseClient``.
    """

    _transports = ("grpc_asyncio",)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the transport, which must not be shared with other clients."""
        await self.transport.close()

    async def list_queues(
        self,
        request: types.ListQueuesRequest | Mapping[str, Any] | None = None,
        *,
        parent: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> pagers.ListQueuesAsyncPager:
        """List the queues of a location, ordered by name.

        ``parent`` is the location's name. A request can also hold a ``filter`` (``state: PAUSED``)
        and a ``page_size``.

        Returns:
            A pager: iterate over it for the queues, over its ``pages`` for the responses.

        Raises:
            InvalidArgument: The parent is no location, or the filter cannot be read.

        Example:
            >>> async for queue in await client.list_queues(parent=location):
            ...     print(queue.name, queue.state)
        """
        call, request, options = self._prepare(
            "list_queues", request, {"parent": parent}, retry, timeout, metadata
        )
        response = await call(request, **options)
        return pagers.ListQueuesAsyncPager(call, request, response, **options)

    async def get_queue(
        self,
        request: types.GetQueueRequest | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.Queue:
        """Get a queue with its settings and state.

        Raises:
            NotFound: There is no such queue.

        Example:
            >>> queue = await client.get_queue(name=path)
        """
        call, request, options = self._prepare(
            "get_queue", request, {"name": name}, retry, timeout, metadata
        )
        response: types.Queue = await call(request, **options)
        return response

    async def create_queue(
        self,
        request: types.CreateQueueRequest | Mapping[str, Any] | None = None,
        *,
        parent: str | None = None,
        queue: types.Queue | Mapping[str, Any] | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.Queue:
        """Create a queue.

        ``parent`` is the location's name. The queue must have a name; the limits and retry settings
        that it leaves out get their defaults.

        Raises:
            AlreadyExists: There is such a queue already.
            FailedPrecondition: A queue of that name was deleted a short time ago.
            InvalidArgument: A setting is outside its bounds.

        Example:
            >>> await client.create_queue(parent=location, queue={"name": path})
        """
        call, request, options = self._prepare(
            "create_queue", request, {"parent": parent, "queue": queue}, retry, timeout, metadata
        )
        response: types.Queue = await call(request, **options)
        return response

    async def update_queue(
        self,
        request: types.UpdateQueueRequest | Mapping[str, Any] | None = None,
        *,
        queue: types.Queue | Mapping[str, Any] | None = None,
        update_mask: field_mask_pb2.FieldMask | Mapping[str, Any] | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.Queue:
        """Change a queue's settings, or create the queue when it is missing.

        ``update_mask`` names the fields to change; without it all of them are set. State and name
        cannot be changed this way.

        Raises:
            InvalidArgument: A setting is outside its bounds, or the mask names an unknown field.

        Example:
            >>> queue = types.Queue(name=path, rate_limits={"max_dispatches_per_second": 5})
            >>> mask = {"paths": ["rate_limits.max_dispatches_per_second"]}
            >>> await client.update_queue(queue=queue, update_mask=mask)
        """
        call, request, options = self._prepare(
            "update_queue",
            request,
            {"queue": queue, "update_mask": update_mask},
            retry,
            timeout,
            metadata,
        )
        response: types.Queue = await call(request, **options)
        return response

    async def delete_queue(
        self,
        request: types.DeleteQueueRequest | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> None:
        """Delete a queue with all of its tasks.

        Its name cannot be used again for a while.

        Raises:
            NotFound: There is no such queue.

        Example:
            >>> await client.delete_queue(name=path)
        """
        call, request, options = self._prepare(
            "delete_queue", request, {"name": name}, retry, timeout, metadata
        )
        await call(request, **options)

    async def purge_queue(
        self,
        request: types.PurgeQueueRequest | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.Queue:
        """Delete all tasks that a queue holds at this moment.

        There is no way back. Deliveries that are under way may still end.

        Raises:
            NotFound: There is no such queue.

        Example:
            >>> await client.purge_queue(name=path)
        """
        call, request, options = self._prepare(
            "purge_queue", request, {"name": name}, retry, timeout, metadata
        )
        response: types.Queue = await call(request, **options)
        return response

    async def pause_queue(
        self,
        request: types.PauseQueueRequest | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.Queue:
        """Stop the deliveries of a queue until it is resumed.

        It goes on taking tasks, and ``run_task`` still works.

        Raises:
            NotFound: There is no such queue.

        Example:
            >>> await client.pause_queue(name=path)
        """
        call, request, options = self._prepare(
            "pause_queue", request, {"name": name}, retry, timeout, metadata
        )
        response: types.Queue = await call(request, **options)
        return response

    async def resume_queue(
        self,
        request: types.ResumeQueueRequest | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.Queue:
        """Start the deliveries of a paused or disabled queue again.

        Raises:
            NotFound: There is no such queue.

        Example:
            >>> await client.resume_queue(name=path)
        """
        call, request, options = self._prepare(
            "resume_queue", request, {"name": name}, retry, timeout, metadata
        )
        response: types.Queue = await call(request, **options)
        return response

    async def get_iam_policy(
        self,
        request: iam_policy_pb2.GetIamPolicyRequest | Mapping[str, Any] | None = None,
        *,
        resource: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> policy_pb2.Policy:
        """Get the policy that says who may do what with a queue.

        Raises:
            NotFound: There is no such queue.
            PermissionDenied: The caller may not read it.

        Example:
            >>> policy = await client.get_iam_policy(resource=path)
        """
        call, request, options = self._prepare(
            "get_iam_policy", request, {"resource": resource}, retry, timeout, metadata
        )
        response: policy_pb2.Policy = await call(request, **options)
        return response

    async def set_iam_policy(
        self,
        request: iam_policy_pb2.SetIamPolicyRequest | Mapping[str, Any] | None = None,
        *,
        resource: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> policy_pb2.Policy:
        """Replace the policy of a queue.

        The policy itself goes into the request; ``resource`` alone would set an empty one.

        Raises:
            NotFound: There is no such queue.
            PermissionDenied: The caller may not change it.

        Example:
            >>> await client.set_iam_policy({"resource": path, "policy": policy})
        """
        call, request, options = self._prepare(
            "set_iam_policy", request, {"resource": resource}, retry, timeout, metadata
        )
        response: policy_pb2.Policy = await call(request, **options)
        return response

    async def test_iam_permissions(
        self,
        request: iam_policy_pb2.TestIamPermissionsRequest | Mapping[str, Any] | None = None,
        *,
        resource: str | None = None,
        permissions: Sequence[str] | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        """Ask which of some permissions the caller has on a queue.

        A queue that does not exist gives none instead of an error.

        Raises:
            InvalidArgument: A permission is unknown or holds a wildcard.

        Example:
            >>> wanted = ["cloudtasks.tasks.create"]
            >>> (await client.test_iam_permissions(resource=path, permissions=wanted)).permissions
        """
        call, request, options = self._prepare(
            "test_iam_permissions",
            request,
            {"resource": resource, "permissions": permissions},
            retry,
            timeout,
            metadata,
        )
        response: iam_policy_pb2.TestIamPermissionsResponse = await call(request, **options)
        return response

    async def list_tasks(
        self,
        request: types.ListTasksRequest | Mapping[str, Any] | None = None,
        *,
        parent: str | None = None,
        response_view: types.Task.View | str | int | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> pagers.ListTasksAsyncPager:
        """List the tasks that wait in a queue, in no order to rely on.

        ``parent`` is the queue's name. A request can also hold a ``page_size`` (1000 at most).
        Unless ``response_view`` is ``Task.View.FULL``, bodies are left out.

        Returns:
            A pager: iterate over it for the tasks, over its ``pages`` for the responses.

        Raises:
            NotFound: There is no such queue.

        Example:
            >>> async for task in await client.list_tasks(parent=path):
            ...     print(task.name, task.dispatch_count)
        """
        call, request, options = self._prepare(
            "list_tasks",
            request,
            {"parent": parent, "response_view": response_view},
            retry,
            timeout,
            metadata,
        )
        response = await call(request, **options)
        return pagers.ListTasksAsyncPager(call, request, response, **options)

    async def get_task(
        self,
        request: types.GetTaskRequest | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        response_view: types.Task.View | str | int | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.Task:
        """Get a task that still waits or is being delivered.

        ``response_view`` may be given beside the name; ``Task.View.FULL`` brings the body along.

        Raises:
            NotFound: There is no such task, or it is done: a delivered task is gone.

        Example:
            >>> task = await client.get_task(name=name, response_view=types.Task.View.FULL)
        """
        call, request, options = self._prepare(
            "get_task",
            request,
            {"name": name, "response_view": response_view},
            retry,
            timeout,
            metadata,
        )
        response: types.Task = await call(request, **options)
        return response

    async def create_task(
        self,
        request: types.CreateTaskRequest | Mapping[str, Any] | None = None,
        *,
        parent: str | None = None,
        task: types.Task | Mapping[str, Any] | None = None,
        response_view: types.Task.View | str | int | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.Task:
        """Add a task to a queue.

        ``parent`` is the queue's name. A task without a name gets one; a name of the caller's own
        makes the call safe to repeat. A task without a ``schedule_time`` is delivered at once.

        Returns:
            The task as created, without its body unless ``response_view`` is ``Task.View.FULL``.

        Raises:
            AlreadyExists: A task of that name exists or did a short time ago.
            InvalidArgument: Something in the task is outside its bounds.
            NotFound: There is no such queue.

        Example:
            >>> request = types.HttpRequest(url="https://example.com/work", body=b"hello")
            >>> task = types.Task(http_request=request)
            >>> created = await client.create_task(parent=path, task=task)
        """
        call, request, options = self._prepare(
            "create_task",
            request,
            {"parent": parent, "task": task, "response_view": response_view},
            retry,
            timeout,
            metadata,
        )
        response: types.Task = await call(request, **options)
        return response

    async def batch_create_tasks(
        self,
        request: types.BatchCreateTasksRequest | Mapping[str, Any] | None = None,
        *,
        parent: str | None = None,
        requests: Sequence[types.CreateTaskRequest | Mapping[str, Any]] | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> "operation_async.AsyncOperation":
        """Add up to 100 tasks to a queue in one call.

        Each request repeats the parent. ``create_tasks`` takes any number of tasks and is simpler.

        Returns:
            A long-running operation, whose result is a ``BatchCreateTasksResponse`` and whose
            metadata, a ``BatchCreateTasksMetadata``, tells which requests failed.

        Raises:
            InvalidArgument: There are too many requests, or their parents differ.
            NotFound: There is no such queue.

        Example:
            >>> operation = await client.batch_create_tasks(
            ...     parent=path, requests=[{"parent": path, "task": task} for task in few]
            ... )
            >>> created = (await operation.result()).tasks
        """
        call, request, options = self._prepare(
            "batch_create_tasks",
            request,
            {"parent": parent, "requests": requests},
            retry,
            timeout,
            metadata,
        )
        response = await call(request, **options)
        return operations.async_operation(
            self, response, types.BatchCreateTasksResponse, types.BatchCreateTasksMetadata
        )

    async def delete_task(
        self,
        request: types.DeleteTaskRequest | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> None:
        """Delete a task, so that it is not delivered again.

        A delivery that is under way goes on, but is not repeated.

        Raises:
            NotFound: There is no such task, or it is done.

        Example:
            >>> await client.delete_task(name=name)
        """
        call, request, options = self._prepare(
            "delete_task", request, {"name": name}, retry, timeout, metadata
        )
        await call(request, **options)

    async def batch_delete_tasks(
        self,
        request: types.BatchDeleteTasksRequest | Mapping[str, Any] | None = None,
        *,
        parent: str | None = None,
        names: Sequence[str] | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> "operation_async.AsyncOperation":
        """Delete up to 1000 tasks of a queue in one call.

        Returns:
            A long-running operation without a result; its metadata, a ``BatchDeleteTasksMetadata``,
            tells which deletions failed.

        Raises:
            InvalidArgument: There are too many names, or one lies in another queue.
            NotFound: There is no such queue.

        Example:
            >>> operation = await client.batch_delete_tasks(parent=path, names=names)
            >>> await operation.result()
        """
        call, request, options = self._prepare(
            "batch_delete_tasks",
            request,
            {"parent": parent, "names": names},
            retry,
            timeout,
            metadata,
        )
        response = await call(request, **options)
        return operations.async_operation(
            self, response, empty_pb2.Empty, types.BatchDeleteTasksMetadata
        )

    async def run_task(
        self,
        request: types.RunTaskRequest | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        response_view: types.Task.View | str | int | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.Task:
        """Deliver a task now, whatever its schedule and its queue's limits and state.

        It replaces the attempt that was scheduled; should it fail, the usual retries follow.

        Returns:
            The task as it was when the call was taken, not the delivery's outcome.

        Raises:
            NotFound: There is no such task, or it is done.

        Example:
            >>> await client.run_task(name=name)
        """
        call, request, options = self._prepare(
            "run_task",
            request,
            {"name": name, "response_view": response_view},
            retry,
            timeout,
            metadata,
        )
        response: types.Task = await call(request, **options)
        return response

    async def update_cmek_config(
        self,
        request: types.UpdateCmekConfigRequest | Mapping[str, Any] | None = None,
        *,
        cmek_config: types.CmekConfig | Mapping[str, Any] | None = None,
        update_mask: field_mask_pb2.FieldMask | Mapping[str, Any] | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.CmekConfig:
        """Set the key that encrypts the tasks of a location, or clear it.

        Raises:
            InvalidArgument: The key's name cannot be read.
            PermissionDenied: The service may not use the key.

        Example:
            >>> config = types.CmekConfig(name=client.cmek_config_path("P", "L"), kms_key=key)
            >>> await client.update_cmek_config(cmek_config=config)
        """
        call, request, options = self._prepare(
            "update_cmek_config",
            request,
            {"cmek_config": cmek_config, "update_mask": update_mask},
            retry,
            timeout,
            metadata,
        )
        response: types.CmekConfig = await call(request, **options)
        return response

    async def get_cmek_config(
        self,
        request: types.GetCmekConfigRequest | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.CmekConfig:
        """Get the encryption settings of a location.

        Raises:
            InvalidArgument: The name cannot be read.

        Example:
            >>> config = await client.get_cmek_config(name=client.cmek_config_path("P", "L"))
        """
        call, request, options = self._prepare(
            "get_cmek_config", request, {"name": name}, retry, timeout, metadata
        )
        response: types.CmekConfig = await call(request, **options)
        return response

    async def get_operation(
        self,
        request: operations_pb2.GetOperationRequest | Mapping[str, Any] | None = None,
        *,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> operations_pb2.Operation:
        """Get the latest state of a long-running operation.

        Raises:
            NotFound: There is no such operation.

        Example:
            >>> state = await client.get_operation({"name": operation.operation.name})
        """
        call, request, options = self._prepare(
            "get_operation", request, {}, retry, timeout, metadata
        )
        response: operations_pb2.Operation = await call(request, **options)
        return response

    async def get_location(
        self,
        request: locations_pb2.GetLocationRequest | Mapping[str, Any] | None = None,
        *,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> locations_pb2.Location:
        """Get what is known about a location.

        Raises:
            NotFound: There is no such location.

        Example:
            >>> location = await client.get_location({"name": "projects/P/locations/L"})
        """
        call, request, options = self._prepare(
            "get_location", request, {}, retry, timeout, metadata
        )
        response: locations_pb2.Location = await call(request, **options)
        return response

    async def list_locations(
        self,
        request: locations_pb2.ListLocationsRequest | Mapping[str, Any] | None = None,
        *,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> locations_pb2.ListLocationsResponse:
        """List the locations that offer the service, one page of them.

        Example:
            >>> locations = (await client.list_locations({"name": "projects/P"})).locations
        """
        call, request, options = self._prepare(
            "list_locations", request, {}, retry, timeout, metadata
        )
        response: locations_pb2.ListLocationsResponse = await call(request, **options)
        return response

    async def create_tasks(
        self,
        parent: str,
        tasks: AsyncTasks,
        *,
        concurrency: int = 8,
        progress: Callable[[int], object] | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> list[Creation]:
        """Create any number of tasks in one queue, in batches under way side by side.

        ``tasks`` is an iterable of either kind, ``progress`` a function or a coroutine function.
        ``concurrency`` batches of up to 100 tasks are under way at a time; where a server has
        no batches, eight times as many single calls. ``progress`` is called with the number of
        tasks that are done. A batch carries an id, so it is repeated while the server is
        unavailable; a single creation is not.

        Returns:
            What came of each task, in their order: a ``Creation`` with the ``task`` or the
            ``error``, also of one that is no task. One task that fails does not keep the others
            from being created.

        Raises:
            ValueError: ``concurrency`` is below 1.
            Exception: What ``tasks`` or ``progress`` raises, when what was sent has been answered;
                its attribute ``creations`` then lists what came of those tasks, the first ones.

        Example:
            >>> wanted = (types.Task(http_request={"url": url}) for url in urls)
            >>> created = await client.create_tasks(path, wanted)
            >>> failures = [one.error for one in created if one.error]
        """
        creations: list[Creation] = []
        created = self.iter_create_tasks(
            parent,
            tasks,
            concurrency=concurrency,
            progress=progress,
            retry=retry,
            timeout=timeout,
            metadata=metadata,
        )
        try:
            async for one in created:
                creations.append(one)  # noqa: PERF401 - those before an error are kept
        except Exception as error:
            vars(error)["creations"] = creations
            raise
        return creations

    def iter_create_tasks(
        self,
        parent: str,
        tasks: AsyncTasks,
        *,
        concurrency: int = 8,
        progress: Callable[[int], object] | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> AsyncIterator[Creation]:
        """Like ``create_tasks``, for more tasks than fit into memory.

        ``tasks`` is read as batches are sent, and nothing is sent unless the result is read. What
        it raises is raised here after the outcome of all tasks that were sent.

        Example:
            >>> async for one in client.iter_create_tasks(path, endless()):
            ...     print(one.result().name)
        """
        if concurrency < 1:
            raise ValueError(f"concurrency must be 1 or more, but is {concurrency}.")
        given = {"retry": retry, "timeout": timeout, "metadata": metadata}
        options = {name: value for name, value in given.items() if not is_default(value)}
        return AsyncBulk(self, parent, options).create(tasks, concurrency, progress)

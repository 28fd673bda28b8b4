"""The client for asyncio."""

# mypy: disable-error-code="no-any-return"
# The class of a response is in the table of RPCs; a test compares the annotations with it.

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
from drayman.tasks_v2.services.cloud_tasks.bulk_asyncio import AsyncBulkCreator
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

    Every method takes its request as a message, as a dict, or as keyword arguments for its
    fields. The other arguments are:

    * ``retry``: a ``google.api_core.retry.AsyncRetry``, or None for no retries. By default
      ``list_queues``, ``get_queue``, ``delete_queue``, ``list_tasks``, ``get_task``,
      ``delete_task``, ``get_iam_policy``, ``test_iam_permissions`` and the polls of an operation
      are retried for up to 20 seconds if they fail with ``ServiceUnavailable`` or
      ``DeadlineExceeded``. No other call is retried.
    * ``timeout``: the timeout of the call in seconds, or None for no timeout. The default is 20
      seconds, and no timeout for ``batch_create_tasks``, ``batch_delete_tasks`` and the calls
      about locations and operations.
    * ``metadata``: headers to send.

    Any method can raise ``ServiceUnavailable``, ``DeadlineExceeded``, ``PermissionDenied`` and
    ``Unauthenticated``, all from ``google.api_core.exceptions``, and ``ValueError`` if a request
    has an unknown field or is combined with keyword arguments. Further errors are listed with
    each method.

    See ``BaseClient`` for the arguments of the constructor.
    """

    _transports = ("grpc_asyncio",)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close the transport. Other clients that share it can no longer use it."""
        await self.transport.close()

    async def _call(
        self,
        method: str,
        request: Any,
        fields: Mapping[str, Any],
        retry: Any,
        timeout: Any,
        metadata: Metadata,
    ) -> Any:
        """Make a call and return the response message."""
        call, message, options = self._prepare(method, request, fields, retry, timeout, metadata)
        return await call(message, **options)

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

        ``parent`` is the location's name. A request can also have a ``filter`` (``state: PAUSED``)
        and a ``page_size``.

        Returns:
            A pager: an iterable of queues. Its ``pages`` is an iterable of the responses.

        Raises:
            InvalidArgument: The parent is not the name of a location, or the filter is invalid.

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
        """Get the settings and the state of a queue.

        Raises:
            NotFound: There is no such queue.

        Example:
            >>> queue = await client.get_queue(name=path)
        """
        return await self._call("get_queue", request, {"name": name}, retry, timeout, metadata)

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

        ``parent`` is the location's name. The queue must have a name. Limits and retry settings
        that are not set get their defaults.

        Raises:
            AlreadyExists: A queue of this name exists.
            FailedPrecondition: A queue of this name was deleted a short time ago.
            InvalidArgument: A setting is out of range.

        Example:
            >>> await client.create_queue(parent=location, queue={"name": path})
        """
        return await self._call(
            "create_queue", request, {"parent": parent, "queue": queue}, retry, timeout, metadata
        )

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
        """Change the settings of a queue, or create the queue if it does not exist.

        ``update_mask`` lists the fields to change. Without it, all fields are set. The name and
        the state cannot be changed.

        Raises:
            InvalidArgument: A setting is out of range, or the mask lists an unknown field.

        Example:
            >>> queue = types.Queue(name=path, rate_limits={"max_dispatches_per_second": 5})
            >>> mask = {"paths": ["rate_limits.max_dispatches_per_second"]}
            >>> await client.update_queue(queue=queue, update_mask=mask)
        """
        return await self._call(
            "update_queue",
            request,
            {"queue": queue, "update_mask": update_mask},
            retry,
            timeout,
            metadata,
        )

    async def delete_queue(
        self,
        request: types.DeleteQueueRequest | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> None:
        """Delete a queue and all of its tasks.

        For some time, no queue of the same name can be created.

        Raises:
            NotFound: There is no such queue.

        Example:
            >>> await client.delete_queue(name=path)
        """
        await self._call("delete_queue", request, {"name": name}, retry, timeout, metadata)

    async def purge_queue(
        self,
        request: types.PurgeQueueRequest | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.Queue:
        """Delete all tasks of a queue that were created before the call.

        This cannot be undone. Attempts in flight are not cancelled.

        Raises:
            NotFound: There is no such queue.

        Example:
            >>> await client.purge_queue(name=path)
        """
        return await self._call("purge_queue", request, {"name": name}, retry, timeout, metadata)

    async def pause_queue(
        self,
        request: types.PauseQueueRequest | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.Queue:
        """Stop dispatching the tasks of a queue until it is resumed.

        Tasks can still be created, and ``run_task`` still dispatches them.

        Raises:
            NotFound: There is no such queue.

        Example:
            >>> await client.pause_queue(name=path)
        """
        return await self._call("pause_queue", request, {"name": name}, retry, timeout, metadata)

    async def resume_queue(
        self,
        request: types.ResumeQueueRequest | Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> types.Queue:
        """Resume dispatching the tasks of a paused or disabled queue.

        Raises:
            NotFound: There is no such queue.

        Example:
            >>> await client.resume_queue(name=path)
        """
        return await self._call("resume_queue", request, {"name": name}, retry, timeout, metadata)

    async def get_iam_policy(
        self,
        request: iam_policy_pb2.GetIamPolicyRequest | Mapping[str, Any] | None = None,
        *,
        resource: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> policy_pb2.Policy:
        """Get the access policy of a queue.

        Raises:
            NotFound: There is no such queue.
            PermissionDenied: The caller may not read the policy.

        Example:
            >>> policy = await client.get_iam_policy(resource=path)
        """
        return await self._call(
            "get_iam_policy", request, {"resource": resource}, retry, timeout, metadata
        )

    async def set_iam_policy(
        self,
        request: iam_policy_pb2.SetIamPolicyRequest | Mapping[str, Any] | None = None,
        *,
        resource: str | None = None,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> policy_pb2.Policy:
        """Replace the access policy of a queue.

        The policy is a field of the request only. With ``resource`` alone, the call sets an
        empty policy.

        Raises:
            NotFound: There is no such queue.
            PermissionDenied: The caller may not change the policy.

        Example:
            >>> await client.set_iam_policy({"resource": path, "policy": policy})
        """
        return await self._call(
            "set_iam_policy", request, {"resource": resource}, retry, timeout, metadata
        )

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
        """Return the permissions that the caller has on a queue, out of those in the request.

        For a queue that does not exist, the response is empty.

        Raises:
            InvalidArgument: A permission is unknown or has a wildcard.

        Example:
            >>> permissions = ["cloudtasks.tasks.create"]
            >>> await client.test_iam_permissions(resource=path, permissions=permissions)
        """
        return await self._call(
            "test_iam_permissions",
            request,
            {"resource": resource, "permissions": permissions},
            retry,
            timeout,
            metadata,
        )

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
        """List the tasks of a queue, in no guaranteed order.

        ``parent`` is the queue's name. A request can also have a ``page_size``, at most 1000.
        The tasks have bodies only if ``response_view`` is ``Task.View.FULL``.

        Returns:
            A pager: an iterable of tasks. Its ``pages`` is an iterable of the responses.

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
        """Get a task that is not completed.

        The task has a body only if ``response_view`` is ``Task.View.FULL``.

        Raises:
            NotFound: There is no such task. A completed task no longer exists.

        Example:
            >>> task = await client.get_task(name=name, response_view=types.Task.View.FULL)
        """
        return await self._call(
            "get_task",
            request,
            {"name": name, "response_view": response_view},
            retry,
            timeout,
            metadata,
        )

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
        """Create a task in a queue.

        ``parent`` is the queue's name. If the task has no name, the server generates one. With a
        name, the call is idempotent. A task without a ``schedule_time`` is dispatched at once.

        Returns:
            The created task. It has a body only if ``response_view`` is ``Task.View.FULL``.

        Raises:
            AlreadyExists: A task of this name exists or existed a short time ago.
            InvalidArgument: A field of the task is invalid.
            NotFound: There is no such queue.

        Example:
            >>> request = types.HttpRequest(url="https://example.com/work", body=b"hello")
            >>> task = types.Task(http_request=request)
            >>> created = await client.create_task(parent=path, task=task)
        """
        return await self._call(
            "create_task",
            request,
            {"parent": parent, "task": task, "response_view": response_view},
            retry,
            timeout,
            metadata,
        )

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
        """Create up to 100 tasks in a queue in one call.

        Each request must have the same parent. ``create_tasks`` takes any number of tasks.

        Returns:
            A long-running operation. Its result is a ``BatchCreateTasksResponse``. Its metadata,
            a ``BatchCreateTasksMetadata``, has the errors of failed requests. If all have failed,
            the operation has neither a result nor an error, and ``result()`` raises
            ``GoogleAPICallError``.

        Raises:
            InvalidArgument: There are no or too many requests, their parents differ, a name is
                invalid or occurs twice, or an earlier batch had the same ``request_id``.

        Example:
            >>> operation = await client.batch_create_tasks(
            ...     parent=path, requests=[{"parent": path, "task": task} for task in tasks]
            ... )
            >>> created = (await operation.result()).tasks
        """
        operation = await self._call(
            "batch_create_tasks",
            request,
            {"parent": parent, "requests": requests},
            retry,
            timeout,
            metadata,
        )
        return operations.async_operation(
            self, operation, types.BatchCreateTasksResponse, types.BatchCreateTasksMetadata
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
        """Delete a task.

        An attempt in flight is not cancelled, but it is not retried.

        Raises:
            NotFound: There is no such task, or it is completed.

        Example:
            >>> await client.delete_task(name=name)
        """
        await self._call("delete_task", request, {"name": name}, retry, timeout, metadata)

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
            A long-running operation without a result. Its metadata, a
            ``BatchDeleteTasksMetadata``, has the errors of failed deletions.

        Raises:
            InvalidArgument: There are no or too many names, one is invalid or belongs to another
                queue, or an earlier batch had the same ``request_id``.

        Example:
            >>> operation = await client.batch_delete_tasks(parent=path, names=names)
            >>> await operation.result()
        """
        operation = await self._call(
            "batch_delete_tasks",
            request,
            {"parent": parent, "names": names},
            retry,
            timeout,
            metadata,
        )
        return operations.async_operation(
            self, operation, empty_pb2.Empty, types.BatchDeleteTasksMetadata
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
        """Dispatch a task now, regardless of its schedule and of the queue's limits and state.

        The attempt replaces the scheduled one. If it fails, the task is retried as usual.

        Returns:
            The task before the attempt. The result of the attempt is not known yet.

        Raises:
            NotFound: There is no such task, or it is completed.

        Example:
            >>> await client.run_task(name=name)
        """
        return await self._call(
            "run_task",
            request,
            {"name": name, "response_view": response_view},
            retry,
            timeout,
            metadata,
        )

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
        """Set or clear the key that encrypts the tasks of a location.

        Raises:
            InvalidArgument: The name of the key is invalid.
            PermissionDenied: The service may not use the key.

        Example:
            >>> config = types.CmekConfig(name=client.cmek_config_path("P", "L"), kms_key=key)
            >>> await client.update_cmek_config(cmek_config=config)
        """
        return await self._call(
            "update_cmek_config",
            request,
            {"cmek_config": cmek_config, "update_mask": update_mask},
            retry,
            timeout,
            metadata,
        )

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
            InvalidArgument: The name is invalid.

        Example:
            >>> config = await client.get_cmek_config(name=client.cmek_config_path("P", "L"))
        """
        return await self._call(
            "get_cmek_config", request, {"name": name}, retry, timeout, metadata
        )

    async def get_operation(
        self,
        request: operations_pb2.GetOperationRequest | Mapping[str, Any] | None = None,
        *,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> operations_pb2.Operation:
        """Get the state of a long-running operation.

        Raises:
            NotFound: There is no such operation.

        Example:
            >>> state = await client.get_operation({"name": operation.operation.name})
        """
        return await self._call("get_operation", request, {}, retry, timeout, metadata)

    async def get_location(
        self,
        request: locations_pb2.GetLocationRequest | Mapping[str, Any] | None = None,
        *,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> locations_pb2.Location:
        """Get a location.

        Raises:
            NotFound: There is no such location.

        Example:
            >>> location = await client.get_location({"name": "projects/P/locations/L"})
        """
        return await self._call("get_location", request, {}, retry, timeout, metadata)

    async def list_locations(
        self,
        request: locations_pb2.ListLocationsRequest | Mapping[str, Any] | None = None,
        *,
        retry: AsyncRetry = DEFAULT,
        timeout: Timeout = DEFAULT,
        metadata: Metadata = (),
    ) -> locations_pb2.ListLocationsResponse:
        """List the locations of the service, one page per call.

        Example:
            >>> locations = (await client.list_locations({"name": "projects/P"})).locations
        """
        return await self._call("list_locations", request, {}, retry, timeout, metadata)

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
        """Create any number of tasks in a queue, in concurrent batches.

        ``tasks`` is any iterable or async iterable, ``progress`` a function or coroutine function.
        ``concurrency`` is the number of batches of up to 100 tasks in flight. If the server does
        not support batches, eight times as many single calls are in flight instead. ``progress``
        is called with the number of tasks that have a result. Batches run once and are
        retried while the server is unavailable. Single calls are not retried by default.

        Returns:
            The result of each task, in order: a ``Creation`` with the ``task`` or the ``error``.
            A value that cannot be converted to a task has an ``error``, too. The failure of one
            task does not affect the others.

        Raises:
            ValueError: ``concurrency`` is less than 1.
            Exception: An error that ``tasks`` or ``progress`` raised. No more tasks are read, and
                the error is raised when all calls in flight have ended. Its attribute
                ``creations`` lists the results of the tasks that were sent, in order.

        Example:
            >>> tasks = (types.Task(http_request={"url": url}) for url in urls)
            >>> results = await client.create_tasks(path, tasks)
            >>> errors = [result.error for result in results if result.error]
        """
        creations: list[Creation] = []
        results = self.iter_create_tasks(
            parent,
            tasks,
            concurrency=concurrency,
            progress=progress,
            retry=retry,
            timeout=timeout,
            metadata=metadata,
        )
        try:
            async for creation in results:
                creations.append(creation)  # noqa: PERF401 - the error needs those before it
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
        """Create tasks like ``create_tasks``, but yield the results one by one, in order.

        ``tasks`` can be infinite: it is read as the results are consumed, a few batches ahead.
        An error that ``tasks`` or ``progress`` raises is raised after the results of all tasks
        that were sent.

        Example:
            >>> async for creation in client.iter_create_tasks(path, tasks):
            ...     print(creation.result().name)
        """
        if concurrency < 1:
            raise ValueError(f"concurrency must be 1 or more, but is {concurrency}.")
        options = {"retry": retry, "timeout": timeout, "metadata": metadata}
        options = {name: value for name, value in options.items() if not is_default(value)}
        return AsyncBulkCreator(self, parent, options).create(tasks, concurrency, progress)

"""Every call of Google's Python client: program.py grpc|grpc_asyncio|rest ADDRESS LOCATION TARGET.

Prints the name of each call that it has checked. docs/other-clients.md shows the marked region.
"""

import asyncio
import datetime
import inspect
import sys
from collections.abc import Callable
from typing import Any

import google.api_core.exceptions

# begin docs
import grpc
import grpc.aio
from google.auth.credentials import AnonymousCredentials
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import (
    CloudTasksGrpcAsyncIOTransport,
    CloudTasksGrpcTransport,
)


def grpc_client(address: str) -> tasks_v2.CloudTasksClient:
    channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
    return tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))


def asyncio_client(address: str) -> tasks_v2.CloudTasksAsyncClient:
    channel = grpc.aio.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
    return tasks_v2.CloudTasksAsyncClient(transport=CloudTasksGrpcAsyncIOTransport(channel=channel))


def rest_client(address: str) -> tasks_v2.CloudTasksClient:
    return tasks_v2.CloudTasksClient(
        transport="rest",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": f"http://{address}"},
    )


# end docs


CLIENTS = {"grpc": grpc_client, "grpc_asyncio": asyncio_client, "rest": rest_client}


async def resolved(value: Any) -> Any:
    """Return a value that the asyncio client has to be awaited for."""
    return await value if inspect.isawaitable(value) else value


async def listed(pager: Any) -> list[Any]:
    """Return all items of all pages, of a pager of either kind."""
    pager = await resolved(pager)
    return [item async for item in pager] if hasattr(pager, "__aiter__") else list(pager)


async def refused(status: int, call: Callable[[], Any]) -> Any:
    """Return the details of the error with which a call is refused, with a status of HTTP."""
    try:
        answer = await resolved(call())
    except google.api_core.exceptions.GoogleAPICallError as error:
        if error.code == status:
            return error.details
        raise
    raise AssertionError(f"not refused: {answer}")


def checked(call: str, condition: bool, answer: Any = None) -> None:
    if not condition:
        raise AssertionError(f"{call}: unexpected answer: {answer}")
    print(call)


class Program:
    def __init__(self, client: Any, location: str, target: str) -> None:
        self.client, self.location, self.target = client, location, target
        self.queue, self.spare = f"{location}/queues/letters", f"{location}/queues/spare"

    def task(self, task_id: str, **fields: Any) -> tasks_v2.Task:
        return tasks_v2.Task(
            name=f"{self.queue}/tasks/{task_id}",
            http_request=tasks_v2.HttpRequest(
                url=f"{self.target}/{task_id}", headers={"X-Interop": "yes"}, body=b"hello"
            ),
            **fields,
        )

    def later(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)  # noqa: TID251

    async def check_queues(self) -> None:
        client, location, queue, spare = self.client, self.location, self.queue, self.spare
        letters = tasks_v2.Queue(
            name=queue,
            rate_limits=tasks_v2.RateLimits(max_dispatches_per_second=50),
            retry_config=tasks_v2.RetryConfig(min_backoff=datetime.timedelta(seconds=0.2)),
        )
        answer = await resolved(client.create_queue(parent=location, queue=letters))
        await refused(409, lambda: client.create_queue(parent=location, queue=letters))
        invalid = tasks_v2.Queue(name=f"{location}/queues/not_valid")
        details = await refused(400, lambda: client.create_queue(parent=location, queue=invalid))
        checked("CreateQueue", "Definition of queue ID" in str(details), details)

        answer = await resolved(client.get_queue(name=queue))
        await refused(404, lambda: client.get_queue(name=f"{queue}-missing"))
        checked("GetQueue", answer.rate_limits.max_burst_size == 10, answer)

        letters.rate_limits.max_dispatches_per_second = 100
        mask = {"paths": ["rate_limits.max_dispatches_per_second"]}
        answer = await resolved(
            client.update_queue(
                queue=tasks_v2.Queue(name=queue, rate_limits=letters.rate_limits), update_mask=mask
            )
        )
        checked(
            "UpdateQueue",
            answer.rate_limits.max_dispatches_per_second == 100
            and answer.retry_config.min_backoff == datetime.timedelta(seconds=0.2),
            answer,
        )

        await resolved(client.create_queue(parent=location, queue=tasks_v2.Queue(name=spare)))
        pager = client.list_queues(request={"parent": location, "page_size": 1})
        names = [each.name for each in await listed(pager)]
        checked("ListQueues", names == [queue, spare], names)

    async def check_policies(self) -> None:
        client, queue = self.client, self.queue
        binding = {"role": "roles/cloudtasks.enqueuer", "members": ["user:ann@example.com"]}
        request = {"resource": queue, "policy": {"bindings": [binding]}}
        answer = await resolved(client.set_iam_policy(request=request))
        checked("SetIamPolicy", answer.bindings[0].members == binding["members"], answer)
        answer = await resolved(client.get_iam_policy(request={"resource": queue}))
        checked("GetIamPolicy", answer.bindings[0].role == binding["role"], answer)
        permissions = ["cloudtasks.tasks.create"]
        answer = await resolved(
            client.test_iam_permissions(request={"resource": queue, "permissions": permissions})
        )
        checked("TestIamPermissions", answer.permissions == permissions, answer)

    async def check_tasks(self) -> None:
        client, queue = self.client, self.queue
        answer = await resolved(client.pause_queue(name=queue))
        checked("PauseQueue", answer.state == tasks_v2.Queue.State.PAUSED, answer)

        first = self.task("first")
        answer = await resolved(client.create_task(parent=queue, task=first))
        await refused(409, lambda: client.create_task(parent=queue, task=first))
        invalid = tasks_v2.Task(http_request={"url": "ftp://example.com"})
        await refused(400, lambda: client.create_task(parent=queue, task=invalid))
        await refused(
            404,
            lambda: client.create_task(
                parent=f"{queue}-missing", task=tasks_v2.Task(http_request={"url": self.target})
            ),
        )
        checked("CreateTask", answer.name == first.name, answer)

        request = {"name": first.name, "response_view": tasks_v2.Task.View.FULL}
        answer = await resolved(client.get_task(request=request))
        checked("GetTask", answer.http_request.body == b"hello", answer)

        await resolved(client.create_task(parent=queue, task=self.task("deleted")))
        await resolved(client.delete_task(name=f"{queue}/tasks/deleted"))
        await refused(404, lambda: client.get_task(name=f"{queue}/tasks/deleted"))
        checked("DeleteTask", True)

        await resolved(
            client.create_task(parent=queue, task=self.task("run", schedule_time=self.later()))
        )
        answer = await resolved(client.run_task(name=f"{queue}/tasks/run"))
        checked("RunTask", answer.dispatch_count == 1, answer)

    async def check_batches(self) -> None:
        client, queue = self.client, self.queue
        batch = [self.task("batch"), self.task("batch-deleted")]
        requests = [{"parent": queue, "task": each} for each in batch]
        operation = await resolved(client.batch_create_tasks(parent=queue, requests=requests))
        answer = await resolved(operation.result())
        checked(
            "BatchCreateTasks",
            [each.name for each in answer.tasks] == [each.name for each in batch],
            answer,
        )
        answer = await resolved(client.get_operation({"name": operation.operation.name}))
        checked("GetOperation", answer.done, answer)
        operation = await resolved(client.batch_delete_tasks(parent=queue, names=[batch[1].name]))
        await resolved(operation.result())
        await refused(404, lambda: client.get_task(name=batch[1].name))
        checked("BatchDeleteTasks", True)
        names = {
            each.name
            for each in await listed(client.list_tasks(request={"parent": queue, "page_size": 1}))
        }
        expected = {f"{queue}/tasks/first", batch[0].name}
        checked("ListTasks", expected == names - {f"{queue}/tasks/run"}, names)

    async def check_resume(self) -> None:
        client = self.client
        await resolved(client.create_task(parent=self.queue, task=self.task("retry")))
        answer = await resolved(client.resume_queue(name=self.queue))
        checked("ResumeQueue", answer.state == tasks_v2.Queue.State.RUNNING, answer)

    async def check_removal(self) -> None:
        client, spare = self.client, self.spare
        task = tasks_v2.Task(
            http_request={"url": f"{self.target}/purged"}, schedule_time=self.later()
        )
        await resolved(client.create_task(parent=spare, task=task))
        await resolved(client.purge_queue(name=spare))
        names = await listed(client.list_tasks(parent=spare))
        checked("PurgeQueue", names == [], names)
        await resolved(client.delete_queue(name=spare))
        await refused(404, lambda: client.get_queue(name=spare))
        checked("DeleteQueue", True)

    async def check_location(self) -> None:
        client, location = self.client, self.location
        answer = await resolved(
            client.list_locations({"name": location.rpartition("/locations")[0]})
        )
        checked("ListLocations", location in [each.name for each in answer.locations], answer)
        answer = await resolved(client.get_location({"name": location}))
        checked("GetLocation", location.endswith(answer.location_id), answer)
        config = tasks_v2.CmekConfig(
            name=f"{location}/cmekConfig", kms_key=f"{location}/keyRings/interop/cryptoKeys/key"
        )
        answer = await resolved(
            client.update_cmek_config(cmek_config=config, update_mask={"paths": ["kms_key"]})
        )
        checked("UpdateCmekConfig", answer.kms_key == config.kms_key, answer)
        answer = await resolved(client.get_cmek_config(name=config.name))
        checked("GetCmekConfig", answer.kms_key == config.kms_key, answer)

    async def run(self) -> None:
        await self.check_queues()
        await self.check_policies()
        await self.check_location()
        await self.check_tasks()
        await self.check_batches()
        await self.check_resume()
        await self.check_removal()
        await resolved(self.client.transport.close())


async def main(transport: str, address: str, location: str, target: str) -> None:
    await Program(CLIENTS[transport](address), location, target).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

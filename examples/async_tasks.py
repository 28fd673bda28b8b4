"""Create, list and delete tasks with asyncio."""

import asyncio

from drayman import tasks


async def main(worker: str) -> list[tasks.Task]:
    async with tasks.CloudTasksAsyncClient() as client:
        queue_path = client.queue_path("my-project-id", "us-central1", "my-queue")

        new_tasks = [
            tasks.http_task(f"{worker}/later/{n}", json={"n": n}, delay=3600) for n in range(3)
        ]
        created = await asyncio.gather(
            *(client.create_task(parent=queue_path, task=task) for task in new_tasks)
        )
        async for task in await client.list_tasks(parent=queue_path):
            print(f"- {task.name}, due {task.schedule_time:%H:%M:%S} UTC")

        await asyncio.gather(*(client.delete_task(name=task.name) for task in created))
        print(f"Deleted {len(created)} tasks")
        return created

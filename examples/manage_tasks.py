"""List tasks, get one, run it now, delete another."""

import datetime

from google.api_core import exceptions

from drayman import tasks


def main(worker: str, now: datetime.datetime) -> None:
    client = tasks.CloudTasksClient()
    queue_path = client.queue_path("my-project-id", "us-central1", "my-queue")
    for task_id in ("my-task", "my-other-task"):
        client.create_task(
            parent=queue_path,
            task=tasks.Task(
                name=client.task_path("my-project-id", "us-central1", "my-queue", task_id),
                http_request=tasks.HttpRequest(url=f"{worker}/{task_id}", body=b"in an hour"),
                schedule_time=now + datetime.timedelta(hours=1),
            ),
        )

    print("Tasks in queue:")
    for task in client.list_tasks(parent=queue_path):
        print(f"- {task.name}: {task.dispatch_count} dispatches")

    task_name = client.task_path("my-project-id", "us-central1", "my-queue", "my-task")
    task = client.get_task(name=task_name, response_view=tasks.Task.View.FULL)
    print(f"Task details: body {task.http_request.body!r}, due {task.schedule_time:%H:%M:%S} UTC")

    run_result = client.run_task(name=task_name)
    print(f"Task run result: {run_result.dispatch_count} dispatches")

    other_name = client.task_path("my-project-id", "us-central1", "my-queue", "my-other-task")
    client.delete_task(name=other_name)
    print(f"Deleted task: {other_name}")
    try:
        client.get_task(name=other_name)
    except exceptions.NotFound as error:
        print(f"It is gone: {error.message}")

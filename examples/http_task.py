"""Create an HTTP task with a JSON body."""

import json

from drayman import tasks


def main(worker: str) -> tasks.Task:
    client = tasks.CloudTasksClient()
    queue_path = client.queue_path("my-project-id", "us-central1", "my-queue")

    order = {"user_id": 123, "action": "process_order"}
    task = tasks.Task(
        http_request=tasks.HttpRequest(
            url=f"{worker}/process",
            http_method=tasks.HttpMethod.POST,
            headers={"Content-Type": "application/json"},
            body=json.dumps(order).encode("utf-8"),
        )
    )
    created_task = client.create_task(parent=queue_path, task=task)
    print(f"Created task: {created_task.name}")
    return created_task

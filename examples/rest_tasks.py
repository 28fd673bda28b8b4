"""Create a task over REST, for networks that block gRPC."""

from google.api_core import exceptions

from drayman import tasks


def main(server: str, worker: str) -> tasks.Task:
    """Create a named task twice; `server` is the server's address, http://host:port."""
    client = tasks.CloudTasksClient(transport="rest", client_options={"api_endpoint": server})
    queue_path = client.queue_path("my-project-id", "us-central1", "my-queue")

    name = client.task_path("my-project-id", "us-central1", "my-queue", "invoice-2030-01")
    task = tasks.http_task(f"{worker}/invoice", json={"month": "2030-01"}, name=name, delay=3600)
    created = client.create_task(parent=queue_path, task=task)
    print(f"Created task: {created.name}")
    try:
        client.create_task(parent=queue_path, task=task)
    except exceptions.AlreadyExists:
        print("A second task of this name was not created")
    return created

"""Create an App Engine task; --app-engine-target of the server is the URL of the service."""

from drayman import tasks


def main() -> tasks.Task:
    client = tasks.CloudTasksClient()
    queue_path = client.queue_path("my-project-id", "us-central1", "my-queue")

    task = tasks.Task(
        app_engine_http_request=tasks.AppEngineHttpRequest(
            http_method=tasks.HttpMethod.POST,
            relative_uri="/task-handler",
            app_engine_routing=tasks.AppEngineRouting(service="worker", version="v1"),
            body=b'{"data": "example"}',
        )
    )
    created_task = client.create_task(parent=queue_path, task=task)
    print(f"Created App Engine task: {created_task.name}")
    return created_task

"""Create a task with a schedule time."""

import datetime

from google.protobuf import timestamp_pb2

from drayman import tasks


def main(worker: str, now: datetime.datetime, seconds: float = 3) -> tasks.Task:
    client = tasks.CloudTasksClient()
    queue_path = client.queue_path("my-project-id", "us-central1", "my-queue")

    schedule_time = now + datetime.timedelta(seconds=seconds)
    timestamp = timestamp_pb2.Timestamp()
    timestamp.FromDatetime(schedule_time)
    task = tasks.Task(
        http_request=tasks.HttpRequest(
            url=f"{worker}/scheduled-job",
            http_method=tasks.HttpMethod.POST,
        ),
        schedule_time=timestamp,
    )
    created_task = client.create_task(parent=queue_path, task=task)
    print(f"Scheduled task: {created_task.name} for {schedule_time:%H:%M:%S} UTC")
    return created_task

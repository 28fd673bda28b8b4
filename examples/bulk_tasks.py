"""Create thousands of tasks, each of which succeeds or fails on its own."""

from collections.abc import Iterator

from drayman import tasks


def new_tasks(worker: str, count: int) -> Iterator[tasks.Task]:
    for n in range(count):
        yield tasks.http_task(f"{worker}/mail", json={"to": f"user-{n}@example.com"})


def main(worker: str, count: int = 1000) -> int:
    client = tasks.CloudTasksClient()
    queue_path = client.queue_path("my-project-id", "us-central1", "my-queue")

    results = client.create_tasks(
        queue_path,
        new_tasks(worker, count),
        progress=lambda done: print(f"{done} of {count}"),
    )
    failures = [result.error for result in results if result.error]
    for error in failures[:10]:
        print(f"not created: {error}")
    return count - len(failures)

"""Lines that create tasks which are not due: single calls, and batches."""

import dataclasses

from bench import messages
from bench.errors import Unmeasurable
from bench.load import Load
from bench.runs import Figure, Run, throughput
from bench.servers import Server

WARM_UP = 0.2
"""The length of the warm-up, as a part of the measurement that follows."""
BATCHES_IN_FLIGHT = 4


def single_calls(run: Run, protocol: str, width: int) -> list[Figure]:
    """Measure CreateTask."""
    with run.server() as server:
        queue, due = server.create_queue("q"), messages.tomorrow()
        if protocol == "grpc":
            port, path = server.port, messages.path("CreateTask")
            body = messages.create_task(queue, messages.IDLE_URL, due)
        else:
            port, path = server.http_port, f"/v2/{queue}/tasks"
            body = messages.create_task_json(messages.IDLE_URL, due)
        job = Load(protocol, port, path, (body,), width, run.sizes.seconds)
        return [_measure(run, server, job, 1, "calls/s")]


def batches(run: Run) -> list[Figure]:
    """Measure BatchCreateTasks."""
    with run.server() as server:
        if not server.has_batches:
            raise Unmeasurable("no BatchCreateTasks")
        queue, task = server.create_queue("q"), (messages.IDLE_URL, messages.tomorrow())
        body = messages.create_tasks(queue, [task] * messages.BATCH)
        path = messages.path("BatchCreateTasks")
        job = Load("grpc", server.port, path, (body,), BATCHES_IN_FLIGHT, run.sizes.seconds)
        return [_measure(run, server, job, messages.BATCH, "tasks/s")]


def _measure(run: Run, server: Server, job: Load, per_call: int, unit: str) -> Figure:
    run.generator.run(dataclasses.replace(job, seconds=job.seconds * WARM_UP))
    before = server.usage.cpu
    result = run.generator.run(job)
    return throughput(result, per_call, unit, server.usage.cpu - before)

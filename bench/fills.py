"""Creating many tasks before a measurement, by the quickest way that a server has."""

import os
from collections.abc import Sequence

from bench import messages
from bench.creates import BATCHES_IN_FLIGHT
from bench.errors import Unmeasurable
from bench.generator import Generator
from bench.load import Load
from bench.servers import Server
from drayman.core.clock import Micros

SECONDS = 600
"""How long one fill may take."""
MEMORY_PART = 0.6
"""The part of the machine's memory that a server may take."""

Chunk = tuple[str, Sequence[tuple[str, Micros | None]]]
"""A queue, and the URLs and due times of at most 100 tasks for it."""


def fill(generator: Generator, server: Server, chunks: Sequence[Chunk], repeat: int = 1) -> float:
    """Create the tasks of some chunks, a number of times; return the seconds."""
    method, width = "CreateTask", 64
    if server.has_batches:
        method, width = "BatchCreateTasks", BATCHES_IN_FLIGHT
        bodies = [messages.create_tasks(queue, tasks) for queue, tasks in chunks]
    else:
        bodies = [messages.create_task(queue, *task) for queue, tasks in chunks for task in tasks]
    count = len(bodies) * repeat
    path = messages.path(method)
    job = Load("grpc", server.port, path, tuple(bodies), width, SECONDS, count)
    result = generator.run(job)
    if result.calls < count:
        raise Unmeasurable(f"tasks could not be created in {SECONDS} s")
    return result.seconds


def fill_idle(generator: Generator, server: Server, queue: str, count: int) -> float:
    """Create tasks that are not due, while memory lasts; return the seconds."""
    chunk = (queue, [(messages.IDLE_URL, messages.tomorrow())] * messages.BATCH)
    limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * MEMORY_PART
    seconds = 0.0
    for first in range(0, count // messages.BATCH, 1_000):
        if server.usage.resident > limit:
            tasks = first * messages.BATCH
            raise Unmeasurable(f"{limit / 1e9:.0f} GB of memory with {tasks:,} tasks")
        seconds += fill(generator, server, [chunk], min(1_000, count // messages.BATCH - first))
    return seconds

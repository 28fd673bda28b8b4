"""How long a task takes that one server creates and another one delivers."""

import contextlib

from fault_fleet import clock, until
from fault_target import Target

import postgres_cluster
from drayman.core.clock import MILLISECOND
from processes import QUEUE, http_task, serve

TASKS = 500


def measure(folder):
    """Return for each task the ms from the call of CreateTask to the arrival at the target.

    One server only takes calls, the other one only delivers, and one task is created at a time.
    """
    folders = [folder / role for role in ("api", "dispatch")]
    for each in folders:
        each.mkdir()
    programs = postgres_cluster.find_programs()
    with contextlib.closing(postgres_cluster.Cluster(programs)) as cluster:
        store = cluster.url("faults")
        with (
            contextlib.closing(Target()) as target,
            serve(folders[0], "--role", "api", "--queue", QUEUE, store=store) as caller,
            serve(folders[1], "--role", "dispatch", store=store),
            caller.client() as client,
        ):
            return [_one(client, target) for _ in range(TASKS)]


def _one(client, target):
    count, began = len(target.exchanges), clock.now()
    client.create_task(parent=QUEUE, task=http_task(f"{target.url}/free"))
    until(lambda: len(target.exchanges) > count, "a delivery")
    return (target.exchanges[-1].began - began) / MILLISECOND

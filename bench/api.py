"""What creating a task costs: single calls over gRPC and REST, and batches of 100.

    python bench/api.py [--rounds 5] [--tasks 2000] [--folder DIR]

One server process with an embedded store on disk, safe durability, a paused queue; 64 calls in
flight (4 of batches). The ways take turns within a round; shown are medians over the rounds, a
task: wall time, and CPU time of the server, which is what a busy machine does not distort.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import grpc
import grpc.aio

from drayman.core.delivery import Request
from drayman.dispatch.sender import HttpSender
from drayman.tasks_v2 import rpcs, types

QUEUE = "projects/p/locations/l/queues/q"
BODY = b"x" * 200
URL = "https://example.com/work"
TICKS = os.sysconf("SC_CLK_TCK")
BATCH = 100


def task_message():
    return types.Task.pb(types.Task(http_request={"url": URL, "body": BODY}))


def create_request():
    return types.CreateTaskRequest.pb()(parent=QUEUE, task=task_message()).SerializeToString()


def batch_request():
    request = types.BatchCreateTasksRequest.pb()(parent=QUEUE)
    for _ in range(BATCH):
        request.requests.add(parent=QUEUE, task=task_message())
    return request.SerializeToString()


def json_request():
    task = {"httpRequest": {"url": URL, "body": base64.b64encode(BODY).decode()}}
    return json.dumps({"task": task}).encode()


async def in_flight(calls, width, call):
    left = iter(range(calls))

    async def work():
        for _ in left:
            await call()

    await asyncio.gather(*(work() for _ in range(width)))


def cpu(pid):
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - not a file of anyone's
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(pid, address, url, rounds, tasks):
    async with contextlib.AsyncExitStack() as stack:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        sender = HttpSender()
        stack.push_async_callback(sender.close)
        await channel.unary_unary(rpcs.BY_NAME["PauseQueue"].full_name)(
            types.PauseQueueRequest.pb()(name=QUEUE).SerializeToString()
        )
        single = channel.unary_unary(rpcs.BY_NAME["CreateTask"].full_name)
        batch = channel.unary_unary(rpcs.BY_NAME["BatchCreateTasks"].full_name)
        one, many, text = create_request(), batch_request(), json_request()
        headers = {"Content-Type": "application/json"}

        async def rest(query):
            call = Request("POST", f"{url}/v2/{QUEUE}/tasks{query}", headers, text)
            response = await sender.send(call)
            assert response.status == 200, response

        ways = {
            "CreateTask, gRPC": (tasks, 64, lambda: single(one)),
            "CreateTask, REST": (tasks, 64, lambda: rest("")),
            "CreateTask, REST, prettyPrint=false": (tasks, 64, lambda: rest("?prettyPrint=false")),
            "BatchCreateTasks of 100, gRPC": (tasks // BATCH, 4, lambda: batch(many)),
        }
        found = {way: [] for way in ways}
        for number in range(rounds + 1):  # the first warms up
            for way, (calls, width, call) in ways.items():
                created = calls * BATCH if "100" in way else calls
                start, used = time.perf_counter(), cpu(pid)
                await in_flight(calls, width, call)
                wall, used = time.perf_counter() - start, cpu(pid) - used
                if number:
                    found[way].append((wall / created * 1e6, used / created * 1e6))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=2_000)
    parser.add_argument("--folder", default=None, help="where the store is put")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        command = [
            sys.executable, "-m", "drayman", "serve", "--port", "0", "--http-port", "0",
            "--store", f"sqlite:{folder}/drayman.db", "--queue", QUEUE,
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                line = server.stdout.readline()
                words = dict(word.split("=", 1) for word in line.split() if "=" in word)
                found = asyncio.run(
                    measure(server.pid, words["grpc"], words["http"], given.rounds, given.tasks)
                )
            finally:
                server.terminate()
    first = None
    print(f"{'a task':<40}{'wall us':>10}{'server CPU us':>15}{'of a gRPC call':>16}")
    for way, rows in found.items():
        wall, used = (statistics.median(column) for column in zip(*rows, strict=True))
        first = first or used
        print(f"{way:<40}{wall:>10.0f}{used:>15.0f}{used / first:>16.2f}")


if __name__ == "__main__":
    main()

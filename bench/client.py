"""This client library compared with Google's, on the same server, in one run.

    python bench/client.py                     against a server that does nothing (standin.py)
    python bench/client.py --server drayman    against `drayman serve` with a store in memory

Rounds of the two libraries alternate, so that other load of the machine affects both. What a server
does not support is shown as n/a.
"""

import argparse
import asyncio
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import grpc
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import tasks_v2 as google_tasks
from google.cloud.tasks_v2.services.cloud_tasks import transports as google_transports

from drayman import tasks

HERE = Path(__file__).parent
QUEUE = "projects/p/locations/l/queues/q"
BODY = b"x" * 200
STANDIN = [sys.executable, str(HERE / "standin.py")]
DRAYMAN = [
    sys.executable, "-m", "drayman", "serve", "--port", "0", "--http-port", "0",
    "--store", "memory", "--queue", QUEUE,
]  # fmt: skip

IMPORT = """
import time
start = time.perf_counter()
{code}
taken = time.perf_counter() - start
with open("/proc/self/status") as status:
    peak = next(line for line in status if line.startswith("VmHWM"))
print(taken, int(peak.split()[1]) / 1024)
"""


@contextlib.contextmanager
def served(command):
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            words = dict(
                word.split("=", 1) for word in process.stdout.readline().split() if "=" in word
            )
            yield words["grpc"], words["http"]
        finally:
            process.terminate()


def show(what, google, ours, unit, *, larger_is_better=False):
    if google is None or ours is None:
        print(f"{what:<58}{'n/a':>12}{'n/a':>12}")
        return
    factor = ours / google if larger_is_better else google / ours
    print(f"{what:<58}{google:>12,.4g}{ours:>12,.4g} {unit:<5}{factor:>7.2f} x")


def imported(code, rounds):
    found = []
    for _ in range(rounds):
        ran = subprocess.run(
            [sys.executable, "-c", IMPORT.format(code=code)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"CLOUD_TASKS_EMULATOR_HOST": "localhost:1"},
        )
        found.append([float(word) for word in ran.stdout.split()])
    return [statistics.median(column) for column in zip(*found, strict=True)]


def imports(rounds):
    made = (
        "from google.cloud import tasks; import grpc; "
        "from google.cloud.tasks_v2.services.cloud_tasks import transports as t; "
        "tasks.CloudTasksClient("
        "transport=t.CloudTasksGrpcTransport(channel=grpc.insecure_channel('localhost:1')))"
    )
    for what, google, ours in (
        ("import", "from google.cloud import tasks", "from drayman import tasks"),
        ("import and a client", made, "from drayman import tasks; tasks.CloudTasksClient()"),
    ):
        google_time, google_memory = imported(google, rounds)
        our_time, our_memory = imported(ours, rounds)
        show(f"{what}: time", google_time * 1e3, our_time * 1e3, "ms")
        show(f"{what}: memory of the process", google_memory, our_memory, "MB")


def google_grpc(address):
    transport = google_transports.CloudTasksGrpcTransport(channel=grpc.insecure_channel(address))
    return google_tasks.CloudTasksClient(transport=transport)


def google_task():
    request = google_tasks.HttpRequest(url="https://example.com/work", body=BODY)
    return google_tasks.Task(http_request=request)


def our_task():
    return tasks.Task(http_request=tasks.HttpRequest(url="https://example.com/work", body=BODY))


def latency(google, ours, rounds, calls):
    """The median call in microseconds, building the task included."""
    taken = ([], [])
    for _ in range(rounds):
        for client, make, times in ((google, google_task, taken[0]), (ours, our_task, taken[1])):
            for _ in range(calls):
                start = time.perf_counter()
                client.create_task(parent=QUEUE, task=make())
                times.append(time.perf_counter() - start)
    return [statistics.median(times) * 1e6 for times in taken]


def latencies(what, google, ours, rounds, calls):
    try:
        show(what, *latency(google, ours, rounds, calls), "us")
    except exceptions.GoogleAPICallError:
        show(what, None, None, "us")


async def in_flight(client, make, calls, width):
    """Calls a second with a number of calls in flight."""
    left = iter(range(calls))

    async def work():
        for _ in left:
            await client.create_task(parent=QUEUE, task=make())

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(width)))
    return calls / (time.perf_counter() - start)


def google_async(address):
    transport = google_transports.CloudTasksGrpcAsyncIOTransport(
        channel=grpc.aio.insecure_channel(address)
    )
    return google_tasks.CloudTasksAsyncClient(transport=transport)


async def throughput(options, address, rounds, calls):
    async with (
        google_async(address) as google,
        tasks.CloudTasksAsyncClient(client_options=options) as ours,
    ):
        rates = ([], [])
        for _ in range(rounds):
            rates[0].append(await in_flight(google, google_task, calls, 64))
            rates[1].append(await in_flight(ours, our_task, calls, 64))
    return [statistics.median(rate) for rate in rates]


def usual_way(client, count):
    start = time.perf_counter()
    for _ in range(count):
        client.create_task(parent=QUEUE, task=google_task())
    return time.perf_counter() - start


def in_bulk(client, count):
    start = time.perf_counter()
    created = client.create_tasks(QUEUE, (our_task() for _ in range(count)))
    assert len(created) == count
    assert not any(one.error for one in created)
    return time.perf_counter() - start


async def usual_async(address, count):
    async with google_async(address) as client:
        return count / await in_flight(client, google_task, count, 64)


async def in_bulk_async(options, count):
    async with tasks.CloudTasksAsyncClient(client_options=options) as client:
        start = time.perf_counter()
        await client.create_tasks(QUEUE, (our_task() for _ in range(count)))
        return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", choices=["standin", "drayman"], default="standin")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=400, help="calls of a round")
    parser.add_argument("--count", type=int, default=10_000, help="tasks created in bulk")
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, server: {given.server}")
    print(f"{'':<58}{'Google':>12}{'Drayman':>12}")
    imports(given.rounds)
    with served(DRAYMAN if given.server == "drayman" else STANDIN) as (address, url):
        options = {"api_endpoint": f"http://{address}"}
        with google_grpc(address) as google, tasks.CloudTasksClient(client_options=options) as ours:
            if given.server == "drayman":
                ours.pause_queue(name=QUEUE)  # creating is measured, not delivering
            latencies("create_task over gRPC: median", google, ours, given.rounds, given.calls)
            over_rest = {
                "transport": "rest",
                "client_options": {"api_endpoint": url},
                "credentials": AnonymousCredentials(),
            }
            with (
                google_tasks.CloudTasksClient(**over_rest) as google_rest,
                tasks.CloudTasksClient(**over_rest) as our_rest,
            ):
                what = "create_task over REST: median"
                latencies(what, google_rest, our_rest, given.rounds, given.calls)
            rates = asyncio.run(throughput(options, address, given.rounds, given.calls * 5))
            show("asyncio, 64 in flight: calls per second", *rates, "/s", larger_is_better=True)
            times = usual_way(google, given.count), in_bulk(ours, given.count)
            show(f"{given.count:,} tasks: create_task in a loop | create_tasks", *times, "s")
        times = (
            asyncio.run(usual_async(address, given.count)),
            asyncio.run(in_bulk_async(options, given.count)),
        )
        show(f"{given.count:,} tasks, asyncio: 64 in flight | create_tasks", *times, "s")


if __name__ == "__main__":
    main()

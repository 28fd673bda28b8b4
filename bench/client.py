"""Our client library beside Google's, on the same server, in one run.

    python -m bench.client                     against a server that only answers
    python -m bench.client --server drayman    against `drayman serve`

Rounds of the two libraries alternate, so that a busy machine is busy for both. What a server
does not offer is shown as n/a.
"""

import argparse
import asyncio
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import tasks_v2 as google_tasks
from google.cloud.tasks_v2.services.cloud_tasks import transports as google_transports

from bench import processes, servers
from bench.messages import BODY, IDLE_URL
from drayman import tasks

SERVERS = {each.name: each for each in (servers.TRIVIAL, servers.DRAYMAN)}

IMPORT = """
import time
start = time.perf_counter()
{code}
seconds = time.perf_counter() - start
with open("/proc/self/status") as status:
    peak = next(line for line in status if line.startswith("VmHWM"))
print(seconds, int(peak.split()[1]) / 1024)
"""


def show(title, google, ours, unit, *, higher_is_better=False):
    if google is None or ours is None:
        print(f"{title:<58}{'n/a':>12}{'n/a':>12}")
        return
    factor = ours / google if higher_is_better else google / ours
    print(f"{title:<58}{google:>12,.4g}{ours:>12,.4g} {unit:<5}{factor:>7.2f} x")


def measure_import(code, rounds):
    """The median time and memory of a process that runs some code."""
    samples = []
    for _ in range(rounds):
        process = subprocess.run(
            [sys.executable, "-c", IMPORT.format(code=code)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"CLOUD_TASKS_EMULATOR_HOST": "localhost:1"},
        )
        samples.append([float(number) for number in process.stdout.split()])
    return [statistics.median(column) for column in zip(*samples, strict=True)]


def compare_imports(rounds):
    google_client = (
        "from google.cloud import tasks; import grpc; "
        "from google.cloud.tasks_v2.services.cloud_tasks import transports as t; "
        "tasks.CloudTasksClient("
        "transport=t.CloudTasksGrpcTransport(channel=grpc.insecure_channel('localhost:1')))"
    )
    our_client = "from drayman import tasks; tasks.CloudTasksClient()"
    for title, google, ours in (
        ("import", "from google.cloud import tasks", "from drayman import tasks"),
        ("import and a client", google_client, our_client),
    ):
        google_time, google_memory = measure_import(google, rounds)
        our_time, our_memory = measure_import(ours, rounds)
        show(f"{title}: time", google_time * 1e3, our_time * 1e3, "ms")
        show(f"{title}: memory of the process", google_memory, our_memory, "MB")


def google_grpc(address):
    transport = google_transports.CloudTasksGrpcTransport(channel=grpc.insecure_channel(address))
    return google_tasks.CloudTasksClient(transport=transport)


def google_task():
    request = google_tasks.HttpRequest(url=IDLE_URL, body=BODY)
    return google_tasks.Task(http_request=request)


def our_task():
    return tasks.Task(http_request=tasks.HttpRequest(url=IDLE_URL, body=BODY))


def latency(google, ours, queue, rounds, calls):
    """The median call in microseconds, building the task included."""
    times = ([], [])
    for _ in range(rounds):
        for client, new_task, seconds in (
            (google, google_task, times[0]),
            (ours, our_task, times[1]),
        ):
            for _ in range(calls):
                start = time.perf_counter()
                client.create_task(parent=queue, task=new_task())
                seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) * 1e6 for seconds in times]


def compare_latency(title, google, ours, queue, rounds, calls):
    try:
        medians = latency(google, ours, queue, rounds, calls)
    except exceptions.GoogleAPICallError:
        medians = (None, None)
    show(title, *medians, "us")


async def in_flight(client, new_task, queue, calls, width):
    """Calls per second with so many in flight."""
    remaining = iter(range(calls))

    async def call_repeatedly():
        for _ in remaining:
            await client.create_task(parent=queue, task=new_task())

    start = time.perf_counter()
    await asyncio.gather(*(call_repeatedly() for _ in range(width)))
    return calls / (time.perf_counter() - start)


def google_async(address):
    transport = google_transports.CloudTasksGrpcAsyncIOTransport(
        channel=grpc.aio.insecure_channel(address)
    )
    return google_tasks.CloudTasksAsyncClient(transport=transport)


async def throughput(options, address, queue, rounds, calls):
    async with (
        google_async(address) as google,
        tasks.CloudTasksAsyncClient(client_options=options) as ours,
    ):
        rates = ([], [])
        for _ in range(rounds):
            rates[0].append(await in_flight(google, google_task, queue, calls, 64))
            rates[1].append(await in_flight(ours, our_task, queue, calls, 64))
    return [statistics.median(rate) for rate in rates]


def one_by_one(client, queue, count):
    start = time.perf_counter()
    for _ in range(count):
        client.create_task(parent=queue, task=google_task())
    return time.perf_counter() - start


def in_bulk(client, queue, count):
    start = time.perf_counter()
    results = client.create_tasks(queue, (our_task() for _ in range(count)))
    assert len(results) == count
    assert not any(result.error for result in results)
    return time.perf_counter() - start


async def one_by_one_async(address, queue, count):
    async with google_async(address) as client:
        return count / await in_flight(client, google_task, queue, count, 64)


async def in_bulk_async(options, queue, count):
    async with tasks.CloudTasksAsyncClient(client_options=options) as client:
        start = time.perf_counter()
        await client.create_tasks(queue, (our_task() for _ in range(count)))
        return time.perf_counter() - start


def compare_calls(server, queue, rounds, calls, count):
    address, options = server.address, {"api_endpoint": f"http://{server.address}"}
    with google_grpc(address) as google, tasks.CloudTasksClient(client_options=options) as ours:
        compare_latency("create_task over gRPC: median", google, ours, queue, rounds, calls)
        times = one_by_one(google, queue, count), in_bulk(ours, queue, count)
        show(f"{count:,} tasks: create_task in a loop | create_tasks", *times, "s")
    rates = asyncio.run(throughput(options, address, queue, rounds, calls * 5))
    show("asyncio, 64 in flight: calls per second", *rates, "/s", higher_is_better=True)
    times = (
        asyncio.run(one_by_one_async(address, queue, count)),
        asyncio.run(in_bulk_async(options, queue, count)),
    )
    show(f"{count:,} tasks, asyncio: 64 in flight | create_tasks", *times, "s")
    over_rest = {
        "transport": "rest",
        "client_options": {"api_endpoint": f"http://{servers.HOST}:{server.http_port}"},
        "credentials": AnonymousCredentials(),
    }
    with (
        google_tasks.CloudTasksClient(**over_rest) as google,
        tasks.CloudTasksClient(**over_rest) as ours,
    ):
        compare_latency("create_task over REST: median", google, ours, queue, rounds, calls)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", choices=list(SERVERS), default="trivial")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=400, help="calls of a round")
    parser.add_argument("--count", type=int, default=10_000, help="tasks created in bulk")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, server: {options.server}")
    print(f"{'':<58}{'Google':>12}{'Drayman':>12}")
    with processes.pinned(processes.LOAD_CORES):
        compare_imports(options.rounds)
        with (
            tempfile.TemporaryDirectory(prefix="drayman-bench-") as folder,
            servers.run(SERVERS[options.server], Path(folder)) as server,
        ):
            queue = server.create_queue("q")
            server.call("PauseQueue", name=queue)  # creating is measured, not delivering
            compare_calls(server, queue, options.rounds, options.calls, options.count)


if __name__ == "__main__":
    main()

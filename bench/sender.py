"""What pushing one task over HTTP costs: POSTs a second, and the sender's CPU time for each.

    python bench/sender.py [--rounds 5] [--requests 20000]

The sender and a target that does nothing each have a process, and a core if there are two; 64
requests in flight over kept connections, on uvloop, with the garbage collector as the server has
it. The bare client beside it writes the same bytes and waits for the end of each response, without
headers to render, bounds, a pool, or a task for each request: what uvloop, the parser and
the kernel cost alone.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import time

import httptools
import uvloop

from drayman.core.delivery import Request
from drayman.dispatch.http import request as requests
from drayman.dispatch.sender import HttpSender
from drayman.process import tune_garbage_collection

WIDTH = 64
BODY = b"x" * 200
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "Google-Cloud-Tasks",
    "X-CloudTasks-QueueName": "queue",
    "X-CloudTasks-TaskName": "12345678901234567890",
    "X-CloudTasks-TaskRetryCount": "0",
    "X-CloudTasks-TaskExecutionCount": "0",
    "X-CloudTasks-TaskETA": "1700000000.000000",
}
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n"
    b"Date: Tue, 01 Jan 2030 00:00:00 GMT\r\nServer: target\r\n\r\nok"
)


class Target(asyncio.Protocol):
    """A server that answers every request, whatever it says."""

    def connection_made(self, transport):
        self._transport, self._data = transport, b""

    def data_received(self, data):
        self._data += data
        while b"\r\n\r\n" in self._data:
            size = self._data.index(b"\r\n\r\n") + 4 + len(BODY)
            if len(self._data) < size:
                break
            self._data = self._data[size:]
            self._transport.write(RESPONSE)


class BareClient(asyncio.Protocol):
    """A client that writes the same request as soon as the last response has ended."""

    def __init__(self, data, left, done):
        self._data, self._left, self._done = data, left, done

    def connection_made(self, transport):
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)
        self._next()

    def data_received(self, data):
        self._parser.feed_data(data)

    def on_message_complete(self):
        self._next()

    def connection_lost(self, exc):  # noqa: ARG002 - the protocol's form
        self._parser = None

    def _next(self):
        if next(self._left, None) is None:
            self._transport.abort()
            self._done.release()
        else:
            self._transport.write(self._data)


async def run_bare(port, number):
    loop, left, done = asyncio.get_running_loop(), iter(range(number)), asyncio.Semaphore(0)
    authority = f"127.0.0.1:{port}"
    head = requests.render_head(Request("POST", "", HEADERS, BODY), authority, "/jobs/item?x=1")
    for _ in range(WIDTH):
        await loop.create_connection(lambda: BareClient(head + BODY, left, done), "127.0.0.1", port)
    for _ in range(WIDTH):
        await done.acquire()


async def run_sender(port, number):
    sender, left = HttpSender(), iter(range(number))

    async def work():
        for _ in left:
            url = f"http://127.0.0.1:{port}/jobs/item?x=1"
            response = await sender.send(Request("POST", url, HEADERS, BODY))
            assert response.status == 200

    await asyncio.gather(*(work() for _ in range(WIDTH)))
    await sender.close()


async def serve(port):
    server = await asyncio.get_running_loop().create_server(Target, "127.0.0.1", 0)
    port.put(server.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


def target(port):
    pin(-1)
    uvloop.run(serve(port))


def pin(core):
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})


def measure(ways, port, rounds, number):
    """Return the seconds and CPU seconds of each round, the ways in turns."""
    rows = {way: [] for way in ways}
    for round_ in range(rounds + 1):  # the first warms up
        for way, run in ways.items():
            start, used = time.perf_counter(), time.process_time()
            uvloop.run(run(port, number))
            row = time.perf_counter() - start, time.process_time() - used
            if round_:
                rows[way].append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=20_000)
    options = parser.parse_args()
    port = multiprocessing.Queue()
    process = multiprocessing.Process(target=target, args=(port,), daemon=True)
    process.start()
    pin(0)
    tune_garbage_collection()
    ways = {"sender": run_sender, "bare client": run_bare}
    rows = measure(ways, port.get(), options.rounds, options.requests)
    process.terminate()
    print(f"{'':<15}{'POST/s':>10}{'CPU us':>10}{'CPU us, range':>20}")
    for way, row in rows.items():
        seconds, used = zip(*row, strict=True)
        each = [one / options.requests * 1e6 for one in used]
        rate = options.requests / statistics.median(seconds)
        spread = f"{min(each):.1f} to {max(each):.1f}"
        print(f"{way:<15}{rate:>10,.0f}{statistics.median(each):>10.1f}{spread:>20}")


if __name__ == "__main__":
    main()

"""Jobs of procrastinate that POST to a target: ``install``, ``enqueue``, ``batch`` or ``work``.

Runs in the environment of the peers. The worker is as its documentation shows: asynchronous tasks
with a concurrency, one session of aiohttp.
"""

import asyncio
import json
import sys
import time

import aiohttp
import procrastinate

DSN, COMMAND, URL, COUNT = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
IN_FLIGHT, BATCH, CONCURRENCY = 64, 100, 64
BODY = "x" * 200
connector = procrastinate.PsycopgConnector(conninfo=DSN, min_size=4, max_size=20)
app = procrastinate.App(connector=connector)


@app.task(queue="jobs", name="post")
async def post(url, body):
    async with app.session.post(url, data=body) as response:
        response.raise_for_status()


async def enqueue(count, per_call):
    calls = iter(range(count // per_call))
    jobs = [{"url": URL, "body": BODY}] * per_call

    async def call():
        for _ in calls:
            if per_call == 1:
                await post.defer_async(**jobs[0])
            else:
                await post.batch_defer_async(*jobs)

    await asyncio.gather(*(call() for _ in range(IN_FLIGHT if per_call == 1 else 4)))


async def main():
    async with app.open_async():
        if COMMAND == "install":
            await app.schema_manager.apply_schema_async()
        elif COMMAND == "work":
            async with aiohttp.ClientSession() as app.session:
                await app.run_worker_async(
                    concurrency=CONCURRENCY, install_signal_handlers=False, delete_jobs="always"
                )
        else:
            per_call = 1 if COMMAND == "enqueue" else BATCH
            await enqueue(per_call * 10, per_call)  # connections are opened
            began, cpu = time.perf_counter(), time.process_time()
            await enqueue(COUNT, per_call)
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            print(json.dumps({"seconds": seconds, "cpu": cpu, "before": 10 * per_call}))


asyncio.run(main())

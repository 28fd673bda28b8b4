"""Jobs of pgqueuer that POST to a target: ``install``, ``enqueue``, ``batch`` or ``work``.

Runs in the environment of the peers. The worker is as its documentation shows: an entrypoint on
asyncpg, one session of aiohttp.
"""

import asyncio
import json
import sys
import time

import aiohttp
import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.queries import Queries

DSN, COMMAND, URL, COUNT = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
IN_FLIGHT, BATCH, CONCURRENCY = 64, 100, 64
BODY = b"x" * 200


async def enqueue(queries, count, per_call):
    calls = iter(range(count // per_call))

    async def call():
        for _ in calls:
            if per_call == 1:
                await queries.enqueue("post", BODY)
            else:
                await queries.enqueue(["post"] * BATCH, [BODY] * BATCH, [0] * BATCH)

    await asyncio.gather(*(call() for _ in range(IN_FLIGHT if per_call == 1 else 4)))


async def work(driver):
    queuer = PgQueuer(driver)
    async with aiohttp.ClientSession() as session:

        @queuer.entrypoint("post")
        async def post(job):
            async with session.post(URL, data=job.payload) as response:
                response.raise_for_status()

        await queuer.qm.run(batch_size=CONCURRENCY // 2, max_concurrent_tasks=CONCURRENCY)


async def main():
    if COMMAND == "install":
        await Queries(AsyncpgDriver(await asyncpg.connect(DSN))).install()
    elif COMMAND == "work":
        await work(AsyncpgDriver(await asyncpg.connect(DSN)))
    else:
        async with asyncpg.create_pool(DSN, min_size=4, max_size=20) as pool:
            queries, per_call = Queries(AsyncpgPoolDriver(pool)), 1
            if COMMAND == "batch":
                per_call = BATCH
            await enqueue(queries, per_call * 10, per_call)  # connections are opened
            began, cpu = time.perf_counter(), time.process_time()
            await enqueue(queries, COUNT, per_call)
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            print(json.dumps({"seconds": seconds, "cpu": cpu, "before": 10 * per_call}))


asyncio.run(main())

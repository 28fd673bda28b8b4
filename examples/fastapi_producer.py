"""A web application with FastAPI that moves slow work into a queue.

Run it with ``uvicorn --app-dir examples fastapi_producer:app``, with CLOUD_TASKS_EMULATOR_HOST
and WORKER (the worker's URL) in the environment.
"""

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request

from drayman import tasks

QUEUE = "projects/my-project-id/locations/us-central1/queues/my-queue"


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client for the life of the application: it keeps its connection."""
    async with tasks.CloudTasksAsyncClient() as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=202)
async def take_order(order: dict[str, Any], request: Request) -> dict[str, str]:
    """Respond at once; the worker processes the order."""
    task = tasks.http_task(f"{os.environ['WORKER']}/process-order", json=order)
    created = await request.app.state.client.create_task(parent=QUEUE, task=task)
    return {"task": created.name}

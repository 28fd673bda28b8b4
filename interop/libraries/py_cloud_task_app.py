"""py-cloud-task: functions that are pushed, with a router for FastAPI."""

import asyncio

import harness
from cloudtask import CloudTaskClient
from cloudtask.ext.fastapi import CloudTaskRouter
from fastapi import FastAPI

harness.connect()
harness.create_queue()
listener, url = harness.listen()
attempts = harness.Attempts()
client = CloudTaskClient(
    queue=harness.QUEUE,
    project=harness.PROJECT,
    location=harness.LOCATION,
    url=f"{url}/tasks",
    sae="worker@my-project.iam.gserviceaccount.com",
)


@client.task()
def welcome(name):
    """Run the task."""
    attempts.record(name)


app = FastAPI()
app.include_router(CloudTaskRouter(client), prefix="/tasks")
harness.serve_asgi(app, listener)
asyncio.run(welcome("ann").push())
attempts.wait("ann")

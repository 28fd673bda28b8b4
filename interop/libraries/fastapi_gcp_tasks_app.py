"""fastapi-gcp-tasks: a route of FastAPI that is called later."""

import harness
from fastapi import APIRouter, FastAPI
from fastapi_gcp_tasks import DelayedRouteBuilder
from google.cloud import tasks_v2
from pydantic import BaseModel

harness.connect()
harness.create_queue()
listener, url = harness.listen()
attempts = harness.Attempts()
router = APIRouter(
    route_class=DelayedRouteBuilder(
        callback_base_url=url, queue_path=harness.QUEUE_PATH, client=tasks_v2.CloudTasksClient()
    )
)


class User(BaseModel):
    """The body of the request."""

    name: str


@router.post("/welcome/{user_id}")
def welcome(user_id: str, user: User):
    """Run the task."""
    attempts.record(user_id, user.name)


app = FastAPI()
app.include_router(router)
harness.serve_asgi(app, listener)
welcome.delay(user_id="007", user=User(name="ann"))
attempts.wait("007", "ann")

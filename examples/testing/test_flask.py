"""Flask, with a client that the application keeps."""

import flask
import pytest
from google.api_core.exceptions import AlreadyExists

from drayman import tasks

QUEUE = "projects/shop/locations/here/queues/parcels"


def create_app():
    """Return the application; its client connects to CLOUD_TASKS_EMULATOR_HOST."""
    app = flask.Flask(__name__)
    client = tasks.CloudTasksClient()
    app.extensions["parcels"] = []

    @app.post("/orders/<number>")
    def order(number):
        days = flask.request.args.get("days", 0, int)
        task = tasks.http_task(
            f"https://shop.example/parcels/{number}",
            name=f"{QUEUE}/tasks/parcel-{number}",
            delay=days * 86_400,
        )
        try:
            client.create_task(parent=QUEUE, task=task)
        except AlreadyExists:
            return {"error": "ordered already"}, 409
        return {}, 202

    @app.post("/parcels/<number>")
    def parcel(number):
        """Send a parcel: what the queue calls."""
        app.extensions["parcels"].append(number)
        return {}

    return app


@pytest.fixture
def app(cloud_tasks):
    cloud_tasks.queue(QUEUE)
    app = create_app()
    cloud_tasks.deliver_to(app, "https://shop.example/*")
    return app


def test_a_parcel_is_retried_until_it_is_sent(cloud_tasks, app):
    cloud_tasks.respond("https://shop.example/*", [503, 503])  # and then the application
    assert app.test_client().post("/orders/a1").status_code == 202
    cloud_tasks.run_all()
    assert app.extensions["parcels"] == ["a1"]
    cloud_tasks.assert_delivered(url="*/parcels/a1", status=503, count=2)


def test_a_parcel_is_sent_after_29_days(cloud_tasks, app):
    app.test_client().post("/orders/a1?days=29")
    cloud_tasks.advance(days=28)
    assert app.extensions["parcels"] == []
    cloud_tasks.advance(days=1)
    assert app.extensions["parcels"] == ["a1"]


def test_an_order_that_comes_twice_is_one_parcel(cloud_tasks, app):
    assert app.test_client().post("/orders/a1").status_code == 202
    assert app.test_client().post("/orders/a1").status_code == 409
    cloud_tasks.run_all()
    assert app.extensions["parcels"] == ["a1"]


def test_parcels_wait_while_the_queue_is_paused(cloud_tasks, app):
    cloud_tasks.client().pause_queue(name=QUEUE)
    app.test_client().post("/orders/a1")
    cloud_tasks.run_all()
    cloud_tasks.assert_enqueued(queue="parcels", count=1)
    cloud_tasks.client().resume_queue(name=QUEUE)
    cloud_tasks.run_all()
    assert app.extensions["parcels"] == ["a1"]

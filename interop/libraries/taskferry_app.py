"""taskferry-cloudtasks: functions by name, behind any web framework."""

import sys

import harness
from taskferry import FunctionRegistry, Taskferry
from taskferry_cloudtasks import handle_request

harness.connect()
harness.create_queue()
listener, url = harness.listen()
attempts = harness.Attempts()
sys.modules["app"] = sys.modules[__name__]
registry = FunctionRegistry(allowed_modules=["app"])


def welcome(name):
    """Run the task."""
    attempts.record(name)


def app(environ, start_response):
    """Pass each request to the library."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    try:
        handle_request(body, {}, registry=registry)
    except RuntimeError:
        start_response("500 Internal Server Error", [])
    else:
        start_response("204 No Content", [])
    return []


harness.serve_wsgi(app, listener)
runtime = Taskferry.from_mapping(
    {
        "backends": {
            "push": {
                "factory": "cloudtasks",
                "project": harness.PROJECT,
                "location": harness.LOCATION,
                "url": url,
            }
        },
        "defaults": {"task": "push"},
    }
)
runtime.tasks.submit("app:welcome", "ann", queue=harness.QUEUE)
attempts.wait("ann")

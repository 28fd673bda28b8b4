"""What ``drayman.outbox`` checks before it asks the database, and what it imports."""

import contextlib
import subprocess
import sys
from types import SimpleNamespace

import pytest
from google.api_core import exceptions

from drayman import outbox, tasks
from drayman.core import errors

QUEUE = "projects/p/locations/l/queues/q"
TASK = tasks.http_task("https://example.com/")
NO_CONNECTION = object()


@pytest.mark.parametrize(
    ("parent", "task", "message"),
    [
        (QUEUE, {}, "Task.payload_type is not set."),
        (QUEUE, {"http_request": {}}, "HttpRequest.url is required."),
        (
            QUEUE,
            {"app_engine_http_request": {"relative_uri": "x"}},
            "AppEngineHttpRequest.relativeUri must start with '/' and contain no spaces.",
        ),
        ("projects/p/locations/l/queues/_", TASK, errors.queue_id("_").message),
    ],
)
def test_an_invalid_task_is_refused_without_the_database(parent, task, message):
    with pytest.raises(exceptions.InvalidArgument) as refusal:
        outbox.create_task(NO_CONNECTION, parent=parent, task=task)
    assert refusal.value.message == message


def test_an_invalid_name_is_refused_without_the_database():
    with pytest.raises(exceptions.PermissionDenied):
        outbox.delete_task(NO_CONNECTION, name=QUEUE)


def test_a_request_comes_alone():
    with pytest.raises(ValueError, match="came in addition to a request"):
        outbox.create_task(NO_CONNECTION, {"parent": QUEUE}, task=TASK)


def test_a_connection_of_an_unknown_type_is_refused():
    with pytest.raises(TypeError, match=r"builtins.object is no connection of psycopg"):
        outbox.create_task(NO_CONNECTION, parent=QUEUE, task=TASK)


class Psycopg2Error(Exception):
    """An error as psycopg2 raises it."""

    pgcode = "TK005"
    diag = SimpleNamespace(message_primary="Requested entity was not found.")


class BaseDatabaseWrapper:
    """A connection as Django's on psycopg2."""

    __module__ = "django.db.backends.base.base"

    @contextlib.contextmanager
    def cursor(self):
        yield self

    def execute(self, _statement, _params):
        raise RuntimeError("Django's own error") from Psycopg2Error("with lines of context")


def test_errors_of_psycopg2_are_those_of_the_client():
    with pytest.raises(exceptions.NotFound) as refusal:
        outbox.delete_task(BaseDatabaseWrapper(), name=f"{QUEUE}/tasks/t")
    assert refusal.value.message == "Requested entity was not found."


@pytest.mark.parametrize("schema", ["", "a b", "A", 'x"; DROP TABLE task --'])
def test_a_text_that_is_no_schema_is_refused(schema):
    with pytest.raises(ValueError, match="is not the schema of a store"):
        outbox.create_task(NO_CONNECTION, parent=QUEUE, task=TASK, schema=schema)


def test_no_driver_is_imported():
    code = (
        "import sys, drayman.outbox; "
        "print(sys.modules.keys() & {'psycopg', 'asyncpg', 'sqlalchemy', 'django', 'starlette'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

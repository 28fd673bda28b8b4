"""compat/google-cloud-tasks gives our client Google's import paths. Tested in its own venv."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grpc
import pytest
import venvs
from recorders import Failure

from drayman import tasks

ROOT = Path(__file__).parents[2]
REQUESTED = sorted((Path(__file__).parent / "requested").glob("*.txt"))


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    """The interpreter of a venv with Drayman and the drop-in, built from copies of the sources."""
    folder = tmp_path_factory.mktemp("drop-in")
    for name in ("src", "pyproject.toml", "README.md", "LICENSE"):
        copy(ROOT / name, folder / "drayman" / name)
    copy(ROOT / "compat/google-cloud-tasks", folder / "compat")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    requirements = project["project"]["dependencies"] + project["build-system"]["requires"]
    return venvs.create(folder / "venv", requirements, [folder / "drayman", folder / "compat"])


def copy(source, target):
    if source.is_dir():
        ignored = shutil.ignore_patterns("*.egg-info", "__pycache__")
        shutil.copytree(source, target, ignore=ignored)
    else:
        shutil.copy(source, target)


# The requested examples use it; it is deprecated since Python 3.12.
UTCNOW = "ignore:datetime.datetime.utcnow:DeprecationWarning"


def run(python, *arguments, **environment):
    process = subprocess.run(
        [python, "-W", "error", "-W", UTCNOW, *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def respond(method, body):
    """Respond to the calls of the examples."""
    name = "projects/my-project-id/locations/us-central1/queues/my-queue/tasks/my-task"
    task = tasks.Task(name=name, create_time={"seconds": 1})
    if method == "CreateTask":
        created = tasks.CreateTaskRequest.deserialize(body).task
        created.name = name
        return tasks.Task.serialize(created)
    if method == "ListTasks":
        return tasks.ListTasksResponse.serialize(tasks.ListTasksResponse(tasks=[task]))
    if method in {"GetTask", "RunTask"}:
        return tasks.Task.serialize(task)
    return b"" if method == "DeleteTask" else Failure(grpc.StatusCode.UNIMPLEMENTED, method)


@pytest.mark.parametrize("example", REQUESTED, ids=lambda path: path.stem)
def test_the_requested_examples_run_as_they_are_written(python, example, recorder):
    recorder.handler = respond
    printed = run(python, str(example), CLOUD_TASKS_EMULATOR_HOST=recorder.address)
    assert "tasks/my-task" in printed
    assert recorder.take()


IDENTITY_CHECKS = """
import importlib, importlib.metadata, pickle, sys
import google.cloud.tasks_v2.services.cloud_tasks.transports.rest
from google.cloud import tasks, tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks import pagers, CloudTasksAsyncClient, transports
from google.cloud.tasks_v2.types import task as gct_task
from google.cloud.tasks_v2 import types, gapic_version
import drayman.tasks

for name in (
    "services.cloud_tasks.client", "services.cloud_tasks.async_client",
    "services.cloud_tasks.pagers", "services.cloud_tasks.transports.base",
    "services.cloud_tasks.transports.grpc", "services.cloud_tasks.transports.grpc_asyncio",
    "services.cloud_tasks.transports.rest", "types.cloudtasks", "types.queue", "types.target",
    "types.task", "types.cmek_config",
):
    module = importlib.import_module(f"google.cloud.tasks_v2.{name}")
    assert module is importlib.import_module(f"drayman.tasks_v2.{name}")
    assert module.__spec__.name == f"drayman.tasks_v2.{name}", module.__spec__
assert tasks is drayman.tasks and tasks.Task is tasks_v2.Task is gct_task.Task
assert CloudTasksAsyncClient is tasks.CloudTasksAsyncClient
assert importlib.metadata.version("google-cloud-tasks").startswith("2.26.0+drayman")
try:
    import google.cloud.tasks_v2.nonsense
except ModuleNotFoundError:
    print("same")
"""


def test_both_names_are_one_module(python):
    assert run(python, "-c", IDENTITY_CHECKS) == "same\n"


@pytest.mark.parametrize("version", ["v2beta2", "v2beta3"])
def test_an_import_of_a_beta_version_says_what_to_do(python, version):
    for statement in (
        f"from google.cloud import tasks_{version}",
        f"import google.cloud.tasks_{version}.types",
    ):
        process = subprocess.run(
            [python, "-c", statement], capture_output=True, text=True, check=False
        )
        message = process.stderr.splitlines()[-1]
        assert message.startswith(f"ImportError: google.cloud.tasks_{version} is not part of")
        assert "Import google.cloud.tasks_v2 instead." in message
        assert "pip install --force-reinstall google-cloud-tasks==2.26.0" in message


TYPED_PROGRAM = """
from typing import assert_type

from google.cloud import tasks, tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks import CloudTasksClient, pagers
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport
from google.cloud.tasks_v2.types import Task
from google.cloud.tasks_v2.types import task as gct_task

def create(client: tasks.CloudTasksClient, task: tasks.Task) -> Task:
    assert_type(task, gct_task.Task)
    assert_type(client.list_tasks(parent="q"), pagers.ListTasksPager)
    assert_type(tasks_v2.CloudTasksClient(), CloudTasksClient)
    CloudTasksGrpcTransport(host="h")
    tasks.Tassk  # type: ignore[attr-defined]
    return client.create_task(parent="q", task=task)
"""


def test_both_names_are_typed(python, tmp_path):
    (tmp_path / "program.py").write_text(TYPED_PROGRAM)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python)]
    process = subprocess.run(
        [*mypy, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr


def test_the_drop_in_satisfies_requirements_for_googles_package(python):
    venvs.pip(python, "install", "--no-index", "--dry-run", "google-cloud-tasks>=2.19")

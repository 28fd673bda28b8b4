"""mypy accepts the examples, and infers the types that the methods declare."""

import inspect
import subprocess
import sys
from pathlib import Path
from unittest import mock

import proto
import pytest
from mypy import api

from drayman import tasks, tasks_v2
from drayman.tasks_v2.services import cloud_tasks
from drayman.tasks_v2.services.cloud_tasks import transports

ROOT = Path(__file__).parents[2]
CHECKED = (
    Path(__file__).with_name("typed.py"),
    *(path for path in sorted((ROOT / "examples").glob("*.py")) if path.stem != "demo"),
)


def test_the_examples_are_typed():
    options = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", ROOT / ".mypy_cache"]
    report, errors, code = api.run([str(argument) for argument in (*options, *CHECKED)])
    assert (code, errors) == (0, ""), report


@pytest.mark.parametrize("module", [tasks, tasks_v2, cloud_tasks, transports])
def test_lazy_attributes_are_listed_and_loaded(module):
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert hasattr(module, name)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        module.nonsense  # noqa: B018


def test_importing_the_package_alone_gives_access_to_pagers_and_transports():
    """In a process of its own: once another test has loaded a submodule, it stays an attribute."""
    code = (
        "from drayman import tasks_v2\n"
        "service = tasks_v2.services.cloud_tasks\n"
        "print(service.pagers.__name__, service.transports.CloudTasksGrpcTransport.kind)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert printed.split() == ["drayman.tasks_v2.services.cloud_tasks.pagers", "grpc"]


def test_a_mock_of_the_module_has_the_clients():
    mocked = mock.create_autospec(tasks)
    assert mocked.CloudTasksClient.create_task


@pytest.mark.parametrize("tool", ["dropin", "stubs"])
def test_the_stubs_are_up_to_date(tool):
    subprocess.run([sys.executable, ROOT / f"tools/{tool}.py", "--check"], check=True)


def test_a_stub_declares_the_fields_of_every_message():
    for message_class in map(tasks_v2.types.__dict__.get, tasks_v2.types.__all__):
        if issubclass(message_class, proto.Message):
            stub = Path(inspect.getsourcefile(message_class)).with_suffix(".pyi").read_text()
            declared = stub.partition(f"class {message_class.__name__}(Message):\n")[2]
            assert all(f" {name}: " in declared for name in message_class.meta.fields)

"""Run libraries that others built on Cloud Tasks against a Drayman server, with both clients.

``make interop-libraries`` runs this. Each library gets two virtual environments in
``build/interop/libraries``: one with Google's client, one with Drayman's under the same name.
Its app enqueues a task whose first attempt fails, and waits for the second. A library is skipped if
it needs a newer Python than there is. The exit status is 1 if an app fails. Names of libraries as
arguments select them.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from certificates import Authority  # noqa: E402 - a module of the tests

APPS = Path(__file__).parent
BUILD = ROOT / "build" / "interop" / "libraries"
SOURCES = ("src", "pyproject.toml", "README.md", "LICENSE", "compat")
NEWEST_MINOR = 14
APP_TIMEOUT = 120
"""Seconds after which an app is ended and counts as failed."""
GOOGLES_CLIENT = "google-cloud-tasks==2.26.0"


class Library(NamedTuple):
    """A library.

    Attributes:
        name: Its distribution.
        app: The module in this folder.
        minor: The oldest Python 3 that it accepts.
        requirements: What to install, in exact versions.
    """

    name: str
    app: str
    minor: int
    requirements: tuple[str, ...]


LIBRARIES = (
    Library(
        "fastapi-gcp-tasks",
        "fastapi_gcp_tasks_app",
        11,
        ("fastapi-gcp-tasks==0.3.4", "uvicorn==0.54.0"),
    ),
    Library(
        "django-google-cloud-tasks",
        "django_google_cloud_tasks_app",
        11,
        # The library imports cachetools, and drf-kit dateutil, without declaring them.
        (
            "django-google-cloud-tasks==2.21.0",
            "cachetools==8.0.2",
            "python-dateutil==2.9.0.post0",
        ),
    ),
    Library("django-tasks-google", "django_tasks_google_app", 12, ("django-tasks-google==0.6.0",)),
    Library("taskferry-cloudtasks", "taskferry_app", 12, ("taskferry-cloudtasks[gcp]==0.3.0",)),
    Library(
        "py-cloud-task",
        "py_cloud_task_app",
        14,
        ("py-cloud-task[fastapi]==0.2.1", "uvicorn==0.54.0"),
    ),
)


def find_python(minor: int, path: str | None = None) -> str | None:
    """Return a Python 3 of this minor version or newer, None if there is none on the path."""
    if sys.version_info >= (3, minor):
        return sys.executable
    candidates = (
        shutil.which(f"python3.{each}", path=path) for each in range(minor, NEWEST_MINOR + 1)
    )
    # The launchers of a version manager exist for versions that are not active, too.
    return next((each for each in candidates if each and _runs(each)), None)


def _runs(python: str) -> bool:
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def run(*command: str | Path, **options: Any) -> None:
    """Run a program; raise ``CalledProcessError`` with its output if it fails."""
    subprocess.run(command, check=True, capture_output=True, text=True, **options)


def create_environment(folder: Path, python: str, requirements: tuple[str, ...]) -> Path:
    """Create a virtual environment unless there is one with these requirements."""
    interpreter, record = folder / "bin" / "python", folder / "requirements.txt"
    text = "\n".join((python, *requirements))
    if not record.exists() or record.read_text() != text:
        run(python, "-m", "venv", "--clear", folder)
        run(interpreter, "-m", "pip", "install", "--quiet", *requirements)
        record.write_text(text)
    return interpreter


def copy_sources() -> list[Path]:
    """Return copies of Drayman's client and of the package with Google's import paths.

    A build leaves files in the folder of its sources.
    """
    target = BUILD / "sources"
    shutil.rmtree(target, ignore_errors=True)
    ignored = shutil.ignore_patterns("*.egg-info", "__pycache__", "build")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, target / name)
    return [target, target / "compat" / "google-cloud-tasks"]


def environments(library: Library, python: str, sources: list[Path]) -> Iterator[tuple[str, Path]]:
    """Yield the name of each client and the interpreter that has it beside the library."""
    requirements = (*library.requirements, GOOGLES_CLIENT)
    yield "Google's", create_environment(BUILD / f"{library.name}-google", python, requirements)
    interpreter = create_environment(BUILD / f"{library.name}-drayman", python, requirements)
    run(interpreter, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", *sources)
    run(interpreter, "-m", "pip", "check")
    yield "Drayman's", interpreter


def create_certificate(folder: Path) -> dict[str, str]:
    """Write the certificate of the apps' handlers; return the variables that name the files."""
    authority = Authority()
    identity = authority.issue()
    contents = {
        "HANDLER_AUTHORITY": authority.certificate,
        "HANDLER_CERTIFICATE": identity.certificate,
        "HANDLER_KEY": identity.key,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: str(folder / name) for name in contents}


@contextlib.contextmanager
def serve(certificate: dict[str, str]) -> Iterator[dict[str, str]]:
    """Run a server with its store in memory; yield the variables of the apps."""
    command = [sys.executable, "-m", "drayman", "serve", "--port", "0", "--store", "memory"]
    command += ["--target-ca", certificate["HANDLER_AUTHORITY"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            address = process.stdout.readline().split("grpc=")[1].split()[0]
            yield os.environ | certificate | {"CLOUD_TASKS_EMULATOR_HOST": address}
        finally:
            process.terminate()


def results(
    library: Library, sources: list[Path], variables: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the name of each client and the problem with it, empty if the app has succeeded."""
    python = find_python(library.minor)
    if not python:
        yield "both", f"skipped: needs Python 3.{library.minor}"
        return
    for client, interpreter in environments(library, python, sources):
        app = (interpreter, APPS / f"{library.app}.py")
        try:
            run(*app, env=variables, timeout=APP_TIMEOUT)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            yield client, f"failed: {str(error.stderr).strip()}"
        else:
            yield client, ""


def main(names: list[str]) -> int:
    """Run the apps and print their results."""
    libraries = [each for each in LIBRARIES if not names or each.name in names]
    BUILD.mkdir(parents=True, exist_ok=True)
    sources = copy_sources()
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(create_certificate(Path(folder))) as variables,
    ):
        for library in libraries:
            for client, problem in results(library, sources, variables):
                counts[problem.partition(":")[0] or "passed"] += 1
                print(f"{library.name:28}{client:12}{problem or 'passed'}", flush=True)
    print(", ".join(f"{count} {result}" for result, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

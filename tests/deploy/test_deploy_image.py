"""The package and the image: the steps of the Dockerfile, in a folder instead of a container."""

import contextlib
import os
import socket
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import dockerfile
import pytest
from dockerfile import ROOT
from google.api_core import exceptions

from processes import LOCATION, PATIENCE, QUEUE, Served, http_task

BUILD, IMAGE = dockerfile.instructions()
BUILD_TIME = 300


def run(*command, **options):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=BUILD_TIME, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Give a folder with what the Dockerfile copies, and nothing else."""
    folder = tmp_path_factory.mktemp("source")
    for line in dockerfile.arguments(BUILD, "COPY"):
        *paths, target = line.split()
        for path in paths:
            run("git", "ls-files", "--error-unmatch", path, cwd=ROOT)
            destination = folder / target
            destination.mkdir(parents=True, exist_ok=True)
            run("cp", "-r", f"{ROOT / path}{'/.' if (ROOT / path).is_dir() else ''}", destination)
    return folder


@pytest.fixture(scope="module")
def distributions(source):
    """Give the paths of the source distribution and of the wheel."""
    build = "from setuptools import build_meta as b; print(b.build_sdist('.'), b.build_wheel('.'))"
    names = run(sys.executable, "-c", build, cwd=source).split()[-2:]
    return [source / name for name in names]


@pytest.fixture(scope="module")
def installed(source, tmp_path_factory):
    """Give the folder in which the build stage installs the server."""
    prefix = tmp_path_factory.mktemp("image") / "drayman"
    python = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{python}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    for step in dockerfile.arguments(BUILD, "RUN"):
        script = step.replace("/opt/drayman", str(prefix)).replace("--no-cache-dir ", "")
        run("sh", "-ec", script, cwd=source, env=environment)
    return prefix


@pytest.fixture
def variables(installed, tmp_path):
    """Give the environment of a container whose store is in a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    values = {
        name: value.replace("/opt/drayman", str(installed)).replace(
            "/var/lib/drayman", str(tmp_path)
        )
        for name, value in dockerfile.environment(IMAGE).items()
    }
    values["PATH"] = values["PATH"].replace("$PATH", os.environ["PATH"])
    return values | {"DRAYMAN_PORT": str(port)}


@contextlib.contextmanager
def container(variables, tmp_path, command=None, **others):
    """Run what a container runs, or another command that serves."""
    with (
        (tmp_path / "stderr.log").open("a+") as stderr,
        subprocess.Popen(
            command or dockerfile.command(IMAGE),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=variables | others,
            cwd=tmp_path,
        ) as process,
    ):
        try:
            served = Served(process, process.stdout.readline().strip(), stderr)
            assert served.ready_line, served.log()
            yield served
        finally:
            process.kill()


def test_the_image_serves_delivers_and_is_healthy(variables, tmp_path, worker):
    with container(variables, tmp_path, DRAYMAN_HOST="127.0.0.1", DRAYMAN_AUTH="none") as server:
        run("sh", "-ec", dockerfile.health_check(IMAGE), env=variables)
        with server.client() as client:
            client.create_queue(parent=LOCATION, queue={"name": QUEUE})
            client.create_task(parent=QUEUE, task=http_task(f"{worker.url}/in-a-container"))
            assert worker.await_delivery().path == "/in-a-container"
        listed = run("drayman", "queues", "list", "--server", server.http_url, env=variables,
                     cwd=tmp_path)  # fmt: skip
        assert "q" in listed.split()
        assert server.stop() == 0


def test_the_image_is_unhealthy_without_its_server(variables):
    check = ["sh", "-ec", dockerfile.health_check(IMAGE)]
    done = subprocess.run(check, env=variables, capture_output=True, check=False)
    assert done.returncode != 0


def test_callers_need_a_key_that_is_created_in_the_container(variables, tmp_path):
    key = run("drayman", "keys", "create", "ops", "--role", "roles/cloudtasks.admin",
              env=variables, cwd=tmp_path).strip()  # fmt: skip
    with container(variables, tmp_path) as server:
        address = f"127.0.0.1:{variables['DRAYMAN_PORT']}"
        server.ready_line = f"grpc={address} http=http://{address}"
        with server.client() as client:
            with pytest.raises(exceptions.Unauthenticated):
                client.list_queues(parent=LOCATION, timeout=PATIENCE)
            named = client.list_queues(
                {"parent": LOCATION}, timeout=PATIENCE, metadata=[("x-goog-api-key", key)]
            )
            assert list(named) == []


def test_the_image_has_the_driver_of_postgresql(variables):
    run("python", "-c", "import psycopg, drayman.store.postgres", env=variables)


def test_the_wheel_has_all_that_the_server_reads_and_nothing_else(distributions):
    _, path = distributions
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
    sources = {
        str(each.relative_to(ROOT / "src"))
        for each in (ROOT / "src" / "drayman").rglob("*")
        if each.is_file() and "__pycache__" not in each.parts
    }
    assert {name for name in names if name.startswith("drayman/")} == sources
    others = {name for name in names if not name.startswith("drayman/")}
    assert all(".dist-info/" in name for name in others)
    assert any(name.endswith("/licenses/LICENSE") for name in others)
    assert "drayman/py.typed" in names


def test_the_wheel_serves_and_delivers_from_an_empty_environment(distributions, tmp_path, worker):
    _, wheel = distributions
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    programs = tmp_path / "venv" / "bin"
    run(sys.executable, "-m", "venv", programs.parent, env=clean)
    run(programs / "pip", "install", "-c", ROOT / "constraints.txt", f"{wheel}[server]", env=clean,
        cwd=tmp_path)  # fmt: skip
    with container(clean, tmp_path, [programs / "drayman", "serve", "--port", "0"]) as server:
        with server.client() as client:
            client.create_queue(parent=LOCATION, queue={"name": QUEUE})
            client.create_task(parent=QUEUE, task=http_task(f"{worker.url}/from-a-wheel"))
            assert worker.await_delivery().path == "/from-a-wheel"
        assert server.stop() == 0


def test_the_source_distribution_builds_the_same_wheel(distributions, tmp_path):
    sdist, wheel = distributions
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    assert (folder / "LICENSE").exists()
    build = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    name = run(sys.executable, "-c", build, cwd=folder).split()[-1]
    with zipfile.ZipFile(folder / name) as again, zipfile.ZipFile(wheel) as first:
        assert sorted(again.namelist()) == sorted(first.namelist())


def test_the_metadata_is_what_an_index_shows(distributions):
    _, path = distributions
    with zipfile.ZipFile(path) as wheel:
        (name,) = (each for each in wheel.namelist() if each.endswith("/METADATA"))
        metadata = message_from_string(wheel.read(name).decode())
    assert metadata["Name"] == "drayman"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().strip() == (ROOT / "README.md").read_text().strip()
    assert set(metadata.get_all("Provides-Extra")) >= {"server", "cli", "postgres", "testing"}
    assert len(metadata["Summary"]) < 512
    versions = [each for each in metadata.get_all("Classifier") if ":: Python :: 3." in each]
    assert versions

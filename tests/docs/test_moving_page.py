"""The commands of the page on moving do what it says."""

import re
import subprocess
import sys

import pytest
from pages import code_blocks

from processes import LOCATION, environment, http_task, serve

PAGE = "docs/moving.md"
STORE_OF_PAGE = "postgresql://drayman@db.example/tasks"
MAIL = f"{LOCATION}/queues/mail"


@pytest.fixture
def drayman_db(tmp_path):
    """Create the store that the page begins with."""
    queues = ("--queue", MAIL, "--queue", f"{LOCATION}/queues/other")
    store = f"sqlite:{tmp_path / 'drayman.db'}"
    with serve(tmp_path, *queues, store=store) as server, server.client() as client:
        client.pause_queue(name=MAIL)
        for _ in range(3):
            client.create_task(parent=MAIL, task=http_task("http://127.0.0.1:1/"))
        assert server.stop() == 0


def run(command, folder):
    """Run a command of the page; return what it prints."""
    command = re.sub(r"\bdrayman (?=export|import)", f"{sys.executable} -m drayman ", command)
    done = subprocess.run(
        ["bash", "-ec", f"set -o pipefail; {command}"],
        cwd=folder, capture_output=True, text=True, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.usefixtures("drayman_db")
def test_the_commands_print_what_the_page_shows(tmp_path, postgres):
    url = f"'{postgres.url()}'"
    *blocks, from_google = code_blocks(PAGE, "console")
    assert len(blocks) == 4
    for block in blocks:
        for part in block.removeprefix("$ ").split("\n$ "):
            command, _, shown = part.strip("\n").partition("\n")
            printed = run(command.replace(STORE_OF_PAGE, url), tmp_path)
            assert not shown or printed == f"{shown}\n"
    command = from_google.removeprefix("$ ").replace("my-project europe-west1", "p l")
    with serve(tmp_path, store=f"sqlite:{tmp_path / 'moved.db'}") as server:
        endpoint = f" --endpoint http://{server.grpc_address}"
        assert run(command.strip() + endpoint, tmp_path).startswith("drayman: imported 2 queues")

"""The command line in processes of its own: environment, terminals, backup and restore."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import processes
from processes import PATIENCE

ENOUGH = 5_000_000
"""Characters on a screen after which an expected text will not come any more."""
SLOW = 2 * PATIENCE
FULL = Path("/dev/full")
WHERE = {"DRAYMAN_DEFAULT_PROJECT": "shop", "DRAYMAN_DEFAULT_LOCATION": "here"}


class CommandLine:
    """Runs ``drayman`` against a server."""

    def __init__(self, server):
        self.environment = processes.environment(DRAYMAN_SERVER=server.grpc_address, **WHERE)

    def __call__(self, *arguments, **variables):
        return subprocess.run(
            [sys.executable, "-m", "drayman", *arguments], env=self.environment | variables,
            capture_output=True, text=True, timeout=SLOW, check=False,
        )  # fmt: skip


@pytest.fixture
def server(tmp_path):
    with processes.serve(tmp_path) as served:
        yield served


@pytest.fixture
def drayman(server):
    return CommandLine(server)


def test_variables_are_for_commands_and_do_not_disturb_a_server(drayman):
    secrets = {"DRAYMAN_API_KEY": "k", "DRAYMAN_TOKEN": "t", "DRAYMAN_CA": ""}
    checked = drayman("serve", "--check", "--store", "memory", "--port", "0", **secrets)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert drayman("queues", "create", "mail").stderr == "Created queue [here/mail].\n"
    listed = drayman("queues", "list", "--format", "json")
    assert [each["name"] for each in json.loads(listed.stdout)] == [
        "projects/shop/locations/here/queues/mail"
    ]


def test_a_closed_pipe_is_no_traceback(drayman):
    drayman("queues", "create", "mail")
    line = f"{sys.executable} -m drayman queues list --format yaml | true"
    done = subprocess.run(
        ["sh", "-c", line], env=drayman.environment, capture_output=True, text=True,
        timeout=SLOW, check=False,
    )  # fmt: skip
    assert done.stderr == ""


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("form", ["json", "yaml", "table"])
def test_an_output_that_cannot_be_written_is_one_line_and_status_one(drayman, form):
    drayman("queues", "create", "mail")
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "drayman", "queues", "list", "--format", form],
            env=drayman.environment, stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=SLOW, check=False,
        )  # fmt: skip
    assert done.stderr == "drayman: cannot write to standard output: No space left on device\n"
    assert done.returncode == 1


def test_a_server_starts_on_a_backup_and_delivers_its_tasks(tmp_path):
    backup = tmp_path / "backup.db"
    with processes.run_worker() as worker:
        with processes.serve(tmp_path) as server:
            drayman = CommandLine(server)
            drayman("queues", "create", "mail")
            drayman("queues", "pause", "mail")
            options = ("--queue", "mail", "--url", f"{worker.url}/work", "--body-content", "hi")
            drayman("tasks", "create-http-task", "kept", *options)
            done = drayman("backup", str(backup), "--store", f"sqlite:{tmp_path / 'tasks.db'}")
            assert done.returncode == 0, done.stderr
            drayman("tasks", "create-http-task", "later", *options)
            server.kill()
        checked = drayman("check", "--store", f"sqlite:{backup}")
        assert (checked.returncode, checked.stderr) == (0, "")
        with processes.serve(tmp_path, store=f"sqlite:{backup}") as server:
            CommandLine(server)("queues", "resume", "mail")
            delivery = worker.await_delivery()
    assert (delivery.task_id, delivery.body) == ("kept", b"hi")


class Terminal:
    """A program whose terminal a test reads and types at."""

    def __init__(self, drayman, *arguments):
        self._ours, theirs = pty.openpty()
        environment = drayman.environment | {"TERM": "xterm", "COLUMNS": "150", "LINES": "20"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "drayman", *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
        )  # fmt: skip
        os.close(theirs)
        self._text = ""

    def wait_for(self, pattern):
        """Read until a pattern is on the screen, and forget what was read up to it."""
        while not (match := re.search(pattern, self._text)):
            ready, _, _ = select.select([self._ours], [], [], SLOW)
            assert ready, self._text
            assert len(self._text) < ENOUGH, self._text[-10_000:]
            self._text += os.read(self._ours, 65_536).decode()
        self._text = self._text[match.end() :]

    def type(self, text):
        os.write(self._ours, text)

    def close(self):
        self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self._ours)


@pytest.fixture
def terminal(drayman):
    opened = []

    def open_terminal(*arguments):
        opened.append(Terminal(drayman, *arguments))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


def test_top_is_live_until_q(terminal, drayman):
    drayman("queues", "create", "first")
    top = terminal("top", "--interval", "0.1")
    top.wait_for("first")
    drayman("queues", "create", "second")
    top.wait_for("second")
    top.type(b"xq")
    top.wait_for(re.escape("\x1b[?1049l"))  # the screen is as it was before
    assert top.process.wait(PATIENCE) == 0


def test_top_goes_on_while_the_server_does_not_run(terminal, drayman, server):
    drayman("queues", "create", "first")
    top = terminal("top", "--interval", "0.1")
    top.wait_for("first")
    server.kill()
    top.wait_for("cannot reach")
    top.type(b"q")
    assert top.process.wait(PATIENCE) == 0


def test_a_table_on_a_terminal_has_a_bold_head(terminal, drayman):
    drayman("queues", "create", "first")
    queues = terminal("queues", "list")
    queues.wait_for(r"\x1b\[1mQUEUE_NAME")
    queues.wait_for("first")
    assert queues.process.wait(PATIENCE) == 0


def test_ctrl_c_at_a_question_ends_the_command(terminal, drayman):
    drayman("queues", "create", "first")
    purge = terminal("queues", "purge", "first")
    purge.wait_for(re.escape("Do you want to continue (Y/n)?"))
    # One that comes just before the program begins to read does not interrupt the read.
    for _ in range(PATIENCE // 5):
        purge.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            purge.process.wait(5)
            break
    assert purge.process.poll() == 130


def test_a_backup_on_a_terminal_shows_its_progress(terminal, tmp_path):
    backup = terminal("backup", str(tmp_path / "b.db"), "--store", f"sqlite:{tmp_path}/tasks.db")
    backup.wait_for("Copying pages")
    backup.wait_for("backed up to")
    assert backup.process.wait(PATIENCE) == 0


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from drayman import cli\n"
        "try: cli.command()(['--help'])\n"
        "except SystemExit: print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SLOW, check=True
    )
    heavy = {"google.protobuf", "grpc", "proto", "requests", "rich", "sqlite3"}
    assert not heavy.intersection(done.stdout.split())


def test_without_the_extra_the_next_step_is_one_line():
    code = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'click': raise ModuleNotFoundError('no click', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from drayman import cli; cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SLOW, check=False
    )
    assert (done.returncode, done.stderr) == (
        1,
        'drayman: the server is not installed; run: pip install "drayman[server]" (no click)\n',
    )

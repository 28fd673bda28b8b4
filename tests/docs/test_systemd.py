"""The unit for systemd fits the server that it runs."""

import re
import shlex
import shutil
import socket
import subprocess

import pytest
from pages import ROOT

from drayman.core.clock import SECOND
from drayman.server import CALLS_GRACE
from drayman.settings import load
from processes import PATIENCE, run_to_end, serve

UNIT = ROOT / "deploy" / "drayman.service"
LINES = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))


def test_it_starts_the_server_with_a_file_of_settings():
    program, *arguments = shlex.split(LINES["ExecStart"])
    assert program.endswith("/bin/drayman")
    assert arguments == ["serve", "--config", "/etc/drayman/drayman.toml"]


def test_it_reloads_by_the_signal_that_the_server_knows():
    assert LINES["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_it_leaves_the_server_the_time_to_stop():
    allowed = int(LINES["TimeoutStopSec"].removesuffix("s"))
    assert allowed >= load({}, {}).grace / SECOND + CALLS_GRACE + 5


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_accepts_it(tmp_path):
    unit = tmp_path / UNIT.name
    text = UNIT.read_text()
    unit.write_text(text.replace(LINES["ExecStart"].split()[0], "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_finds_little_that_it_exposes():
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:]


def test_systemd_learns_of_the_start_and_the_stop(tmp_path, monkeypatch):
    assert LINES["Type"] == "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.settimeout(PATIENCE)
        notifications.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with serve(tmp_path, store="memory") as server:
            assert notifications.recv(100) == b"READY=1"
            server.process.terminate()
            assert notifications.recv(100) == b"STOPPING=1"
            assert server.process.wait(PATIENCE) == 0


def test_wrong_settings_are_no_reason_for_a_restart():
    assert run_to_end("--port", "none").returncode == int(LINES["RestartPreventExitStatus"])

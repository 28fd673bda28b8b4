"""``make demo``: the examples, against a server and a worker of their own."""

import subprocess
import sys
from pathlib import Path

import processes

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def test_the_demo_delivers_every_example_and_removes_its_files(tmp_path):
    process = subprocess.run(
        [sys.executable, "-W", "error", str(DEMO)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=processes.environment(TMPDIR=str(tmp_path)),
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.count(">>> delivered: POST") == 4
    for path in ("/process", "/scheduled-job", "/task-handler", "/my-task"):
        assert f">>> delivered: POST {path} " in process.stdout
    assert "All tasks arrived." in process.stdout
    assert list(tmp_path.iterdir()) == []

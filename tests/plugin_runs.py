"""Runs of pytest in a process of their own, as users run it, with the plugin of the testing kit."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


def run_pytest(folder, *arguments):
    """Run pytest in a folder; return the process that has ended."""
    command = [sys.executable, "-m", "pytest", "-p", "drayman.testing.plugin", "-W", "error"]
    command += ["-o", "asyncio_default_fixture_loop_scope=function"]
    path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", *arguments], check=False, cwd=folder, text=True,
        env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip

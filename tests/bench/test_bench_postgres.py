"""The measurements of the store on PostgreSQL run, in a small size."""

import subprocess
import sys
from pathlib import Path

import pytest

from postgres_cluster import find_programs

ROOT = Path(__file__).parents[2]
SIZES = ["--seconds", "0.1", "--rounds", "1", "--pending", "100"]


@pytest.mark.skipif(find_programs() is None, reason="no PostgreSQL server is installed")
def test_servers_on_postgresql_and_claims_beside_pending_tasks_are_measured(tmp_path):
    command = [sys.executable, "-m", "bench.postgres", "--parts", "lines,pending", *SIZES]
    ended = subprocess.run(
        [*command, "--out", tmp_path],
        cwd=ROOT, check=False, timeout=300, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "not measured" not in ended.stdout
    assert len(list(tmp_path.glob("postgres-*.md"))) == 2

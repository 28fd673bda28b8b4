"""Fixtures of the end-to-end tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import processes


@pytest.fixture
def worker():
    with processes.run_worker() as worker:
        yield worker

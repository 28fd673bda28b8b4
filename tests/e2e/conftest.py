"""Fixtures of the end-to-end tests."""

import pytest

import processes


@pytest.fixture
def worker():
    with processes.run_worker() as worker:
        yield worker
